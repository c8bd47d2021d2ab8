/// Why a name was refused, in words that finish the sentence "the device ID …".
package struct NameError: Error, Hashable, Sendable {
    package var reason: String
}

/// A device's identity at the bridge. It is one level of an MQTT topic name (MQTT 3.1.1 section
/// 4.7): up to 255 bytes without `+`, `#`, `/`, control characters and a leading `$`. Cloud IoT
/// Core takes fewer: see `cloudRefusal`.
package struct DeviceID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// In bytes.
    package static let lengthMax = 255

    package let text: String
    /// FNV-1a of the text. Every record asks several tables for its device, so it is computed once.
    package let digest: UInt64

    package init(_ text: ByteString) throws(NameError) { try self.init(text.string) }

    package init(_ text: String) throws(NameError) {
        guard !text.isEmpty else { throw NameError(reason: "is empty") }
        guard text.utf8.count <= Self.lengthMax else {
            throw NameError(reason: "has \(text.utf8.count) bytes; \(Self.lengthMax) are allowed")
        }
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x2B, 0x23, 0x2F:
                throw NameError(reason: "contains '\(scalar)' (it has a meaning in MQTT topics)")
            case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029, 0xFFFE, 0xFFFF:
                throw NameError(reason: "contains a control character")
            default: break
            }
        }
        guard text.utf8.first != 0x24 else {
            throw NameError(reason: "must not begin with '$': such topics are the broker's own")
        }
        guard text.unicodeScalars.first?.properties.isGraphemeExtend == false else {
            throw NameError(
                reason: "must not begin with a combining mark, which would join the / before it")
        }
        guard text.utf8.first != 0x20, text.utf8.last != 0x20 else {
            throw NameError(reason: "must not begin or end with a space")
        }
        self.text = text
        digest = Self.fold(text.utf8)
    }

    /// Why Cloud IoT Core would not take it, which wants `[a-zA-Z][-a-zA-Z0-9._~%]{2,254}` and no
    /// "goog" at its beginning; nil if it would. (It takes `+` too, which no MQTT topic can hold.)
    package var cloudRefusal: NameError? {
        guard text.utf8.count >= 3 else {
            return NameError(
                reason: "has \(text.utf8.count) characters; 3 to \(Self.lengthMax) are allowed")
        }
        guard let first = text.utf8.first, Self.isLetter(first) else {
            return NameError(reason: "must start with a letter a-z or A-Z")
        }
        if let bad = text.unicodeScalars.first(where: { !Self.isCloud($0) }) {
            let shown = bad == " " ? "a space" : "'\(bad)'"
            return NameError(reason: "contains \(shown); allowed are letters, digits and - . _ ~ %")
        }
        return text.utf8.starts(with: "goog".utf8)
            ? NameError(reason: "must not start with \"goog\"") : nil
    }

    /// As a part of a file's name: the ID itself where that is short and plain, or else a digest of
    /// it.
    package var fileName: String {
        guard !isPlain || text.utf8.count > 160 else { return text }
        return "~"
            + Hex.encode(SHA256.digest(Array(text.utf8)).prefix(8), separator: "").lowercased()
    }

    /// Whether every file system takes it as a part of a name, and it is no temporary file's.
    package var isPlain: Bool {
        text.unicodeScalars.allSatisfy(Self.isCloud) && !text.hasSuffix(".tmp")
    }

    package var description: String { text }

    /// By bytes: two forms of one accented letter are two IDs.
    package static func < (left: DeviceID, right: DeviceID) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }

    package static func == (left: DeviceID, right: DeviceID) -> Bool {
        left.digest == right.digest && left.text.utf8.elementsEqual(right.text.utf8)
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(digest) }

    /// The digest that an ID with these bytes has.
    package static func digest(of bytes: ArraySlice<UInt8>) -> UInt64 { fold(bytes) }

    private static func fold(_ bytes: some Sequence<UInt8>) -> UInt64 {
        var value: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return value
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }

    private static func isCloud(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "-", ".", "_", "~", "%": true
        default: false
        }
    }
}

/// The name of a port in the configuration, such as "bus-a".
package struct PortName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let name: ByteString
    package init(_ name: ByteString) { self.name = name }
    package init(_ text: String) { name = ByteString(text) }
    package var text: String { name.string }
    package var description: String { text }
    package static func < (left: PortName, right: PortName) -> Bool { left.name < right.name }
}

/// A Modbus unit id (slave address) that can be asked: 1–255. 0 is broadcast, 248–255 are reserved
/// but used by some devices (MODBUS over Serial Line V1.02, section 2.2). On a plain UART it is
/// the node's place on the port, from 1.
package struct UnitID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let value: UInt8
    package let isBroadcast: Bool

    package init?(_ value: Int) {
        guard (1...255).contains(value) else { return nil }
        self.init(UInt8(value), isBroadcast: false)
    }

    private init(_ value: UInt8, isBroadcast: Bool) {
        self.value = value
        self.isBroadcast = isBroadcast
    }

    /// Unit 0: every unit carries out what is written to it, and none answers.
    package static let broadcast = UnitID(0, isBroadcast: true)
    /// Unit 0 of Modbus TCP: the device at the other end of the connection, which answers.
    package static let zero = UnitID(0, isBroadcast: false)

    package var isReserved: Bool { value > 247 }
    package var description: String { String(value) }
    package static func < (left: UnitID, right: UnitID) -> Bool { left.value < right.value }
}

/// Where a node hangs: the adapter's key.
package struct Address: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var port: PortName
    package var unit: UnitID

    package init(port: PortName, unit: UnitID) {
        self.port = port
        self.unit = unit
    }

    package var description: String { "\(port):\(unit)" }
    package static func < (left: Address, right: Address) -> Bool {
        (left.port, left.unit) < (right.port, right.unit)
    }
}
