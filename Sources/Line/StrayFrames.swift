import Base
import Modbus

/// A sound frame of a unit that answers nothing that is asked at that moment.
package struct HeardFrame: Sendable {
    package let unit: UInt8
    package let pdu: [UInt8]
    /// The frame was whole before the reply to the request could be.
    package let isEarly: Bool
    package let at: Instant

    /// - Parameters:
    ///   - pdu: as it came.
    ///   - isEarly: whole before the reply to the request could be.
    init(unit: UInt8, pdu: [UInt8], isEarly: Bool = false, at now: Instant) {
        self.unit = unit
        self.pdu = pdu
        self.isEarly = isEarly
        at = now
    }

    package var mark: ReplyMark {
        ReplyMark(
            function: pdu.first ?? 0, length: pdu.count,
            checksum: CRC16.checksum(([unit] + pdu)[...]))
    }
}

/// Cuts sound reply frames out of bytes that came while nobody was asked. What is not sound hides
/// what comes behind it until the line has been silent.
struct StrayFrames: Sendable {
    private var buffer: [UInt8] = []
    private var isLost = false
    private var latest = Instant.zero
    /// Something came that is no sound frame and may have been one.
    private(set) var hasRubbish = false

    mutating func forget() {
        if !buffer.isEmpty { hasRubbish = true }
        buffer.removeAll(keepingCapacity: true)
        isLost = false
    }

    mutating func takeRubbish() -> Bool {
        defer { hasRubbish = false }
        return hasRubbish
    }

    /// Number of bytes that a frame of this unit that has begun still needs at least.
    func missing(of unit: UInt8) -> Int {
        guard buffer.first == unit else { return 0 }
        guard buffer.count >= 2, case .bytes(let length) = PDULength.ofReply(buffer[1...]) else {
            return max(1, RTUFrame.shortest - buffer.count)
        }
        return max(0, length + RTUFrame.overhead - buffer.count)
    }

    /// Longest time for which an adapter may hold back a part of a frame.
    private static let pieceMost = Duration.milliseconds(20)

    /// - Parameter silence: after it another frame begins.
    mutating func receive(
        _ bytes: ArraySlice<UInt8>, silence: Duration, at now: Instant
    ) -> [HeardFrame] {
        if now - latest > silence * 2 + Self.pieceMost { forget() }
        latest = now
        guard !isLost else { return [] }
        // Nothing that is of use begins so.
        buffer += buffer.isEmpty ? bytes.drop { $0 == 0 || $0 == 0xFF } : bytes
        var found: [HeardFrame] = []
        while buffer.count >= RTUFrame.shortest {
            let length: Int
            switch PDULength.ofReply(buffer[1...]) {
            case .bytes(let count): length = count + RTUFrame.overhead
            case .more: length = .max
            case .unknown: length = buffer.count
            }
            guard length <= Limits.adu || buffer.count < Limits.adu else {
                isLost = true
                break
            }
            guard length <= buffer.count else { break }
            guard CRC16.checksum(buffer[..<length]) == 0 else {
                isLost = PDULength.ofReply(buffer[1...]) != .unknown || buffer.count > Limits.adu
                break
            }
            found.append(HeardFrame(unit: buffer[0], pdu: Array(buffer[1..<(length - 2)]), at: now))
            buffer.removeFirst(length)
            buffer.removeFirst(buffer.prefix { $0 == 0 || $0 == 0xFF }.count)
        }
        if isLost {
            hasRubbish = true
            buffer.removeAll(keepingCapacity: true)
        }
        return found
    }
}

/// Sound frames that answer nothing, oldest first: those that came while nobody was asked, in place
/// of the answer, or behind it.
package struct UnaskedFrames: Sendable {
    private var frames: [HeardFrame] = []
    private var strays = StrayFrames()
    /// The bytes behind the reply, and when they came.
    private var leftover: [UInt8] = []

    init() {}

    /// Another request goes out.
    mutating func begin() {
        leftover.removeAll(keepingCapacity: true)
        strays.forget()
    }

    /// - Parameter frame: unit and PDU.
    mutating func add(_ frame: [UInt8], isEarly: Bool, at now: Instant) {
        guard let unit = frame.first else { return }
        frames.append(
            HeardFrame(unit: unit, pdu: Array(frame.dropFirst()), isEarly: isEarly, at: now))
    }

    mutating func receive(_ bytes: ArraySlice<UInt8>, silence: Duration, at now: Instant) {
        frames += strays.receive(bytes, silence: silence, at: now)
    }

    mutating func leave(_ bytes: [UInt8]) { leftover = bytes }

    /// Cuts what came behind the reply, once the reply is known.
    package mutating func examine(silence: Duration, at now: Instant) {
        guard !leftover.isEmpty else { return }
        receive(leftover[...], silence: silence, at: now)
        leftover.removeAll(keepingCapacity: true)
    }

    package var isEmpty: Bool { frames.isEmpty }

    /// One of the unit that is not the same as this.
    package func holds(other mark: ReplyMark, of unit: UInt8) -> Bool {
        frames.contains { $0.unit == unit && $0.mark != mark }
    }
    /// Number of bytes that the unit's frame that has begun still needs at least.
    func missing(of unit: UInt8) -> Int { strays.missing(of: unit) }

    /// Something has come that is no sound frame and may have been one.
    package mutating func takeRubbish() -> Bool { strays.takeRubbish() }

    package mutating func take() -> [HeardFrame] {
        defer { frames.removeAll(keepingCapacity: true) }
        return frames
    }
}
