/// Integers into and out of byte arrays, in both byte orders. Names follow the wire: `big` is
/// most significant byte first (Modbus, MQTT), `little` is least significant first (the journal).
/// Public and inlinable: as generic code in another module they cost more than what they write.
extension Array where Element == UInt8 {
    @inlinable public mutating func appendBig<Value: FixedWidthInteger>(_ value: Value) {
        for index in (0..<Value.bitWidth / 8).reversed() {
            append(UInt8(truncatingIfNeeded: value >> (8 * index)))
        }
    }

    @inlinable public mutating func appendLittle<Value: FixedWidthInteger>(_ value: Value) {
        for index in 0..<Value.bitWidth / 8 {
            append(UInt8(truncatingIfNeeded: value >> (8 * index)))
        }
    }

    /// Overwrites `value`'s bytes at `offset`, least significant first. The caller has made the
    /// room.
    @inlinable public mutating func storeLittle<Value: FixedWidthInteger>(
        _ value: Value, at offset: Int
    ) {
        for index in 0..<Value.bitWidth / 8 {
            self[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
        }
    }
}

/// Reads forward through a slice; every read past the end is nil and moves nothing.
package struct ByteReader: Sendable {
    package private(set) var rest: ArraySlice<UInt8>

    package init(_ bytes: ArraySlice<UInt8>) { rest = bytes }
    package init(_ bytes: [UInt8]) { rest = bytes[...] }

    package var isAtEnd: Bool { rest.isEmpty }
    package var count: Int { rest.count }

    package mutating func byte() -> UInt8? { rest.popFirst() }

    package mutating func bytes(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, count <= rest.count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    package mutating func big<Value: FixedWidthInteger & UnsignedInteger>(
        _: Value.Type = Value.self
    ) -> Value? {
        guard let bytes = bytes(MemoryLayout<Value>.size) else { return nil }
        return bytes.reduce(0) { $0 << 8 | Value($1) }
    }

    package mutating func little<Value: FixedWidthInteger & UnsignedInteger>(
        _: Value.Type = Value.self
    ) -> Value? {
        guard let bytes = bytes(MemoryLayout<Value>.size) else { return nil }
        return bytes.reversed().reduce(0) { $0 << 8 | Value($1) }
    }
}
