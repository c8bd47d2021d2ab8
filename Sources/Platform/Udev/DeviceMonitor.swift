import CLinux
import Glibc

/// Says when a serial port comes or goes (the kernel's and udev's uevents), so that a lost line can
/// be tried again at once. A hint only: who relies on it alone misses a port when the buffer
/// overflows.
package struct DeviceMonitor: ~Copyable, Sendable {
    package enum Change: Hashable, Sendable {
        /// The node's name under /dev: "ttyUSB0". Where udev runs it is said when the permissions
        /// and links are set, otherwise when the node appears.
        case added(String)
        case removed(String)
    }

    private let socket: OwnedFD
    private let hasUdev: Bool

    /// EPERM or EAFNOSUPPORT where a unit's RestrictAddressFamilies leaves netlink out: go on
    /// without.
    package init(in system: SystemPaths = SystemPaths()) throws(SystemFailure) {
        hasUdev = FileSystem.exists("\(system.run)/udev/control")
        socket = try OwnedFD("socket", "NETLINK_KOBJECT_UEVENT") { clinux_uevent_socket() }
    }

    /// Watch it for reading.
    package var descriptor: Int32 { socket.number }

    /// Takes the changes since the last call, from at most 64 messages.
    package func take() -> [Change] {
        var changes: [Change] = []
        var message = [UInt8](repeating: 0, count: 8192)
        for _ in 0..<64 {
            let number = socket.number
            let count = retrying { recv(number, &message, message.count, 0) }
            // ENOBUFS says that messages were lost; the next ones still come.
            if count <= 0 { break }
            guard let change = Self.parse(message[..<count]) else { continue }
            // The kernel's word comes first, when nobody but root may open the node yet.
            if case .added = change, hasUdev, !Self.isUdev(message[..<count]) { continue }
            if changes.last != change { changes.append(change) }
        }
        return changes
    }

    /// udev's messages begin with its name and a NUL.
    static func isUdev(_ message: ArraySlice<UInt8>) -> Bool {
        message.starts(with: Array("libudev\0".utf8))
    }

    /// One uevent: strings "KEY=value" that end in NUL, after the kernel's "add@/devices/…" or
    /// udev's binary header. Nil if it is not about a tty.
    package static func parse(_ message: ArraySlice<UInt8>) -> Change? {
        var action = ""
        var name = ""
        var isTTY = false
        for field in message.split(separator: 0) {
            let text = String(decoding: field, as: UTF8.self)
            if text.hasPrefix("ACTION=") { action = String(text.dropFirst(7)) }
            if text.hasPrefix("DEVNAME=") { name = lastPart(text.dropFirst(8).description) ?? "" }
            if text == "SUBSYSTEM=tty" { isTTY = true }
        }
        guard isTTY, !name.isEmpty else { return nil }
        switch action {
        case "add", "change": return .added(name)
        case "remove": return .removed(name)
        default: return nil
        }
    }
}
