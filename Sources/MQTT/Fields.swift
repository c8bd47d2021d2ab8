import Base

/// Section 1.5.3: what every text field is checked for, whichever packet it stands in.
package enum TextField {
    package static let lengthMax = 65_535

    /// Strict UTF-8 without surrogates and over-long forms [MQTT-1.5.3-1], without U+0000
    /// [MQTT-1.5.3-2]. U+FEFF is kept [MQTT-1.5.3-3]; nothing is normalised [MQTT-4.7.3-4].
    static func check(_ bytes: ArraySlice<UInt8>) throws(ProtocolFault) {
        var ascii = true
        for byte in bytes {
            if byte == 0 { throw .nullCharacter }
            if byte >= 0x80 { ascii = false }
        }
        guard ascii || isUTF8(bytes) else { throw .invalidUTF8 }
    }

    private static func isUTF8(_ bytes: ArraySlice<UInt8>) -> Bool {
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        while true {
            switch decoder.decode(&iterator) {
            case .scalarValue: continue
            case .emptyInput: return true
            case .error: return false
            }
        }
    }
}

/// Reads the fields of one packet's body; a field past the end is `.truncated`.
struct FieldReader {
    private var reader: ByteReader
    private let type: PacketType

    init(_ body: ArraySlice<UInt8>, of type: PacketType) {
        reader = ByteReader(body)
        self.type = type
    }

    var isAtEnd: Bool { reader.isAtEnd }

    mutating func byte() throws(ProtocolFault) -> UInt8 {
        guard let byte = reader.byte() else { throw .truncated(type) }
        return byte
    }

    mutating func short() throws(ProtocolFault) -> UInt16 {
        guard let high = reader.byte(), let low = reader.byte() else { throw .truncated(type) }
        return UInt16(high) << 8 | UInt16(low)
    }

    mutating func packetID() throws(ProtocolFault) -> PacketID {
        guard let id = PacketID(try short()) else { throw .zeroPacketID(type) }
        return id
    }

    /// Two bytes of length, then that many bytes (section 1.5.3 and, for binary data, 3.1.3).
    mutating func data() throws(ProtocolFault) -> ArraySlice<UInt8> {
        let count = Int(try short())
        guard let bytes = reader.bytes(count) else { throw .truncated(type) }
        return bytes
    }

    mutating func text() throws(ProtocolFault) -> String {
        let bytes = try data()
        try TextField.check(bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    mutating func rest() -> ArraySlice<UInt8> {
        defer { reader = ByteReader([]) }
        return reader.rest
    }

    func end() throws(ProtocolFault) {
        guard reader.isAtEnd else { throw .trailingBytes(type, reader.count) }
    }
}

extension Array where Element == UInt8 {
    /// The fixed header (section 2.2) for a body of `length` bytes, at most 268,435,455.
    mutating func appendHeader(_ type: PacketType, flags: UInt8 = 0, length: Int) {
        precondition(length <= 268_435_455, "a packet body is at most 268435455 bytes")
        append(type.rawValue << 4 | (type.fixedFlags ?? flags))
        var rest = length
        repeat {
            append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
    }

    /// A length of two bytes, then the bytes. Whoever makes the value keeps it under 65,536 bytes.
    mutating func appendField(_ bytes: some Collection<UInt8>) {
        precondition(bytes.count <= TextField.lengthMax, "an MQTT field is at most 65535 bytes")
        append(UInt8(bytes.count >> 8))
        append(UInt8(bytes.count & 0xFF))
        append(contentsOf: bytes)
    }

    mutating func appendPacketID(_ id: PacketID) {
        append(UInt8(id.value >> 8))
        append(UInt8(id.value & 0xFF))
    }
}
