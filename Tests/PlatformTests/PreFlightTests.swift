import Base
import Glibc
import Platform
import Testing

/// Machines drawn in a directory, each with one thing wrong: what a person is told before the first
/// reading.
@Suite struct PreFlightTests {
    private final class Drawing {
        let scratch = Scratch()

        var system: SystemPaths {
            SystemPaths(
                sys: scratch.file("sys"), dev: scratch.file("dev"), proc: scratch.file("proc"),
                run: scratch.file("run"),
                etc: scratch.file("etc"))
        }

        /// A Raspberry Pi's header UART.
        func onBoard(_ name: String, driver: String, compatible: String) throws {
            let device = "sys/devices/platform/soc/\(name).serial"
            for folder in ["sys/bus/platform", "sys/bus/platform/drivers/\(driver)"] {
                if !FileSystem.isDirectory(scratch.file(folder)) { try scratch.directory(folder) }
            }
            try scratch.write("\(device)/of_node/compatible", compatible + "\0")
            try scratch.link("\(device)/subsystem", to: scratch.file("sys/bus/platform"))
            try scratch.link(
                "\(device)/driver", to: scratch.file("sys/bus/platform/drivers/\(driver)"))
            try scratch.link("sys/class/tty/\(name)/device", to: scratch.file(device))
            try scratch.write("dev/\(name)", "", mode: 0o660)
        }

        func usb(_ name: String, latency: String? = nil, record: String = "") throws {
            let folder = "sys/devices/platform/usb1/1-1"
            let port = "\(folder)/1-1:1.0/\(name)"
            try scratch.directory(port)
            if let latency { try scratch.write("\(port)/latency_timer", latency + "\n") }
            try scratch.write("\(folder)/idVendor", "0403\n")
            try scratch.write("\(folder)/idProduct", "6001\n")
            try scratch.write("\(folder)/1-1:1.0/bInterfaceNumber", "00\n")
            try scratch.link("sys/class/tty/\(name)/device", to: scratch.file(port))
            try scratch.write("sys/class/tty/\(name)/dev", "188:0\n")
            try scratch.write("run/udev/data/c188:0", record)
            try scratch.write("dev/\(name)", "", mode: 0o660)
        }

        func process(
            _ number: Int, _ name: String, _ words: [String] = [], open file: String? = nil
        ) throws {
            try scratch.write("proc/\(number)/comm", name + "\n")
            try scratch.write("proc/\(number)/cmdline", words.joined(separator: "\0") + "\0")
            if let file {
                try scratch.link(
                    "proc/\(number)/fd/3", to: FileSystem.realPath(scratch.file(file)) ?? "")
            }
        }

        func reports(
            as opener: PortOpener = PortOpener(user: 0, groups: [0]), asked: Bool? = nil
        ) -> [PortReport] {
            SerialPorts.reports(in: system, for: opener) { _ in asked }
        }

        func kinds(_ opener: PortOpener = PortOpener(user: 0, groups: [0])) -> [PortWarning.Kind] {
            reports(as: opener).flatMap(\.warnings).map(\.kind)
        }
    }

    @Test func aPortThatIsRightSaysNothing() throws {
        let drawing = Drawing()
        try drawing.onBoard("ttyAMA0", driver: "uart-pl011", compatible: "arm,pl011")
        try drawing.usb(
            "ttyUSB0", latency: "1",
            record: "S:serial/by-id/usb-x\nS:fieldgw/by-serial/A5\nE:ID_SERIAL_SHORT=A5\n")
        try drawing.scratch.write("proc/consoles", "tty0                 -WU (EC p  )    4:1\n")
        try drawing.scratch.write("proc/cmdline", "console=tty1 root=/dev/mmcblk0p2 rootwait\n")
        try drawing.process(900, "fieldgw", open: "dev/ttyUSB0")
        let reports = drawing.reports(asked: true)
        #expect(reports.flatMap(\.warnings).isEmpty)
        #expect(reports.map(\.hasRS485) == [true, false])
        let dev = drawing.scratch.file("dev")
        #expect(
            reports[1].stableNames == ["\(dev)/fieldgw/by-serial/A5", "\(dev)/serial/by-id/usb-x"])
        #expect(reports[1].users.map(\.name) == ["fieldgw"])
    }

    @Test func aConsoleIsFoundInTheCommandLineAndWhereItIsInForce() throws {
        for (file, text) in [
            ("cmdline", "console=ttyS0,115200 quiet"), ("consoles", "ttyS0  -W- (EC p a)  4:64\n"),
        ] {
            let drawing = Drawing()
            try drawing.onBoard("ttyS0", driver: "serial8250", compatible: "ns16550a")
            try drawing.scratch.write("proc/\(file)", text)
            let warning = try #require(drawing.reports().first?.warnings.first)
            #expect(warning.kind == .console)
            #expect(warning.cure.contains("console=ttyS0"), "\(warning.cure)")
        }
    }

    @Test func aLoginPromptIsFoundByItsUnitAndByItsProcess() throws {
        let byUnit = Drawing()
        try byUnit.onBoard("ttyAMA0", driver: "uart-pl011", compatible: "arm,pl011")
        try byUnit.scratch.link(
            "run/systemd/generator/getty.target.wants/serial-getty@ttyAMA0.service",
            to: "/usr/lib/x.service")
        let warning = try #require(byUnit.reports().first?.warnings.first)
        #expect(warning.kind == .login && warning.cure.contains("serial-getty@ttyAMA0.service"))
        try byUnit.scratch.link("etc/systemd/system/serial-getty@ttyAMA0.service", to: "/dev/null")
        #expect(byUnit.kinds().isEmpty, "masked")

        let byProcess = Drawing()
        try byProcess.onBoard("ttyAMA0", driver: "uart-pl011", compatible: "arm,pl011")
        try byProcess.process(
            77, "agetty", ["/sbin/agetty", "--keep-baud", "115200", "ttyAMA0", "vt220"])
        #expect(byProcess.kinds() == [.login])
    }

    @Test func aMiniUARTHasNoParityAndBluetoothHasTheOther() throws {
        let drawing = Drawing()
        try drawing.onBoard(
            "ttyS0", driver: "bcm2835-aux-uart", compatible: "brcm,bcm2835-aux-uart")
        #expect(drawing.kinds() == [.miniUART])
        try drawing.scratch.write(
            "sys/bus/serial/devices/serial0-0/of_node/compatible", "brcm,bcm43438-bt\0")
        #expect(drawing.kinds() == [.miniUART, .bluetooth])
        #expect(drawing.reports().first?.warnings.last?.cure.contains("disable-bt") == true)
        let old = Drawing()
        try old.onBoard("ttyAMA0", driver: "uart-pl011", compatible: "arm,pl011")
        try old.scratch.directory("sys/devices/platform/soc/ttyAMA0.serial/of_node/bluetooth")
        #expect(old.kinds() == [.bluetooth])
    }

    @Test func aSlowLatencyTimerIsTold() throws {
        let drawing = Drawing()
        try drawing.usb("ttyUSB0", latency: "16")
        let warning = try #require(drawing.reports().first?.warnings.first)
        #expect(warning.kind == .latency && warning.message.contains("16 ms"))
        #expect(
            warning.cure.contains(
                drawing.scratch.file("sys/class/tty/ttyUSB0/device/latency_timer")))
    }

    @Test func modemManagerIsTroubleUnlessItIsKeptAway() throws {
        for (record, kinds) in [
            ("", [PortWarning.Kind.modemManager]), ("E:ID_MM_PORT_IGNORE=1\n", []),
        ] {
            let drawing = Drawing()
            try drawing.usb("ttyUSB0", record: record)
            try drawing.process(5, "ModemManager")
            #expect(drawing.kinds() == kinds)
        }
        let drawing = Drawing()
        try drawing.usb("ttyUSB0")
        try drawing.process(6, "brltty")
        #expect(drawing.kinds() == [.braille])
    }

    @Test func whoeverHoldsThePortIsNamed() throws {
        let drawing = Drawing()
        try drawing.usb("ttyUSB0")
        try drawing.process(4711, "minicom", open: "dev/ttyUSB0")
        let report = try #require(drawing.reports().first)
        #expect(report.warnings.map(\.kind) == [.held])
        #expect(report.warnings[0].message.contains("minicom (process 4711)"))
    }

    @Test func aMissingGroupIsNamedAndSoIsAMissingRule() throws {
        let drawing = Drawing()
        try drawing.usb("ttyUSB0")
        let path = drawing.scratch.file("dev/ttyUSB0")
        var status = stat()
        #expect(stat(path, &status) == 0)
        let (owner, group) = (status.st_uid, status.st_gid)
        let stranger = PortOpener(user: owner + 1, groups: [group + 1])
        try drawing.scratch.write("etc/group", "root:x:0:\nfield:x:\(group):\n")
        let cure = try #require(drawing.reports(as: stranger).first?.warnings.first?.cure)
        // A node of group 0 needs a rule, one of another group needs a member.
        #expect(cure.contains(group == 0 ? "70-fieldgw.rules" : "usermod -aG field"), "\(cure)")
        #expect(drawing.kinds(PortOpener(user: owner + 1, groups: [group])).isEmpty, "a member may")
        #expect(chmod(path, 0o600) == 0)
        let rule = try #require(
            drawing.reports(as: PortOpener(user: owner + 1, groups: [group])).first?.warnings.first)
        #expect(rule.kind == .permission && rule.cure.contains("70-fieldgw.rules"))
        #expect(
            drawing.kinds(PortOpener(user: owner == 0 ? 0 : owner, groups: [])).isEmpty,
            "the owner may")
    }

    @Test func aTerminalWithoutRS485SaysSoAndOneThatIsHeldIsNotAsked() throws {
        let master = try PseudoTerminal()
        #expect(SerialPorts.takesRS485(master.path) == false)
        #expect(SerialPorts.takesRS485("/nonexistent") == nil)
        let drawing = Drawing()
        try drawing.onBoard("ttyAMA0", driver: "uart-pl011", compatible: "arm,pl011")
        try drawing.process(12, "cat", open: "dev/ttyAMA0")
        let reports = SerialPorts.reports(in: drawing.system, for: PortOpener(user: 0, groups: []))
        { _ in
            Issue.record("a port that is held was opened")
            return true
        }
        #expect(reports.first?.hasRS485 == nil)
    }
}
