import Base

/// A request as a server sees it, checksum already verified.
package struct RequestFrame: Hashable, Sendable {
    /// 0 is a broadcast: carry it out, answer nothing.
    package var unit: UInt8
    package var pdu: [UInt8]

    package init(unit: UInt8, pdu: [UInt8]) {
        self.unit = unit
        self.pdu = pdu
    }
}

/// The server's side of a serial line: bytes in, request out; nil means more, please.
///
/// Frames end by length. The caller knows the time: after t3.5 of silence it calls `silence`,
/// which judges a frame whose length only silence can tell and always leaves the decoder empty.
/// After an error everything until silence belongs to the damaged frame and is ignored.
package struct RequestDecoder: Sendable {
    private var buffer: [UInt8] = []
    private var isLost = false

    package init() {}

    package var pending: Int { buffer.count }

    package mutating func receive(_ chunk: ArraySlice<UInt8>) throws(FrameError) -> RequestFrame? {
        guard !isLost else { return nil }
        buffer += chunk.prefix(2 * Limits.adu - buffer.count)
        guard buffer.count >= 2 else { return nil }
        guard case .bytes(let body) = PDULength.ofRequest(buffer[1...]) else {
            if buffer.count <= Limits.adu { return nil }
            throw lose(.tooLong(received: buffer.count, limit: Limits.adu))
        }
        let length = body + RTUFrame.overhead
        guard length <= Limits.adu else {
            throw lose(.tooLong(received: length, limit: Limits.adu))
        }
        guard buffer.count >= length else { return nil }
        return try take(length)
    }

    /// The line has been silent for t3.5: whatever is here is a whole frame or nothing.
    package mutating func silence() throws(FrameError) -> RequestFrame? {
        defer {
            buffer.removeAll(keepingCapacity: true)
            isLost = false
        }
        guard !isLost, buffer.count >= RTUFrame.shortest, buffer.count <= Limits.adu else {
            return nil
        }
        return try take(buffer.count)
    }

    private mutating func take(_ length: Int) throws(FrameError) -> RequestFrame {
        do {
            try RTUFrame.verify(buffer[..<length])
        } catch {
            throw lose(error)
        }
        defer { buffer.removeFirst(length) }
        return RequestFrame(unit: buffer[0], pdu: Array(buffer[1..<(length - 2)]))
    }

    private mutating func lose(_ error: FrameError) -> FrameError {
        buffer.removeAll(keepingCapacity: true)
        isLost = true
        return error
    }
}
