import Base

/// Takes away what a driver makes of switching direction: bytes 00 and FF before a reply, which no
/// reply begins with. They are counted; the rest must still be a sound frame.
package struct NoiseTrimmer: Sendable {
    /// More than this before one reply is no switching noise.
    static let most = 8

    let isOn: Bool
    package private(set) var bytes = 0
    private var unit: UInt8 = 0
    private var left = 0

    init(isOn: Bool) { self.isOn = isOn }

    /// A reply of this unit is expected.
    mutating func begin(unit: UInt8) {
        self.unit = unit
        left = isOn ? Self.most : 0
    }

    mutating func trim(_ chunk: inout ArraySlice<UInt8>) {
        while left > 0, let byte = chunk.first, byte == 0 || byte == 0xFF, byte != unit {
            chunk = chunk.dropFirst()
            left -= 1
            bytes += 1
        }
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
