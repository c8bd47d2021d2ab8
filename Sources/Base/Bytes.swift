/// Integers into and out of byte arrays, in both byte orders. Names follow the wire: `big` is
/// most significant byte first (Modbus, MQTT), `little` is least significant first (the journal).
extension Array where Element == UInt8 {
    package mutating func appendBig(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    package mutating func appendLittle(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }

    /// Overwrites `value`'s bytes at `offset`, least significant first. The caller has made the room.
    package mutating func storeLittle(_ value: some FixedWidthInteger, at offset: Int) {
        Swift.withUnsafeBytes(of: value.littleEndian) { raw in
            for index in 0..<raw.count { self[offset + index] = raw[index] }
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

    package mutating func big<Value: FixedWidthInteger & UnsignedInteger>(_: Value.Type = Value.self) -> Value? {
        guard let bytes = bytes(MemoryLayout<Value>.size) else { return nil }
        return bytes.reduce(0) { $0 << 8 | Value($1) }
    }

    package mutating func little<Value: FixedWidthInteger & UnsignedInteger>(_: Value.Type = Value.self) -> Value? {
        guard let bytes = bytes(MemoryLayout<Value>.size) else { return nil }
        return bytes.reversed().reduce(0) { $0 << 8 | Value($1) }
    }
}
