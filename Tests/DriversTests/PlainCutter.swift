import Base
import Drivers

/// Cuts frames as `FrameCutter` does, in the plainest way: every window is gone through again, and
/// nothing is remembered of a byte. What it finds is what must be found.
struct PlainCutter: Sendable {
    typealias Verdict = FrameCutter.Verdict

    private enum Measure { case more, impossible, length(Int) }

    let frame: UARTProtocol.Frame
    let checksum: UARTProtocol.Checksum?
    /// A pause as long as this ends a frame, or makes an unfinished one worthless.
    let pause: Duration

    private var buffer: [UInt8] = []
    private var head = 0
    /// No terminator begins before this index.
    private var searched = 0
    /// The next byte may begin a frame.
    private var isSynced: Bool
    /// Bytes of a frame that was damaged already: what fails within is not told again.
    private var hushed = 0
    private var lastByte: Instant

    /// - Parameter isSynced: whether the next byte is known to begin a frame.
    init(
        _ frame: UARTProtocol.Frame, _ checksum: UARTProtocol.Checksum?, character: Duration,
        isSynced: Bool, at now: Instant
    ) {
        self.frame = frame
        self.checksum = checksum
        self.isSynced = isSynced
        lastByte = now
        switch frame.end {
        case .silence(let silence): pause = silence
        case .terminator: pause = .seconds(1)
        case .fixed, .length: pause = .milliseconds(200) + character * 20
        }
    }

    mutating func reset(at now: Instant) {
        self = PlainCutter(frame, checksum, pause: pause, at: now)
    }

    private init(
        _ frame: UARTProtocol.Frame, _ checksum: UARTProtocol.Checksum?, pause: Duration,
        at now: Instant
    ) {
        self.frame = frame
        self.checksum = checksum
        self.pause = pause
        isSynced = false
        lastByte = now
    }

    /// Bytes of a frame that is not finished.
    var pending: Int { buffer.count - head }

    /// When the pause that ends the unfinished frame is over.
    var due: Instant? { pending > 0 ? lastByte + pause : nil }

    /// Bytes arrive: whether there was a pause before them. Then call `finish` until nil, first.
    mutating func hear(at now: Instant) -> Bool {
        defer { lastByte = now }
        return now - lastByte >= pause
    }

    /// The next verdict from what is held and from `chunk`, whose used bytes are removed. Call
    /// until nil; then all of `chunk` has been taken.
    mutating func next(_ chunk: inout ArraySlice<UInt8>) -> Verdict? {
        while true {
            if let verdict = cut() { return verdict }
            if chunk.isEmpty { return nil }
            if !isSynced, isBlind {
                chunk = []
                return nil
            }
            compact()
            let room = max(1, frame.max + (endsInSilence ? 1 : 0) - pending)
            buffer.append(contentsOf: chunk.prefix(room))
            chunk = chunk.dropFirst(room)
        }
    }

    /// The line paused: what is held is a frame, holds one behind a wrong start, or is worthless.
    /// Call until nil; then nothing is held.
    mutating func finish() -> Verdict? {
        while pending > 0 {
            switch frame.end {
            case .silence:
                guard align() else { return discard() }
                if let verdict = take(pending) { return verdict }
            case .terminator: return discard()
            case .fixed, .length:
                if let verdict = cut() { return verdict }
                if isBlind { return discard() }
                skip(1)
            }
        }
        return discard()
    }

    private mutating func discard() -> Verdict? {
        skip(pending)
        compact()
        hushed = 0
        isSynced = true
        return nil
    }

    private var endsInSilence: Bool { if case .silence = frame.end { true } else { false } }

    /// Nothing in the bytes themselves shows where a frame begins.
    private var isBlind: Bool {
        switch frame.end {
        case .terminator: false
        case .silence: frame.start.isEmpty
        case .fixed, .length: frame.start.isEmpty && checksum == nil
        }
    }

    private mutating func cut() -> Verdict? {
        while align() {
            switch measure() {
            case .more: return nil
            case .impossible where isBlind:
                skip(pending)
                isSynced = false
                return nil
            case .impossible: skip(1)
            case .length(let count): if let verdict = take(count) { return verdict }
            }
        }
        return nil
    }

    /// Drops what cannot begin a frame; false while too little is held to tell.
    private mutating func align() -> Bool {
        guard let first = frame.start.first else { return pending > 0 }
        while head < buffer.count {
            guard buffer[head] == first else {
                skip(1)
                continue
            }
            let held = buffer[head...].prefix(frame.start.count)
            if frame.start.starts(with: held) { return held.count == frame.start.count }
            skip(1)
        }
        return false
    }

    private mutating func measure() -> Measure {
        switch frame.end {
        case .fixed(let count):
            guard count >= max(frame.start.count, 1), count <= frame.max else { return .impossible }
            return pending < count ? .more : .length(count)
        case .length(let at, let bytes, let adds, let order):
            guard at >= 0, bytes >= 1, at + bytes <= frame.max else { return .impossible }
            guard pending >= at + bytes else { return .more }
            var value = 0
            for index in 0..<min(bytes, 4) {
                let place = order == .big ? index : min(bytes, 4) - 1 - index
                value = value << 8 | Int(buffer[head + at + place])
            }
            let count = value + adds
            guard count >= max(at + bytes, frame.start.count), count <= frame.max else {
                return .impossible
            }
            return pending < count ? .more : .length(count)
        case .terminator(let terminator): return search(terminator)
        case .silence:
            guard pending > frame.max else { return .more }
            skip(pending)
            isSynced = false
            return .more
        }
    }

    private mutating func search(_ terminator: [UInt8]) -> Measure {
        guard let mark = terminator.first else { return .impossible }
        searched = max(searched, head + frame.start.count)
        while searched + terminator.count <= buffer.count {
            if buffer[searched] == mark, buffer[searched...].starts(with: terminator) {
                restart(before: searched)
                return .length(searched + terminator.count - head)
            }
            searched += 1
        }
        guard pending >= frame.max else { return .more }
        if frame.start.isEmpty {
            // What is left of the line that is too long is no frame either.
            skip(pending - min(pending, terminator.count - 1))
            isSynced = false
            return .more
        }
        return .impossible
    }

    /// Without a checksum to decide, a frame whose end was lost must not swallow the next: it
    /// begins at its last start, if that is more than a letter or digit, which a value may hold as
    /// well.
    private mutating func restart(before end: Int) {
        let start = frame.start
        guard checksum == nil, let first = start.first,
            start.count > 1 || !Self.isAlphanumeric(first)
        else {
            return
        }
        var place = end - start.count
        while place > head {
            if buffer[place] == first, buffer[place...].starts(with: start) {
                return skip(place - head)
            }
            place -= 1
        }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }

    /// The first `count` bytes held have the form of a frame. Nil when there is nothing to tell.
    private mutating func take(_ count: Int) -> Verdict? {
        let isWhole = isSynced || !frame.start.isEmpty || checksum != nil && !isLine
        let bytes = Array(buffer[head..<(head + count)])
        guard isWhole else {
            skip(count)
            isSynced = true
            return nil
        }
        if checksum.map({ Self.holds($0, for: bytes) }) ?? true {
            skip(count)
            hushed = 0
            isSynced = true
            return .frame(bytes)
        }
        let isNews = hushed == 0
        if isNews { hushed = count }
        skip(isLine && frame.start.isEmpty ? count : 1)
        searched = head
        return isNews ? .damaged(bytes) : nil
    }

    private var isLine: Bool { if case .terminator = frame.end { true } else { false } }

    private mutating func skip(_ count: Int) {
        head += count
        hushed = max(0, hushed - count)
    }

    private mutating func compact() {
        guard head > 0 else { return }
        buffer.removeFirst(head)
        searched = max(0, searched - head)
        head = 0
    }

    private static func holds(_ checksum: UARTProtocol.Checksum, for frame: [UInt8]) -> Bool {
        let (from, to, at) = (checksum.from, checksum.to, checksum.at)
        let first = from < 0 ? frame.count + from : from
        let last = to <= 0 ? frame.count + to : to
        let place = at < 0 ? frame.count + at : at
        guard first >= 0, first <= last, last <= frame.count, place >= 0,
            place <= frame.count - checksum.size
        else {
            return false
        }
        if checksum.type == .nmea, last == place - 1, frame[last] != 0x2A { return false }
        let wanted = checksum.encoded(of: frame[first..<last])
        let sent = frame[place..<(place + checksum.size)]
        let isText = checksum.asHex || checksum.type == .nmea
        return sent.elementsEqual(wanted)
            || isText && sent.map { (0x61...0x66).contains($0) ? $0 - 0x20 : $0 } == wanted
    }
}
