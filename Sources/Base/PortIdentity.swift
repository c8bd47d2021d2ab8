/// Properties that tell one serial port from another, whatever the present name of its node. As
/// keys of the configuration's `match`, nil means "any".
package struct PortIdentity: Hashable, Sendable, CustomStringConvertible {
    /// The USB device's serial number (udev's ID_SERIAL_SHORT).
    package var serial: String?
    /// Where it is plugged in (udev's ID_PATH): "pci-0000:00:14.0-usb-0:1.2:1.0".
    package var path: String?
    /// Four hexadecimal digits each.
    package var vendor: String?
    package var product: String?
    /// bInterfaceNumber: "00", "01" on adapters with several ports.
    package var interface: String?

    package init(
        serial: String? = nil, path: String? = nil, vendor: String? = nil, product: String? = nil,
        interface: String? = nil
    ) {
        self.serial = serial
        self.path = path
        self.vendor = vendor
        self.product = product
        self.interface = interface
    }

    /// Whether every key that `wanted` gives is met. A path may leave out its front
    /// ("usb-0:1.2:1.0"), an interface its leading zero.
    package func matches(_ wanted: PortIdentity) -> Bool {
        func same(_ mine: String?, _ theirs: String?) -> Bool {
            theirs == nil || mine.map(Self.lower) == theirs.map(Self.lower)
        }
        if let tail = wanted.path.map({ ByteString($0) }) {
            guard let path = path.map({ ByteString($0) }),
                path == tail || path.hasSuffix(ByteString("-\(tail)"))
            else { return false }
        }
        if let number = wanted.interface {
            guard let interface, let mine = Int(interface, radix: 16),
                mine == Int(number, radix: 16)
            else { return false }
        }
        let isSerial =
            wanted.serial.map { wanted in serial.map { ByteString($0) } == ByteString(wanted) }
            ?? true
        return isSerial && same(vendor, wanted.vendor) && same(product, wanted.product)
    }

    /// Bytes with ASCII capitals made small.
    private static func lower(_ text: String) -> [UInt8] {
        text.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
    }

    /// "serial A50285BI, vendor 0403"
    package var description: String {
        let pairs = [
            ("serial", serial), ("path", path), ("vendor", vendor), ("product", product),
            ("interface", interface),
        ]
        let given = pairs.compactMap { name, value in
            value.map { "\(name) \(Notice.printable($0))" }
        }
        return given.isEmpty ? "any port" : given.joined(separator: ", ")
    }
}

/// One serial port of this machine.
package struct SerialPortEntry: Hashable, Sendable {
    /// "/dev/ttyUSB0"
    package var path: String
    package var identity: PortIdentity
    /// "ftdi_sio"; empty if unknown.
    package var driver: String
    /// "FTDI USB-RS485 Cable"; empty if the device does not say.
    package var product: String

    package init(path: String, identity: PortIdentity, driver: String = "", product: String = "") {
        self.path = path
        self.identity = identity
        self.driver = driver
        self.product = product
    }
}
