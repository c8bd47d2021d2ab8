/// Why a name was refused, in words that finish the sentence "the device ID …".
package struct NameError: Error, Hashable, Sendable {
    package var reason: String
}

/// A device's identity at the bridge: `[a-zA-Z][-a-zA-Z0-9._~%]{2,254}`, not starting with "goog"
/// (Cloud IoT Core requirements). `+` is allowed there but illegal in an MQTT topic name, so it is
/// refused here, as are `/` and `#`.
package struct DeviceID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let text: String
    /// FNV-1a of the text. Every record asks several tables for its device, so it is computed once.
    package let digest: UInt64

    package init(_ text: String) throws(NameError) {
        guard let first = text.utf8.first else { throw NameError(reason: "is empty") }
        guard (3...255).contains(text.utf8.count) else {
            throw NameError(reason: "has \(text.utf8.count) characters; 3 to 255 are allowed")
        }
        guard Self.isLetter(first) else { throw NameError(reason: "must start with a letter a-z or A-Z") }
        if let bad = text.unicodeScalars.first(where: { !Self.isAllowed($0) }) {
            let why = "+#/".unicodeScalars.contains(bad) ? " (it has a meaning in MQTT topics)" : ""
            let shown = bad.value < 33 ? "a control character or space" : "'\(bad)'"
            throw NameError(reason: "contains \(shown)\(why); allowed are letters, digits and - . _ ~ %")
        }
        guard !text.hasPrefix("goog") else { throw NameError(reason: "must not start with \"goog\"") }
        self.text = text
        digest = Self.fold(text.utf8)
    }

    package var description: String { text }

    package static func < (left: DeviceID, right: DeviceID) -> Bool { left.text < right.text }

    package static func == (left: DeviceID, right: DeviceID) -> Bool {
        left.digest == right.digest && left.text == right.text
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

    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "-", ".", "_", "~", "%": true
        default: false
        }
    }
}

/// The name of a port in the configuration, such as "bus-a".
package struct PortName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let text: String
    package init(_ text: String) { self.text = text }
    package var description: String { text }
    package static func < (left: PortName, right: PortName) -> Bool { left.text < right.text }
}

/// A Modbus unit id (slave address) that can be asked: 1–255. 0 is broadcast, 248–255 are reserved
/// but used by some devices (MODBUS over Serial Line V1.02, section 2.2). On a plain UART it is
/// the node's place on the port, from 1.
package struct UnitID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let value: UInt8

    package init?(_ value: Int) {
        guard (1...255).contains(value) else { return nil }
        self.value = UInt8(value)
    }

    private init(broadcast: Void) { value = 0 }

    /// Unit 0: every unit carries out what is written to it, and none answers.
    package static let broadcast = UnitID(broadcast: ())

    package var isBroadcast: Bool { value == 0 }
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
