import Base
import Glibc

/// Problem that a port will have, in words and for programs, and its cure.
package struct PortWarning: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        case console, login, miniUART = "mini-uart", bluetooth, permission, latency, modemManager =
            "modem-manager"
        case braille = "brltty", held
    }

    package var kind: Kind
    package var message: String
    package var cure: String
}

/// Facts about the machine, against which each port is checked.
struct PreFlight {
    private let system: SystemPaths
    private let opener: PortOpener
    /// Kernel consoles: "ttyS0" and how the command line has it.
    private let consoles: [String: String]
    private let logins: Set<String>
    private let programs: Set<String>
    /// Bluetooth's chip hangs on a UART of the board.
    private let hasBluetoothUART: Bool
    private let groupNames: [UInt32: String]

    init(_ system: SystemPaths, _ opener: PortOpener) {
        self.system = system
        self.opener = opener
        consoles = Self.consoles(system)
        let running = Self.processes(system)
        programs = Set(running.map(\.name))
        logins = Self.logins(system).union(
            running.filter { $0.name == "agetty" || $0.name == "getty" }.flatMap(\.words))
        hasBluetoothUART = Self.hasBluetoothUART(system)
        groupNames = Self.groupNames(system)
    }

    func warnings(
        about entry: SerialPortEntry, _ name: String, _ folder: String, _ record: UdevRecord,
        _ users: [PortUser]
    ) -> [PortWarning] {
        [
            console(name), login(name), miniUART(entry, folder), bluetooth(entry, folder),
            permission(entry.path),
            latency(folder), modemManager(entry, record), braille(entry, record), held(name, users),
        ].compactMap(\.self)
    }

    // MARK: who talks on it

    private func console(_ name: String) -> PortWarning? {
        consoles[name].map { word in
            PortWarning(
                kind: .console, message: "the kernel writes its messages to this port",
                cure:
                    "take \(word) out of the kernel's command line (/boot/firmware/cmdline.txt on a Raspberry Pi, "
                    + "/etc/default/grub on a PC) and reboot")
        }
    }

    private func login(_ name: String) -> PortWarning? {
        guard logins.contains(name) else { return nil }
        return PortWarning(
            kind: .login, message: "a login prompt waits on this port and answers the line's noise",
            cure: "sudo systemctl mask --now serial-getty@\(name).service")
    }

    private func modemManager(_ entry: SerialPortEntry, _ record: UdevRecord) -> PortWarning? {
        guard entry.identity.vendor != nil, programs.contains("ModemManager"),
            record["ID_MM_PORT_IGNORE"] != "1", record["ID_MM_DEVICE_IGNORE"] != "1"
        else { return nil }
        return PortWarning(
            kind: .modemManager,
            message: "ModemManager is running and may probe this port as if it were a modem",
            cure:
                "install udev/70-fieldgw.rules, which keeps it away, or sudo systemctl disable --now ModemManager"
        )
    }

    private func braille(_ entry: SerialPortEntry, _ record: UdevRecord) -> PortWarning? {
        guard entry.identity.vendor != nil, programs.contains("brltty"),
            record["BRLTTY_BRAILLE_DRIVER"] != ""
        else { return nil }
        return PortWarning(
            kind: .braille,
            message: "brltty is running and takes adapters of this kind for Braille displays",
            cure: "install udev/70-fieldgw.rules, or sudo systemctl mask --now brltty brltty-udev")
    }

    private func held(_ name: String, _ users: [PortUser]) -> PortWarning? {
        let others = users.filter { $0.name != "fieldgw" }
        guard !others.isEmpty else { return nil }
        let names = others.map(\.description).joined(separator: ", ")
        return PortWarning(
            kind: .held, message: "it is open in \(names): both will get parts of the replies",
            cure: "end it, or give the gateway another port")
    }

    // MARK: what it cannot do

    private func compatible(_ folder: String) -> String {
        (try? FileSystem.text("\(folder)/device/of_node/compatible")) ?? ""
    }

    private func isMiniUART(_ entry: SerialPortEntry, _ folder: String) -> Bool {
        entry.driver == "bcm2835-aux-uart" || compatible(folder).contains("brcm,bcm2835-aux-uart")
    }

    private func miniUART(_ entry: SerialPortEntry, _ folder: String) -> PortWarning? {
        guard isMiniUART(entry, folder) else { return nil }
        return PortWarning(
            kind: .miniUART,
            message:
                "this is the mini-UART: it has no parity, reports no framing errors, and its clock follows the GPU's",
            cure:
                "use the PL011 (/dev/ttyAMA0): dtoverlay=disable-bt in /boot/firmware/config.txt and reboot; or parity "
                + "\"none\" on every device of the line")
    }

    private func bluetooth(_ entry: SerialPortEntry, _ folder: String) -> PortWarning? {
        let hasOwn = FileSystem.isDirectory("\(folder)/device/of_node/bluetooth")
        guard hasOwn || (hasBluetoothUART && isMiniUART(entry, folder)) else { return nil }
        let who =
            hasOwn
            ? "Bluetooth's chip hangs on this port"
            : "Bluetooth has the board's better UART, the PL011"
        return PortWarning(
            kind: .bluetooth, message: who,
            cure:
                "dtoverlay=disable-bt in /boot/firmware/config.txt, sudo systemctl disable hciuart, and reboot"
        )
    }

    private func latency(_ folder: String) -> PortWarning? {
        let file = "\(folder)/device/latency_timer"
        guard let text = try? FileSystem.text(file), let time = Int(text), time != 1 else {
            return nil
        }
        return PortWarning(
            kind: .latency,
            message:
                "the adapter keeps what it receives for \(time) ms: each exchange waits as long",
            cure: "install udev/70-fieldgw.rules, or echo 1 | sudo tee \(file)")
    }

    private func permission(_ path: String) -> PortWarning? {
        var status = stat()
        guard opener.user != 0, stat(path, &status) == 0 else { return nil }
        let shift: UInt32 =
            status.st_uid == opener.user ? 6 : opener.groups.contains(status.st_gid) ? 3 : 0
        guard status.st_mode >> shift & 0o6 != 0o6 else { return nil }
        let group = groupNames[status.st_gid] ?? "\(status.st_gid)"
        let hasGroup =
            status.st_gid != 0 && status.st_mode >> 3 & 0o6 == 0o6
            && !opener.groups.contains(status.st_gid)
        return PortWarning(
            kind: .permission, message: "you may not read and write it",
            cure: hasGroup
                ? "sudo usermod -aG \(group) $USER and log in again; fieldgw's service has the group already"
                : "install udev/70-fieldgw.rules, which gives it to group dialout")
    }

    // MARK: the machine

    /// From /proc/consoles, which says what is in force, and the command line, which says why.
    private static func consoles(_ system: SystemPaths) -> [String: String] {
        var found: [String: String] = [:]
        let active = (try? FileSystem.text("\(system.proc)/consoles")) ?? ""
        for line in active.split(separator: "\n") {
            if let name = line.split(separator: " ").first {
                found[String(name)] = "console=\(name)"
            }
        }
        let words = ((try? FileSystem.text("\(system.proc)/cmdline")) ?? "").split {
            $0 == " " || $0 == "\n"
        }
        for word in words where word.hasPrefix("console=") {
            let name = word.dropFirst(8).split(separator: ",").first.map(String.init) ?? ""
            found[name] = String(word)
        }
        return found
    }

    /// Units serial-getty@NAME that systemd starts.
    private static func logins(_ system: SystemPaths) -> Set<String> {
        let folders = ["\(system.run)/systemd/generator", "\(system.etc)/systemd/system"]
        let units = folders.flatMap {
            (try? FileSystem.names(in: "\($0)/getty.target.wants")) ?? []
        }
        let prefix = "serial-getty@", suffix = ".service"
        return Set(
            units.filter { $0.hasPrefix(prefix) && $0.hasSuffix(suffix) }.map {
                String($0.dropFirst(prefix.count).dropLast(suffix.count))
            }.filter {
                FileSystem.linkTarget("\(system.etc)/systemd/system/serial-getty@\($0).service")
                    != "/dev/null"
            })
    }

    private static func processes(_ system: SystemPaths) -> [(name: String, words: [String])] {
        ((try? FileSystem.names(in: system.proc)) ?? []).filter { Int($0) != nil }.map { process in
            let name = (try? FileSystem.text("\(system.proc)/\(process)/comm")) ?? ""
            guard name.hasSuffix("getty") else { return (name, []) }
            let command = (try? FileSystem.text("\(system.proc)/\(process)/cmdline")) ?? ""
            return (name, command.split(separator: "\0").map { lastPart(String($0)) ?? "" })
        }
    }

    /// A serial device bus (serdev) with a Bluetooth chip on it: its UART has no node under /dev.
    private static func hasBluetoothUART(_ system: SystemPaths) -> Bool {
        let folder = "\(system.sys)/bus/serial/devices"
        return ((try? FileSystem.names(in: folder)) ?? []).contains { device in
            let words = (try? FileSystem.text("\(folder)/\(device)/of_node/compatible")) ?? ""
            return words.split(separator: "\0").contains { $0.hasSuffix("-bt") }
        }
    }

    private static func groupNames(_ system: SystemPaths) -> [UInt32: String] {
        var names: [UInt32: String] = [:]
        for line in ((try? FileSystem.text("\(system.etc)/group")) ?? "").split(separator: "\n") {
            let cells = line.split(separator: ":", omittingEmptySubsequences: false)
            if cells.count >= 3, let number = UInt32(cells[2]) { names[number] = String(cells[0]) }
        }
        return names
    }
}
