import Base
import Platform
import Testing

/// A machine drawn in a directory: two USB adapters with the same chip, one with two ports, one
/// UART on the board and one 8250 place with nothing behind it.
private func drawnMachine() throws -> (Scratch, SystemPaths) {
    let scratch = Scratch()
    let root = scratch.path
    let host = "sys/devices/pci0000:00/0000:00:14.0"
    try scratch.directory(host)
    try scratch.link("\(host)/subsystem", to: "\(root)/sys/bus/pci")
    func usb(
        _ device: String, _ interface: String, _ tty: String, serial: String, product: String
    ) throws {
        let folder = "\(host)/usb1/\(device)"
        let port = "\(folder)/\(device):1.\(interface)/\(tty)"
        try scratch.write("\(port)/latency_timer", "16\n")
        try? scratch.write("\(folder)/idVendor", "0403\n")
        try? scratch.write("\(folder)/idProduct", product + "\n")
        try? scratch.write("\(folder)/serial", serial + "\n")
        try? scratch.write("\(folder)/manufacturer", "FTDI\n")
        try? scratch.write("\(folder)/product", "USB-RS485 Cable\n")
        try scratch.write("\(folder)/\(device):1.\(interface)/bInterfaceNumber", "0\(interface)\n")
        try scratch.link("\(port)/driver", to: "\(root)/sys/bus/usb-serial/drivers/ftdi_sio")
        try scratch.link("sys/class/tty/\(tty)/device", to: "\(root)/\(port)")
        try scratch.write("sys/class/tty/\(tty)/dev", "188:\(tty.dropFirst(6))\n")
    }
    for folder in ["bus/pci", "bus/platform", "bus/amba", "bus/usb-serial/drivers/ftdi_sio"] {
        try scratch.directory("sys/\(folder)")
    }
    try usb("1-1.2", "0", "ttyUSB0", serial: "A50285BI", product: "6001")
    try usb("1-1.3", "0", "ttyUSB2", serial: "DUAL", product: "6010")
    try usb("1-1.3", "1", "ttyUSB10", serial: "DUAL", product: "6010")

    // As Linux 6.12 has it: a PL011 on the AMBA bus, between it and its tty the serial core's two
    // layers.
    let soc = "sys/devices/platform/soc"
    let board = "\(soc)/fe201000.serial"
    let port = "\(board)/fe201000.serial:0/fe201000.serial:0.0"
    try scratch.directory(port)
    for folder in ["bus/amba/drivers/uart-pl011", "bus/serial-base/drivers/port"] {
        try scratch.directory("sys/\(folder)")
    }
    try scratch.link("\(soc)/subsystem", to: "\(root)/sys/bus/platform")
    try scratch.link("\(board)/subsystem", to: "\(root)/sys/bus/amba")
    try scratch.link("\(board)/driver", to: "\(root)/sys/bus/amba/drivers/uart-pl011")
    try scratch.link("\(port)/subsystem", to: "\(root)/sys/bus/serial-base")
    try scratch.link("\(port)/driver", to: "\(root)/sys/bus/serial-base/drivers/port")
    try scratch.link("sys/class/tty/ttyAMA0/device", to: "\(root)/\(port)")
    try scratch.directory("sys/devices/platform/serial8250")
    try scratch.link("sys/class/tty/ttyS0/device", to: "\(root)/sys/devices/platform/serial8250")
    try scratch.write("sys/class/tty/ttyS0/type", "0\n")
    try scratch.directory("sys/class/tty/ptmx")
    return (scratch, SystemPaths(sys: "\(root)/sys", dev: "\(root)/dev", run: "\(root)/run"))
}

private func settings(
    serial: String? = nil, path: String? = nil, vendor: String? = nil, product: String? = nil,
    interface: String? = nil
) -> LineSettings {
    LineSettings(
        device: .match(
            serial: serial, path: path, vendor: vendor, product: product, interface: interface))
}

@Suite struct IdentityTests {
    @Test func listsThePortsThatHaveHardware() throws {
        let (scratch, system) = try drawnMachine()
        let ports = SerialPorts.list(in: system)
        let dev = scratch.file("dev")
        #expect(ports.map(\.path) == ["AMA0", "USB0", "USB2", "USB10"].map { "\(dev)/tty\($0)" })
        #expect(
            ports[1].identity
                == PortIdentity(
                    serial: "A50285BI", path: "pci-0000:00:14.0-usb-0:1.2:1.0", vendor: "0403",
                    product: "6001", interface: "00"))
        #expect(ports[1].driver == "ftdi_sio")
        #expect(ports[1].product == "FTDI USB-RS485 Cable")
        #expect(
            ports[0].identity == PortIdentity(path: "platform-fe201000.serial")
                && ports[0].driver == "uart-pl011")
    }

    @Test func theDatabaseOfUdevHasTheLastWord() throws {
        let (scratch, system) = try drawnMachine()
        try scratch.write(
            "run/udev/data/c188:0",
            "S:serial/by-id/x\nE:ID_PATH=platform-X-usb-0:1.2:1.0\nE:ID_SERIAL_SHORT=A50285BI\nE:bad\n"
        )
        let port = try #require(SerialPorts.list(in: system).first { $0.path.hasSuffix("ttyUSB0") })
        #expect(port.identity.path == "platform-X-usb-0:1.2:1.0")
        #expect(port.identity.serial == "A50285BI")
    }

    /// The kernel gives a name to the next adapter before udev has taken it from the last: what was
    /// told of that one would give its readings to the wrong device.
    @Test(arguments: ["E:ID_SERIAL_SHORT=OTHER\n", "E:ID_PATH=pci-0000:00:14.0-usb-0:9:1.0\n"])
    func whatAnotherAdapterHasLeftUnderTheNameIsNotBelieved(record: String) throws {
        let (scratch, system) = try drawnMachine()
        try scratch.write("run/udev/data/c188:0", "S:fieldgw/by-serial/OTHER\n" + record)
        let port = try #require(SerialPorts.list(in: system).first { $0.path.hasSuffix("ttyUSB0") })
        #expect(
            port.identity.serial == "A50285BI"
                && port.identity.path == "pci-0000:00:14.0-usb-0:1.2:1.0")
        #expect(SerialPorts.reports(in: system).first { $0.entry == port }?.stableNames == [])
    }

    @Test func aStableNameThatLeadsToAnotherAdapterIsNotOpened() throws {
        let (scratch, system) = try drawnMachine()
        let terminal = try PseudoTerminal()
        try scratch.link("dev/ttyUSB0", to: terminal.path)
        for (name, isRight) in [("A50285BI", true), ("A50285BI-00", true), ("OTHER", false)] {
            try scratch.link("dev/fieldgw/by-serial/\(name)", to: "../../ttyUSB0")
            let failure = lineFailure(
                LineSettings(device: .path(scratch.file("dev/fieldgw/by-serial/\(name)"))),
                in: system)
            #expect((failure == nil) == isRight, "\(name): \(failure?.message ?? "opened")")
            if !isRight { #expect(failure?.kind == .missing) }
        }
    }

    @Test func aPathIsFollowedLinkByLink() throws {
        let scratch = Scratch()
        try scratch.write("dev/ttyAMA0", "")
        try scratch.link("dev/ttyRS485", to: "ttyAMA0")
        try scratch.link("dev/fieldgw/by-serial/X", to: "../../ttyRS485")
        let dev = FileSystem.realPath(scratch.file("dev")) ?? ""
        #expect(
            FileSystem.linkChain(scratch.file("dev/fieldgw/by-serial/X")) == [
                "\(dev)/fieldgw/by-serial/X", "\(dev)/ttyRS485", "\(dev)/ttyAMA0",
            ])
        #expect(FileSystem.linkChain("/dev/null") == ["/dev/null"])
        #expect(FileSystem.linkChain("/nonexistent/x").isEmpty)
        try scratch.link("loop", to: "loop")
        #expect(FileSystem.linkChain(scratch.file("loop")).count == 40)
    }

    /// The nodes do not exist, so "does not exist" with the right name means that it was found.
    @Test(arguments: [
        (settings(serial: "A50285BI"), "ttyUSB0"), (settings(path: "usb-0:1.2:1.0"), "ttyUSB0"),
        (settings(path: "pci-0000:00:14.0-usb-0:1.3:1.1"), "ttyUSB10"),
        (settings(vendor: "0403", product: "6001"), "ttyUSB0"),
        (settings(serial: "DUAL", interface: "01"), "ttyUSB10"),
        (settings(serial: "DUAL", interface: "0"), "ttyUSB2"),
        (settings(path: "platform-fe201000.serial"), "ttyAMA0"),
    ])
    func everyGivenKeyMustMatchAndOnePortMay(settings: LineSettings, name: String) throws {
        let (scratch, system) = try drawnMachine()
        let refused = try #require(lineFailure(settings, in: system))
        #expect(refused.message.hasPrefix("\(scratch.file("dev"))/\(name) does not exist"))
    }

    @Test func twoMatchesOpenNeither() throws {
        let (scratch, system) = try drawnMachine()
        let refused = try #require(lineFailure(settings(serial: "DUAL"), in: system))
        let dev = scratch.file("dev")
        #expect(refused.kind == .ambiguous)
        let words = "\(dev)/ttyUSB10, \(dev)/ttyUSB2 all match serial DUAL; neither is opened"
        #expect(refused.message.hasPrefix(words))
    }

    @Test(arguments: [
        settings(serial: "A50285BI", product: "6010"), settings(path: "0:1.2:1.0"),
        settings(path: "usb-0:1.2"),
        settings(serial: "a50285bi"), settings(vendor: "10c4"),
        settings(serial: "A50285BI", interface: "x"),
    ])
    func noMatchSaysWhatWasLookedFor(settings: LineSettings) throws {
        let (_, system) = try drawnMachine()
        let refused = try #require(lineFailure(settings, in: system))
        #expect(refused.kind == .missing)
        #expect(refused.message.hasPrefix("no serial port matches "))
    }

    @Test func adaptersThatNobodyConfiguredAreFound() throws {
        let (scratch, system) = try drawnMachine()
        try scratch.write("dev/ttyUSB0", "")
        try scratch.link("dev/fieldgw/by-serial/A50285BI", to: scratch.file("dev/ttyUSB0"))
        func unclaimed(_ devices: LineSettings.Device...) -> [String] {
            SerialPorts.unclaimed(by: devices, in: system).map {
                String($0.path.split(separator: "/").last ?? "")
            }
        }
        #expect(unclaimed() == ["ttyUSB0", "ttyUSB2", "ttyUSB10"], "on-board UARTs are no news")
        let first = LineSettings.Device.path(scratch.file("dev/fieldgw/by-serial/A50285BI"))
        #expect(unclaimed(first) == ["ttyUSB2", "ttyUSB10"], "a link is what it leads to")
        let dual = settings(serial: "DUAL", interface: "1").device
        #expect(unclaimed(first, dual) == ["ttyUSB2"])
    }

    @Test func whoElseHasAPortOpenIsSaidByName() throws {
        let scratch = Scratch()
        try scratch.write("dev/ttyUSB0", "")
        try scratch.write("proc/4711/comm", "ModemManager\n")
        try scratch.link(
            "proc/4711/fd/9", to: FileSystem.realPath(scratch.file("dev/ttyUSB0")) ?? "")
        try scratch.link("proc/4712/fd/9", to: "/dev/null")
        try scratch.directory("proc/self")
        let system = SystemPaths(proc: scratch.file("proc"))
        let users = SerialPorts.users(of: scratch.file("dev/ttyUSB0"), in: system)
        #expect(users.map(\.description) == ["ModemManager (process 4711)"])
    }

    @Test(arguments: [
        (
            "add@/devices/x/ttyUSB0\0ACTION=add\0SUBSYSTEM=tty\0DEVNAME=ttyUSB0\0",
            DeviceMonitor.Change.added("ttyUSB0")
        ),
        ("remove@/x\0ACTION=remove\0SUBSYSTEM=tty\0DEVNAME=/dev/ttyACM1\0", .removed("ttyACM1")),
        ("libudev\0\u{1}\u{2}\0ACTION=add\0DEVNAME=/dev/ttyUSB0\0SUBSYSTEM=tty", .added("ttyUSB0")),
        ("add@/x\0ACTION=add\0SUBSYSTEM=usb\0DEVNAME=bus/usb/001/002\0", nil),
        ("bind@/x\0ACTION=bind\0SUBSYSTEM=tty\0DEVNAME=ttyUSB0\0", nil), ("", nil),
        ("\0\0=\0", nil),
    ])
    func aUeventAboutATerminalIsUnderstood(message: String, change: DeviceMonitor.Change?) {
        #expect(DeviceMonitor.parse(Array(message.utf8)[...]) == change)
    }

    @Test func aMonitorWithoutNewsAnswersNothing() throws {
        // A container may forbid netlink; then the gateway goes on without, and so does this test.
        guard let monitor = try? DeviceMonitor() else { return }
        for _ in 0..<10 { _ = monitor.take() }
        let number = monitor.descriptor
        #expect(number > 2)
    }

    @Test func aMachineWithoutSysfsHasNoPorts() {
        let none = SystemPaths(sys: "/nonexistent", dev: "/nonexistent", run: "/nonexistent")
        #expect(SerialPorts.list(in: none).isEmpty)
    }
}
