import Base

/// The serial ports that the kernel has, from sysfs and udev's database.
package enum SerialPorts {
    /// Sorted by node name. Ports without hardware (an 8250 that was not found) are left out.
    package static func list(in system: SystemPaths = SystemPaths()) -> [SerialPortEntry] {
        let names = (try? FileSystem.names(in: "\(system.sys)/class/tty")) ?? []
        return names.sorted(by: naturalOrder).compactMap { entry($0, in: system) }
    }

    static func entry(_ name: String, in system: SystemPaths) -> SerialPortEntry? {
        let folder = "\(system.sys)/class/tty/\(name)"
        guard let device = FileSystem.realPath("\(folder)/device") else { return nil }
        // "type" is the 8250's: 0 is PORT_UNKNOWN, a place on the board with no chip behind it.
        if (try? FileSystem.text("\(folder)/type")) == "0", !isUSB(device) { return nil }
        let walk = DeviceWalk(from: device, sys: FileSystem.realPath(system.sys) ?? system.sys)
        var identity = walk.identity
        let known = record(folder, walk, in: system)
        identity.path = known["ID_PATH"] ?? identity.path
        identity.serial = known["ID_SERIAL_SHORT"] ?? identity.serial
        return SerialPortEntry(
            path: "\(system.dev)/\(name)", identity: identity, driver: walk.driver,
            product: walk.product)
    }

    /// udev's record of a port, if it is about what is plugged in now.
    static func record(_ folder: String, _ walk: DeviceWalk, in system: SystemPaths) -> UdevRecord {
        let record = UdevRecord(folder, in: system)
        return record.isAbout(walk) ? record : UdevRecord()
    }

    private static func isUSB(_ device: String) -> Bool { device.contains("/usb") }

    /// ttyUSB2 before ttyUSB10.
    private static func naturalOrder(_ left: String, _ right: String) -> Bool {
        func split(_ name: String) -> (String, Int) {
            let digits = String(name.reversed().prefix { $0.isASCII && $0.isNumber }.reversed())
            return (String(name.dropLast(digits.count)), Int(digits) ?? -1)
        }
        return split(left) < split(right)
    }
}

func lastPart(_ path: String) -> String? { path.split(separator: "/").last.map(String.init) }
