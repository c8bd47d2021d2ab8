import Base

/// The client's side of a serial line: bytes in, verdict out; nil means more, please.
///
/// A reply is accepted as soon as its length is complete. A whole and sound frame that is not the
/// one asked for throws an error with `isStranger`; it has been taken out, and `receive` with an
/// empty chunk judges what followed it. Damage throws too and empties the decoder: what follows
/// damage cannot be trusted before the line has been silent.
package struct ReplyDecoder: Sendable {
    /// Two frames: more than one reply can never be waiting in good order.
    package static let bufferLimit = 2 * Limits.adu

    package private(set) var unit: UInt8
    package private(set) var request: Request
    private var buffer: [UInt8] = []
    /// The checksum of the frame that was taken out last.
    package private(set) var checksum: UInt16 = 0
    /// The latest frame that was damaged had the unit, function and length of a good reply.
    package private(set) var hasForm = false
    /// Unit and PDU of the latest sound frame that was not the one asked for.
    package private(set) var stranger: [UInt8] = []

    package init(unit: UInt8, request: Request) {
        self.unit = unit
        self.request = request
    }

    /// Starts over for another exchange, keeping the buffer's memory.
    package mutating func expect(unit: UInt8, request: Request) {
        self.unit = unit
        self.request = request
        hasForm = false
        buffer.removeAll(keepingCapacity: true)
    }

    /// Bytes that came and are not part of any verdict yet.
    package var pending: Int { buffer.count }

    /// The frame's bytes from unit to checksum that a good reply to this request has.
    package var expectedLength: Int { (request.replyLength ?? Limits.pdu) + RTUFrame.overhead }

    /// How many bytes the frame that has begun still needs; nil while nothing has come that tells.
    package var missing: Int? {
        guard buffer.count >= 2, case .bytes(let length) = PDULength.ofReply(buffer[1...]) else {
            return nil
        }
        return max(0, length + RTUFrame.overhead - buffer.count)
    }

    /// Takes out everything that belongs to no verdict yet.
    package mutating func takePending() -> [UInt8] {
        defer { buffer.removeAll(keepingCapacity: true) }
        return buffer
    }

    package mutating func receive(_ chunk: ArraySlice<UInt8>) throws(FrameError) -> Response? {
        buffer += chunk.prefix(Self.bufferLimit - buffer.count)
        guard buffer.count >= 2, let length = try frameLength() else { return nil }
        guard length <= Limits.adu else {
            buffer.removeAll(keepingCapacity: true)
            throw .tooLong(received: length, limit: Limits.adu)
        }
        guard buffer.count >= length else { return nil }
        return try take(length)
    }

    /// The bytes so far begin a reply that only silence ends: one to a function that is not in the
    /// table of `PDULength`.
    package var endsBySilence: Bool {
        guard request.replyLength == nil, buffer.count >= 2 else { return false }
        return PDULength.ofReply(buffer[1...]) == .unknown
    }

    /// Call when `endsBySilence` and the line has been silent for t3.5. Nil: too short or not
    /// sound, so the silence was a gap inside the reply and the rest may still come.
    package mutating func silence() throws(FrameError) -> Response? {
        guard endsBySilence, buffer.count >= RTUFrame.shortest, buffer.count <= Limits.adu,
            CRC16.checksum(buffer[...]) == 0
        else { return nil }
        return try take(buffer.count)
    }

    private mutating func take(_ length: Int) throws(FrameError) -> Response {
        do {
            try RTUFrame.verify(buffer[..<length])
        } catch {
            hasForm =
                buffer[0] == unit && buffer[1] == request.function.rawValue
                && length == expectedLength
            buffer.removeAll(keepingCapacity: true)
            throw error
        }
        checksum = UInt16(buffer[length - 2]) | UInt16(buffer[length - 1]) << 8
        do {
            let response = try judge(length)
            buffer.removeFirst(length)
            return response
        } catch {
            stranger = Array(buffer[..<(length - 2)])
            buffer.removeFirst(length)
            throw error
        }
    }

    private func judge(_ length: Int) throws(FrameError) -> Response {
        guard buffer[0] == unit else { throw .unit(received: buffer[0], expected: unit) }
        let expected = request.function.rawValue
        guard buffer[1] & ~FunctionCode.exceptionBit == expected else {
            throw .function(received: buffer[1], expected: expected)
        }
        return try Response(pdu: buffer[1..<(length - 2)], answering: request)
    }

    /// A function code without a rule is measured by what was asked for: it is either damage or a
    /// stranger, and silence ends the wait for it.
    private func frameLength() throws(FrameError) -> Int? {
        switch PDULength.ofReply(buffer[1...]) {
        case .bytes(let length): length + RTUFrame.overhead
        case .unknown: request.replyLength.map { $0 + RTUFrame.overhead }
        case .more: nil
        }
    }
}
