import Base
import CLinux
import Glibc

/// A serial line that is set and locked.
package struct OpenLine: ~Copyable, Sendable {
    package let descriptor: OwnedFD
    package let facts: LineFacts

    package init(descriptor: consuming OwnedFD, facts: LineFacts) {
        self.descriptor = descriptor
        self.facts = facts
    }

    /// The descriptor alone, for closing or for a parcel.
    package consuming func intoDescriptor() -> OwnedFD { descriptor }
}

/// Opening, setting and closing serial lines. `open` and `close` can block for a long time in a
/// driver: call them on a worker. Reading and writing never wait.
package enum SerialPort {
    /// The most that one `read` takes.
    package static let readMax = 4096

    /// Finds the device, opens it for this process alone, sets the line and reads the setting back.
    package static func open(
        _ settings: LineSettings, in system: SystemPaths = SystemPaths()
    ) throws(LineFailure) -> OpenLine {
        let path = try resolve(settings.device, in: system)
        let descriptor = try openNode(path, settings.listensOnly ? O_RDONLY : O_RDWR)
        let isPseudoTerminal = try identify(descriptor.number, path)
        try lock(descriptor.number, path)
        try confirm(settings.device, path, in: system)
        var remarks: [String] = []
        try configure(descriptor.number, path, settings, isPseudoTerminal, &remarks)
        if let rs485 = settings.rs485 { setRS485(descriptor.number, rs485, &remarks) }
        if !isPseudoTerminal {
            let others = SerialPorts.users(of: path, in: system)
            if !others.isEmpty {
                let names = others.map(\.description).joined(separator: ", ")
                remarks.append(
                    "\(path) is also open in \(names): both will get parts of the replies")
            }
            _ = clinux_low_latency(descriptor.number)
            shortenLatency(path, in: system, &remarks)
        }
        _ = clinux_flush(descriptor.number, TCIFLUSH)
        let facts = LineFacts(path: path, isPseudoTerminal: isPseudoTerminal, remarks: remarks)
        return OpenLine(descriptor: descriptor, facts: facts)
    }

    /// Throws away what is not sent, so that close does not wait for it (30 s by default), gives
    /// the line back to others and closes it.
    package static func close(_ descriptor: consuming OwnedFD) {
        _ = clinux_flush(descriptor.number, TCIOFLUSH)
        _ = clinux_exclusive(descriptor.number, 0)
        descriptor.close()
    }

    private static func resolve(
        _ device: LineSettings.Device, in system: SystemPaths
    ) throws(LineFailure) -> String {
        switch device {
        case .path(let path):
            return path
        case .network(let address):
            throw LineFailure(.settings, "\(address.text) is no serial port of this machine")
        case .match(let serial, let path, let vendor, let product, let interface):
            let wanted = PortIdentity(
                serial: serial, path: path, vendor: vendor, product: product, interface: interface)
            let found = SerialPorts.list(in: system).filter { $0.identity.matches(wanted) }
            if let only = found.first, found.count == 1 { return only.path }
            if found.isEmpty {
                throw LineFailure(
                    .missing, "no serial port matches \(wanted); plug it in, or see 'fieldgw ports'"
                )
            }
            let names = found.map(\.path).sorted().joined(separator: ", ")
            throw LineFailure(
                .ambiguous,
                "\(names) all match \(wanted); neither is opened: add serial, path or interface")
        }
    }

    /// Names are given anew when adapters come and go: what was opened must still be what was
    /// meant. If it has been unplugged meanwhile, the line hangs up.
    private static func confirm(
        _ device: LineSettings.Device, _ opened: String, in system: SystemPaths
    ) throws(LineFailure) {
        switch device {
        case .network: return
        case .match:
            guard try resolve(device, in: system) == opened else {
                throw LineFailure(.missing, "\(opened) is another adapter now; trying again")
            }
        case .path(let path):
            // udev takes a link away a little after the kernel has given the name to another
            // adapter.
            guard path.contains("/fieldgw/by-serial/"), let wanted = lastPart(path) else { return }
            let names = FileSystem.linkChain(path).dropFirst().compactMap(lastPart)
            let found = names.compactMap { SerialPorts.entry($0, in: system)?.identity.serial }
            guard
                found.isEmpty
                    || found.contains(where: { wanted == $0 || wanted.hasPrefix($0 + "-") })
            else {
                throw LineFailure(.missing, "\(path) leads to another adapter now; trying again")
            }
        }
    }

    private static func openNode(_ path: String, _ access: Int32) throws(LineFailure) -> OwnedFD {
        do {
            return try OwnedFD("open", path) {
                clinux_open(path, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0)
            }
        } catch {
            throw failure(error, path)
        }
    }

    private static func failure(_ error: SystemFailure, _ path: String) -> LineFailure {
        switch error.code {
        case ENOENT:
            LineFailure(
                .missing, "\(path) does not exist; plug the adapter in, or see 'fieldgw ports'")
        case ENODEV, ENXIO, EIO:
            LineFailure(.missing, "\(path) has no hardware behind it: \(error.words)")
        case EACCES:
            LineFailure(
                .denied,
                "no permission for \(path): add the user that runs fieldgw to group dialout"
                    + " (sudo usermod -aG dialout USER) and log in again")
        case EPERM:
            LineFailure(
                .denied,
                "the system refuses \(path): \(error.words);"
                    + " in a systemd unit, DeviceAllow must name it")
        case EBUSY, EAGAIN:
            LineFailure(.busy, "\(path) is in use by another program, which holds it exclusively")
        case EISDIR, ENOTDIR:
            LineFailure(.settings, "\(path) is not a serial port: \(error.words)")
        default:
            LineFailure(.other, "\(path) cannot be opened: \(error.words)")
        }
    }

    /// Whether it is a pseudo-terminal (Unix98: major 136–143). Refuses what is no terminal at all.
    private static func identify(_ descriptor: Int32, _ path: String) throws(LineFailure) -> Bool {
        guard isatty(descriptor) == 1 else {
            if errno == EIO { throw LineFailure(.missing, "\(path) has no hardware behind it") }
            throw LineFailure(.settings, "\(path) is not a serial port")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw LineFailure(.other, "\(path): \(SystemFailure("fstat", code: errno).words)")
        }
        return (136...143).contains(clinux_device_major(UInt64(status.st_rdev)))
    }

    /// flock keeps out programs that ask, TIOCEXCL those that do not (unless they are root).
    private static func lock(_ descriptor: Int32, _ path: String) throws(LineFailure) {
        guard retrying({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
            let code = errno
            guard code == EWOULDBLOCK else {
                throw LineFailure(.other, "\(path): \(SystemFailure("flock", code: code).words)")
            }
            let holder = FileLocks.holder(of: descriptor).map { " (process \($0))" } ?? ""
            throw LineFailure(.busy, "\(path) is in use by another program\(holder)")
        }
        guard clinux_exclusive(descriptor, 1) == 0 else {
            throw LineFailure(
                .other, "\(path): TIOCEXCL: \(SystemFailure("ioctl", code: errno).words)")
        }
    }
}
