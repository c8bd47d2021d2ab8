import Base
import Modbus

/// Listens to another master's line and never says anything: bytes with the time they were read in,
/// frames and exchanges out. Frames are found by length and checksum, so it does not matter how an
/// adapter cuts the bytes up; a gap only ends what has no other end.
package struct Sniffer: LineTool {
    package enum Event: Hashable, Sendable {
        /// A frame, or bytes that are none, as they were on the wire.
        case frame([UInt8], at: Moment)
        case heard(Overheard)
    }

    private struct Pending: Sendable {
        var unit: UInt8
        var request: Request
        var began: Moment
        var ended: Instant
    }

    /// Two frames and a little.
    private static let bufferMax = 600
    /// Bytes that no frame begins with are looked at again only when so many more have come, or a
    /// quarter more if that is more: on noise every byte is looked at a few times, not once for
    /// each that follows.
    private static let searchStep = 16
    /// A USB adapter hands bytes over every 16 ms; shorter gaps say nothing.
    private static let gapMin = Duration.milliseconds(25)
    /// Later than this nobody waits for a reply any more.
    private static let replyWindow = Duration.seconds(2)

    private let timing: RTUTiming
    private let gap: Duration
    private var buffer: [UInt8] = []
    private var times: [Moment] = []
    private var pending: Pending?
    private var lastByte = Instant.zero
    /// How many bytes there were when no frame was found among them.
    private var searched = 0
    private var events: [Event] = []
    private var head = 0
    private var isOver = false

    package init(_ line: LineSettings) {
        timing = RTUTiming(line)
        gap = max(timing.silence * 2, Self.gapMin)
    }

    package var isDone: Bool { isOver }
    /// It has nothing to say to the line.
    package mutating func next() -> LineToolOutput? { nil }

    /// Takes the next event that was heard; drain until nil after every other call.
    package mutating func nextEvent() -> Event? {
        guard head < events.count else {
            events.removeAll(keepingCapacity: true)
            head = 0
            return nil
        }
        defer { head += 1 }
        return events[head]
    }

    package var deadline: Instant? {
        if isOver { return nil }
        if !buffer.isEmpty { return lastByte + gap }
        return pending.map { $0.ended + Self.replyWindow }
    }

    package mutating func opened(at now: Moment) {}

    package mutating func receive(_ bytes: ArraySlice<UInt8>, at now: Moment) {
        guard !isOver, !bytes.isEmpty else { return }
        if !buffer.isEmpty, now.instant >= lastByte + gap { digest(isSilent: true, at: now) }
        expire(at: now.instant)
        lastByte = now.instant
        var rest = bytes
        while !rest.isEmpty {
            let chunk = rest.prefix(Self.bufferMax - buffer.count)
            buffer += chunk
            times += repeatElement(now, count: chunk.count)
            rest = rest.dropFirst(chunk.count)
            digest(isSilent: false, at: now)
            if buffer.count >= Self.bufferMax { drop(Limits.adu) }
        }
    }

    package mutating func timeout(at now: Moment) {
        if !buffer.isEmpty, now.instant >= lastByte + gap { digest(isSilent: true, at: now) }
        expire(at: now.instant)
    }

    package mutating func stop(at now: Moment) {
        digest(isSilent: true, at: now)
        if let pending { conclude(pending, .silence, nil) }
        pending = nil
        isOver = true
    }

    // MARK: Frames

    private var awaiting: (unit: UInt8, request: Request)? { pending.map { ($0.unit, $0.request) } }

    private mutating func digest(isSilent: Bool, at now: Moment) {
        while !buffer.isEmpty {
            let look = FrameFinder.look(at: buffer[...], awaiting: awaiting)
            if case .frame(let length, let role) = look {
                take(length, as: role)
                continue
            }
            if !isSilent,
                look == .more || buffer.count < searched + max(Self.searchStep, searched / 4)
            {
                return
            }
            if isSilent, let length = FrameFinder.measure(buffer[...]) {
                take(length, as: awaiting.map { isReply(to: $0) } == true ? .reply : .request)
                continue
            }
            if let offset = FrameFinder.search(buffer[...], awaiting: awaiting) {
                drop(offset)
                continue
            }
            guard isSilent else {
                searched = buffer.count
                return
            }
            drop(buffer.count)
        }
        searched = 0
    }

    private func isReply(to awaiting: (unit: UInt8, request: Request)) -> Bool {
        buffer[0] == awaiting.unit
            && buffer[1] & ~FunctionCode.exceptionBit == awaiting.request.function.rawValue
    }

    private mutating func cut(_ count: Int) -> (bytes: [UInt8], first: Moment, last: Moment) {
        let cut = (Array(buffer.prefix(count)), times[0], times[count - 1])
        buffer.removeFirst(count)
        times.removeFirst(count)
        searched = 0
        events.append(.frame(cut.0, at: cut.1))
        return cut
    }

    /// A sound frame.
    private mutating func take(_ length: Int, as role: FrameFinder.Role) {
        let (bytes, first, last) = cut(length)
        let pdu = bytes[1..<(length - 2)]
        switch role {
        case .request:
            if let pending { conclude(pending, .silence, nil) }
            pending = nil
            let request =
                (try? Request(pdu: pdu))
                ?? .other(FunctionCode(rawValue: pdu.first ?? 0), Array(pdu.dropFirst()))
            let heard = Pending(unit: bytes[0], request: request, began: first, ended: last.instant)
            if bytes[0] == 0 { conclude(heard, .broadcast, nil) } else { pending = heard }
        case .reply:
            guard let asked = pending, asked.unit == bytes[0],
                let response = try? Response(pdu: pdu, answering: asked.request),
                (pdu.first ?? 0) & ~FunctionCode.exceptionBit == asked.request.function.rawValue
            else {
                events.append(
                    .heard(Overheard(content: .reply(unit: bytes[0], pdu: Array(pdu)), at: first)))
                return
            }
            pending = nil
            let elapsed: Duration = last.instant - asked.ended
            let time = elapsed - timing.time(of: length)
            conclude(asked, .answer(response), last.instant == asked.ended ? nil : max(.zero, time))
        }
    }

    /// Bytes that are no sound frame; after a request they may be its damaged reply.
    private mutating func drop(_ count: Int) {
        let (bytes, first, _) = cut(min(count, buffer.count))
        if let asked = pending, bytes.count >= RTUFrame.shortest, bytes[0] == asked.unit {
            pending = nil
            conclude(asked, .damaged(bytes), nil)
            return
        }
        let looksLike =
            bytes.count >= RTUFrame.shortest && (1...247).contains(bytes[0])
            && PDULength.ofReply(bytes[1...]) != .unknown
        events.append(
            .heard(
                Overheard(content: .noise(bytes, looksLike: looksLike ? bytes[0] : nil), at: first))
        )
    }

    private mutating func expire(at now: Instant) {
        guard let asked = pending, asked.ended + Self.replyWindow <= now else { return }
        pending = nil
        conclude(asked, .silence, nil)
    }

    private mutating func conclude(
        _ asked: Pending, _ outcome: Overheard.Outcome, _ turnaround: Duration?
    ) {
        let content = Overheard.Content.exchange(
            unit: asked.unit, asked.request, outcome, turnaround: turnaround)
        events.append(.heard(Overheard(content: content, at: asked.began)))
    }
}
