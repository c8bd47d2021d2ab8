import Base
import CLinux
import Glibc

/// One serial port with everything that a person wants to know before trusting it.
package struct PortReport: Hashable, Sendable {
    package var entry: SerialPortEntry
    /// Names that stay, the most telling first: "/dev/fieldgw/by-serial/A50285BI".
    package var stableNames: [String]
    package var users: [PortUser]
    /// The kernel switches the transceiver's direction by itself; nil: not known.
    package var hasRS485: Bool?
    package var warnings: [PortWarning]
}

/// User and groups that want to open the port.
package struct PortOpener: Hashable, Sendable {
    package var user: UInt32
    package var groups: Set<UInt32>

    package init(user: UInt32, groups: Set<UInt32>) {
        self.user = user
        self.groups = groups
    }

    package static var current: PortOpener {
        var groups = [gid_t](repeating: 0, count: 256)
        let count = getgroups(Int32(groups.count), &groups)
        return PortOpener(
            user: geteuid(), groups: Set(groups.prefix(max(0, Int(count)))).union([getegid()]))
    }
}

extension SerialPorts {
    /// Every port. Looks through sysfs and /proc, and opens on-board ports that nobody holds for a
    /// moment: call it on a worker, or in a program that does nothing else.
    /// - Parameter ask: whether the driver of a node takes RS-485 settings.
    package static func reports(
        in system: SystemPaths = SystemPaths(), for opener: PortOpener = .current,
        ask: (String) -> Bool? = takesRS485
    ) -> [PortReport] {
        let machine = PreFlight(system, opener)
        return list(in: system).map { entry in
            let name = lastPart(entry.path) ?? ""
            let folder = "\(system.sys)/class/tty/\(name)"
            let device = FileSystem.realPath("\(folder)/device") ?? ""
            let walk = DeviceWalk(from: device, sys: FileSystem.realPath(system.sys) ?? system.sys)
            let record = record(folder, walk, in: system)
            let users = users(of: entry.path, in: system)
            var hasRS485: Bool?
            if entry.identity.vendor != nil {
                // The kernel's USB adapters know nothing of it, whatever the adapter does by
                // itself.
                hasRS485 = false
            } else if users.isEmpty {
                hasRS485 = ask(entry.path)
            }
            return PortReport(
                entry: entry, stableNames: stableNames(record.links, in: system), users: users,
                hasRS485: hasRS485,
                warnings: machine.warnings(about: entry, name, folder, record, users))
        }
    }

    /// Ours, then those that udev makes everywhere.
    private static func stableNames(_ links: [String], in system: SystemPaths) -> [String] {
        func rank(_ link: String) -> Int {
            ["fieldgw/by-serial/", "fieldgw/", "serial/by-id/", "serial/by-path/"].firstIndex {
                link.hasPrefix($0)
            } ?? 4
        }
        return links.sorted { (rank($0), $0) < (rank($1), $1) }.map { "\(system.dev)/\($0)" }
    }

    /// Asks for the settings and gives the same back: nothing changes. Nil where the port cannot be
    /// opened.
    package static func takesRS485(_ path: String) -> Bool? {
        let opened = try? OwnedFD("open", path) {
            clinux_open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0)
        }
        guard let descriptor = opened else { return nil }
        var settings = clinux_rs485()
        guard clinux_rs485_get(descriptor.number, &settings) == 0 else { return false }
        return clinux_rs485_set(descriptor.number, &settings) == 0
    }
}
