import Base

/// Cuts the bytes of a Modbus TCP connection into frames; nil means more, please.
///
/// A frame with another protocol id is dropped as a whole. A length outside 2 to 254 is an error:
/// where the next frame begins is not known any more.
package struct MBAPDecoder: Sendable {
    package enum Fault: Error, Hashable, Sendable {
        case length(received: Int, limit: Int)
    }

    private var buffer: [UInt8] = []
    /// Bytes of `buffer` that were used.
    private var used = 0
    /// Frames of another protocol that were dropped.
    package private(set) var strangers = 0

    package init() {}

    /// Number of bytes of a frame that has begun.
    package var pending: Int { buffer.count - used }

    package mutating func receive(_ bytes: ArraySlice<UInt8>) { buffer += bytes }

    package mutating func next() throws(Fault) -> MBAPFrame? {
        while true {
            var reader = ByteReader(buffer[used...])
            guard let transaction = reader.big(UInt16.self),
                let protocolID = reader.big(UInt16.self), let length = reader.big(UInt16.self)
            else { break }
            guard MBAPFrame.lengths.contains(Int(length)) else {
                drop(buffer.count)
                throw .length(received: Int(length), limit: MBAPFrame.lengths.upperBound)
            }
            guard let body = reader.bytes(Int(length)), let unit = body.first else { break }
            let frame = MBAPFrame(
                transaction: transaction, unit: unit, pdu: Array(body.dropFirst()))
            used += MBAPFrame.prefixLength + Int(length)
            guard protocolID == 0 else {
                strangers += 1
                continue
            }
            return frame
        }
        drop(used)
        return nil
    }

    private mutating func drop(_ count: Int) {
        buffer.removeFirst(count)
        used = 0
    }
}
