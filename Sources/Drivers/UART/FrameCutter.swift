import Base

/// Cuts one format's frames from a stream of bytes and checks them.
///
/// - What stands before a start is noise. A frame that is too long, has an impossible length or a
///   wrong checksum costs its first byte; the search for the next start goes on behind it, so that
///   a sound frame is found wherever it begins.
/// - Where neither a start nor a checksum shows a beginning, the first frame is the one after a
///   terminator or a pause.
/// - Never more than `frame.max` bytes (and one) are waited with.
/// - A byte costs a fixed number of steps, whatever comes: wherever a frame may begin, its checksum
///   is known without going through it again (`HeldBytes`).
package struct FrameCutter: Sendable {
    package enum Verdict: Hashable, Sendable {
        case frame([UInt8])
        /// It had the form of a frame, and a wrong checksum.
        case damaged([UInt8])
    }

    private enum Measure { case more, impossible, length(Int) }

    let frame: UARTProtocol.Frame
    let checksum: UARTProtocol.Checksum?
    /// A pause as long as this ends a frame, or makes an unfinished one worthless.
    let pause: Duration

    private var held: HeldBytes
    /// The next byte may begin a frame.
    private var isSynced: Bool
    /// Bytes of a frame that was damaged already: what fails within is not told again.
    private var hushed = 0
    private var lastByte: Instant

    /// - Parameter isSynced: whether the next byte is known to begin a frame.
    package init(
        _ frame: UARTProtocol.Frame, _ checksum: UARTProtocol.Checksum?, character: Duration,
        isSynced: Bool, at now: Instant
    ) {
        held = Self.nothing(frame, checksum)
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
        self = FrameCutter(frame, checksum, pause: pause, at: now)
    }

    private init(
        _ frame: UARTProtocol.Frame, _ checksum: UARTProtocol.Checksum?, pause: Duration,
        at now: Instant
    ) {
        self.frame = frame
        self.checksum = checksum
        self.pause = pause
        held = Self.nothing(frame, checksum)
        isSynced = false
        lastByte = now
    }

    private static func nothing(
        _ frame: UARTProtocol.Frame, _ checksum: UARTProtocol.Checksum?
    ) -> HeldBytes {
        let terminator = if case .terminator(let bytes) = frame.end { bytes } else { [UInt8]() }
        return HeldBytes(
            start: frame.start, terminator: terminator, checksum: checksum?.type ?? .none)
    }

    /// Steps taken since the beginning.
    package var work: Int { held.work }

    /// Bytes of a frame that is not finished.
    package var pending: Int { held.count }

    /// When the pause that ends the unfinished frame is over.
    var due: Instant? { pending > 0 ? lastByte + pause : nil }

    /// Bytes arrive: whether there was a pause before them. Then call `finish` until nil, first.
    package mutating func hear(at now: Instant) -> Bool {
        defer { lastByte = now }
        return now - lastByte >= pause
    }

    /// The next verdict from what is held and from `chunk`, whose used bytes are removed. Call
    /// until nil; then all of `chunk` has been taken.
    package mutating func next(_ chunk: inout ArraySlice<UInt8>) -> Verdict? {
        while true {
            if let verdict = cut() { return verdict }
            if chunk.isEmpty { return nil }
            if !isSynced, isBlind {
                chunk = []
                return nil
            }
            let room = max(1, frame.max + (endsInSilence ? 1 : 0) - pending)
            held.append(chunk.prefix(room))
            chunk = chunk.dropFirst(room)
        }
    }

    /// The line paused: what is held is a frame, holds one behind a wrong start, or is worthless.
    /// Call until nil; then nothing is held.
    package mutating func finish() -> Verdict? {
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
        var skipped = 0
        defer { hushed = max(0, hushed - skipped) }
        return held.align(&skipped)
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
                value = value << 8 | Int(held.bytes[held.head + at + place])
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
        guard !terminator.isEmpty else { return .impossible }
        if let end = held.terminator(behind: frame.start.count) {
            restart(before: end)
            return .length(end + terminator.count - held.head)
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
        if let place = held.lastStart(before: end) { skip(place - held.head) }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }

    /// The first `count` bytes held have the form of a frame. Nil when there is nothing to tell.
    private mutating func take(_ count: Int) -> Verdict? {
        let isWhole = isSynced || !frame.start.isEmpty || checksum != nil && !isLine
        guard isWhole else {
            skip(count)
            isSynced = true
            return nil
        }
        if checksum.map({ held.holds($0, first: count) }) ?? true {
            let bytes = held.copy(first: count)
            skip(count)
            hushed = 0
            isSynced = true
            return .frame(bytes)
        }
        var damaged: Verdict?
        if hushed == 0 {
            damaged = .damaged(held.copy(first: count))
            hushed = count
        }
        skip(isLine && frame.start.isEmpty ? count : 1)
        return damaged
    }

    private var isLine: Bool { if case .terminator = frame.end { true } else { false } }

    private mutating func skip(_ count: Int) {
        held.skip(count)
        hushed = max(0, hushed - count)
    }
}
