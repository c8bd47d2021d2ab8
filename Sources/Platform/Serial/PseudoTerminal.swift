import CLinux
import Glibc

/// A pseudo-terminal pair in raw mode: what a simulated bus talks through. The master is
/// non-blocking.
package struct PseudoTerminal: ~Copyable, Sendable {
    package let master: OwnedFD
    /// "/dev/pts/7"
    package let path: String
    /// Held so that the master does not hang up while nobody else has the line open.
    private let slave: OwnedFD?

    /// With `holdsSlave` reads of the master answer EAGAIN rather than EIO before the line is
    /// opened and after it is closed.
    package init(holdsSlave: Bool = true) throws(SystemFailure) {
        let master = try OwnedFD("posix_openpt") { clinux_pty_open() }
        let number = master.number
        try checked("unlockpt") { clinux_pty_unlock(number) }
        var name = [CChar](repeating: 0, count: 64)
        try checked("ptsname") { clinux_pty_name(number, &name, name.count) }
        let path = name.withUnsafeBufferPointer { buffer in
            buffer.baseAddress.map { String(cString: $0) } ?? ""
        }
        let slave = try OwnedFD("open", path) {
            clinux_open(path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK, 0)
        }
        let raw = clinux_termios(
            input: 0, output: 0,
            control: UInt32(CS8) | UInt32(CREAD) | UInt32(CLOCAL) | CLINUX_BOTHER,
            local: 0, input_baud: 9600, output_baud: 9600, read_minimum: 1, read_time: 0)
        var settings = raw
        let slaveNumber = slave.number
        try checked("TCSETS2", path) { clinux_termios_set(slaveNumber, &settings) }
        self.master = master
        self.path = path
        if holdsSlave {
            self.slave = .some(consume slave)
        } else {
            self.slave = nil
            slave.close()
        }
    }

    /// Closes both ends: the other side's line hangs up, as when an adapter is unplugged.
    package consuming func hangUp() {}

    /// Whether somebody has the line open; always true while this value holds the slave itself.
    package var isOpened: Bool {
        let bits = clinux_poll_ns(master.number, Int16(POLLIN), 0)
        return bits & Int32(POLLHUP) == 0
    }

    /// Ends an exclusive mode (TIOCEXCL) that a killed program left behind. A real line forgets it
    /// with its last close, which never comes while the slave is held here.
    package func forgetExclusive() {
        switch slave {
        case .some(let slave): _ = clinux_exclusive(slave.number, 0)
        case .none: break
        }
    }

    /// The baud rate that the other side has set.
    package var baud: Int? {
        var settings = clinux_termios()
        guard clinux_termios_get(master.number, &settings) == 0 else { return nil }
        return Int(settings.output_baud)
    }
}
