import Base

/// Walks from a tty's device up through sysfs and collects what identifies it: what udev's usb_id
/// and path_id would say, for machines where udev does not run.
struct DeviceWalk {
    private(set) var identity = PortIdentity()
    private(set) var product = ""
    /// "ftdi_sio", "uart-pl011"; empty if none is bound.
    private(set) var driver = ""
    /// "usb-0:1.2:1.0": the end of every true ID_PATH of this port; nil if it is not on USB.
    private(set) var socket: String?
    private var path: [String] = []

    init(from device: String, sys: String) {
        var folder = device
        // 64 levels are far more than any bus has.
        for _ in 0..<64 where folder.hasPrefix(sys + "/devices/") {
            visit(folder)
            guard let slash = folder.lastIndex(of: "/") else { break }
            folder = String(folder[..<slash])
        }
        if !path.isEmpty { identity.path = path.reversed().joined(separator: "-") }
    }

    private mutating func visit(_ folder: String) {
        func attribute(_ name: String) -> String? { try? FileSystem.text("\(folder)/\(name)") }
        let name = lastPart(folder) ?? ""
        if identity.interface == nil, identity.vendor == nil,
            let number = attribute("bInterfaceNumber")
        {
            identity.interface = number
            // "1-1.2:1.0" is bus 1, port 1.2: path_id writes "usb-0:1.2:1.0".
            if let dash = name.firstIndex(of: "-") {
                socket = "usb-0:" + name[name.index(after: dash)...]
                path.append(socket ?? "")
            }
        }
        if identity.vendor == nil, let vendor = attribute("idVendor") {
            identity.vendor = vendor
            identity.product = attribute("idProduct")
            identity.serial = attribute("serial")
            product = [attribute("manufacturer"), attribute("product")].compactMap { $0 }
                .joined(separator: " ")
        }
        let subsystem = FileSystem.realPath("\(folder)/subsystem").flatMap(lastPart)
        // From Linux 6.5 on the serial core has two layers of its own, "ctrl" and "port", above the
        // real one.
        if driver.isEmpty, subsystem != "serial-base",
            let bound = FileSystem.realPath("\(folder)/driver")
        {
            driver = lastPart(bound) ?? ""
        }
        switch subsystem {
        case "pci" where path.last?.hasPrefix("pci-") != true: path.append("pci-" + name)
        // A PL011 hangs on the AMBA bus below the same soc; our rules name it after itself too.
        case "platform" where path.last?.hasPrefix("platform-") != true, "amba":
            path.append("platform-" + name)
        default: break
        }
    }
}
