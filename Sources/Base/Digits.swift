/// Decimal digits, appended to bytes without a `String` in between.
package enum Digits {
    package static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        var rest = value
        if rest < 10 { return bytes.append(UInt8(truncatingIfNeeded: rest) &+ 0x30) }
        let start = bytes.count
        while rest > 0 {
            bytes.append(UInt8(truncatingIfNeeded: rest % 10) &+ 0x30)
            rest /= 10
        }
        var low = start
        var high = bytes.count - 1
        while low < high {
            bytes.swapAt(low, high)
            low += 1
            high -= 1
        }
    }

    package static func append(_ value: Int64, to bytes: inout [UInt8]) {
        if value < 0 { bytes.append(0x2D) }
        append(value.magnitude, to: &bytes)
    }
}
