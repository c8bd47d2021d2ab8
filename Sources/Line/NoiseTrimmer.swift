import Base
import Modbus

/// Takes away what a driver makes of switching direction: bytes 00 and FF before a reply, which no
/// reply begins with but those of unit 0 or 255. They are counted; the rest must be a sound frame,
/// or it is one together with the last of them.
package struct NoiseTrimmer: Sendable {
    /// More than this before one reply is no switching noise.
    static let most = 8

    let isOn: Bool
    package private(set) var bytes = 0
    private var unit: UInt8 = 0
    private var left = 0
    /// The last byte that was taken before this reply, and what has come since; empty: none was.
    private var taken: [UInt8] = []

    init(isOn: Bool) { self.isOn = isOn }

    /// A reply of this unit is expected.
    mutating func begin(unit: UInt8) {
        self.unit = unit
        left = isOn ? Self.most : 0
        taken.removeAll(keepingCapacity: true)
    }

    mutating func trim(_ chunk: inout ArraySlice<UInt8>) {
        while left > 0, let byte = chunk.first, byte == 0 || byte == 0xFF, byte != unit {
            chunk = chunk.dropFirst()
            left -= 1
            bytes += 1
            taken = [byte]
        }
    }

    /// Notes what comes behind the bytes that were taken.
    mutating func follow(_ chunk: ArraySlice<UInt8>) {
        if !taken.isEmpty { taken += chunk.prefix(Limits.adu - taken.count) }
    }

    /// Unit and PDU of a sound frame that begins with the last byte that was taken; it was no noise
    /// then.
    mutating func takeFrame() -> [UInt8]? {
        guard taken.count >= RTUFrame.shortest,
            case .bytes(let length) = PDULength.ofReply(taken[1...]),
            taken.count >= length + RTUFrame.overhead,
            CRC16.checksum(taken[..<(length + RTUFrame.overhead)]) == 0
        else { return nil }
        defer { taken.removeAll(keepingCapacity: true) }
        bytes -= 1
        return Array(taken[...length])
    }

    /// Bytes outside a reply: true, and counted, if they are such noise.
    mutating func absorb(_ chunk: ArraySlice<UInt8>) -> Bool {
        guard isOn, chunk.count <= Self.most, chunk.allSatisfy({ $0 == 0 || $0 == 0xFF }) else {
            return false
        }
        bytes += chunk.count
        return true
    }
}
