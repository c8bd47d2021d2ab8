/// Appends compact JSON to bytes; commas are its business. What it writes is always valid: numbers
/// that JSON cannot hold become null, control characters are escaped.
package struct JSONWriter: Sendable {
    private static let hexDigits = Array("0123456789abcdef".utf8)

    package private(set) var bytes: [UInt8] = []
    private var needsComma = false

    package init() {}

    /// Takes the bytes written since the last call; later bytes continue the same document.
    package mutating func takeBytes() -> [UInt8] {
        defer { bytes = [] }
        return bytes
    }

    package var text: String { String(decoding: bytes, as: UTF8.self) }

    private mutating func separate() {
        if needsComma { bytes.append(0x2C) }
        needsComma = true
    }

    package mutating func beginObject() { separate(); bytes.append(0x7B); needsComma = false }
    package mutating func endObject() { bytes.append(0x7D); needsComma = true }
    package mutating func beginArray() { separate(); bytes.append(0x5B); needsComma = false }
    package mutating func endArray() { bytes.append(0x5D); needsComma = true }

    package mutating func key(_ name: String) {
        separate()
        JSONWriter.append(name, to: &bytes)
        bytes.append(0x3A)
        needsComma = false
    }

    package mutating func key(_ name: ByteString) { key(name.string) }

    package mutating func string(_ value: String) {
        separate(); JSONWriter.append(value, to: &bytes)
    }
    package mutating func string(_ value: ByteString) { string(value.string) }
    package mutating func bool(_ value: Bool) {
        separate(); bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }
    package mutating func null() { separate(); bytes.append(contentsOf: "null".utf8) }
    package mutating func integer(_ value: Int) {
        separate(); Digits.append(Int64(value), to: &bytes)
    }
    package mutating func integer(_ value: UInt64) { separate(); Digits.append(value, to: &bytes) }
    package mutating func integer(_ value: some BinaryInteger) {
        separate(); bytes.append(contentsOf: String(value).utf8)
    }
    package mutating func number(_ value: Double) {
        separate(); bytes.append(contentsOf: JSONWriter.number(value).utf8)
    }
    package mutating func number(_ value: Float) {
        separate(); bytes.append(contentsOf: JSONWriter.number(value).utf8)
    }

    /// Text that is JSON already: one value, or in an object one or more members with their keys.
    package mutating func raw(_ json: some Collection<UInt8>) {
        guard !json.isEmpty else { return }
        separate()
        bytes.append(contentsOf: json)
    }

    package mutating func timestamp(_ value: WallTime) {
        separate()
        bytes.append(0x22)
        value.appendTimestamp(to: &bytes)
        bytes.append(0x22)
    }

    package mutating func object(_ body: (inout JSONWriter) -> Void) {
        beginObject(); body(&self); endObject()
    }
    package mutating func array(_ body: (inout JSONWriter) -> Void) {
        beginArray(); body(&self); endArray()
    }

    package mutating func member(_ name: String, _ value: String) { key(name); string(value) }
    package mutating func member(_ name: String, _ value: ByteString) { key(name); string(value) }
    package mutating func member(_ name: String, _ value: Int) { key(name); integer(value) }
    package mutating func member(_ name: String, _ value: UInt64) { key(name); integer(value) }
    package mutating func member(_ name: String, _ value: some BinaryInteger) {
        key(name); integer(value)
    }
    package mutating func member(_ name: String, _ value: Double) { key(name); number(value) }
    package mutating func member(_ name: String, _ value: Bool) { key(name); bool(value) }
    package mutating func member(_ name: String, _ value: WallTime) { key(name); timestamp(value) }

    /// Shortest text that reads back as the same number, without a useless ".0"; null if not
    /// finite.
    package static func number(
        _ value: some BinaryFloatingPoint & LosslessStringConvertible
    ) -> String {
        guard value.isFinite else { return "null" }
        let text = String(value)
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    package static func append(_ value: String, to bytes: inout [UInt8]) {
        bytes.append(0x22)
        for byte in value.utf8 {
            switch byte {
            case 0x22: bytes.append(contentsOf: [0x5C, 0x22])
            case 0x5C: bytes.append(contentsOf: [0x5C, 0x5C])
            case 0x0A: bytes.append(contentsOf: [0x5C, 0x6E])
            case 0x0D: bytes.append(contentsOf: [0x5C, 0x72])
            case 0x09: bytes.append(contentsOf: [0x5C, 0x74])
            case 0..<0x20, 0x7F:
                bytes.append(contentsOf: [
                    0x5C, 0x75, 0x30, 0x30, hexDigits[Int(byte >> 4)], hexDigits[Int(byte & 15)],
                ])
            default: bytes.append(byte)
            }
        }
        bytes.append(0x22)
    }
}
