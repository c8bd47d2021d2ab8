import Base
import CLinux
import Glibc

/// systemd's notification protocol (sd_notify(3)) by hand: one datagram to $NOTIFY_SOCKET. Does
/// nothing where there is no service manager, and never waits.
package struct ServiceManager: Sendable {
    private let address: UnixAddress?
    /// Half of what WatchdogSec allows: send "WATCHDOG=1" this often. Nil if no watchdog is asked
    /// for.
    package let watchdogInterval: Duration?

    package init(environment: (String) -> String? = Machine.environment) {
        address = environment("NOTIFY_SOCKET").flatMap { UnixAddress($0) }
        let isOurs = environment("WATCHDOG_PID").map { Int32($0) == getpid() } ?? true
        if isOurs, let text = environment("WATCHDOG_USEC"), let microseconds = Int64(text),
            microseconds > 1
        {
            watchdogInterval = .microseconds(microseconds / 2)
        } else {
            watchdogInterval = nil
        }
    }

    package var isPresent: Bool { address != nil }

    /// "READY=1", "STATUS=8 of 8 devices attached", "STOPPING=1"; several joined by newlines. False
    /// if it could not be sent.
    @discardableResult
    package func notify(_ state: String) -> Bool {
        guard let address else { return false }
        let kind =
            Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | Int32(SOCK_NONBLOCK.rawValue)
        guard let socket = try? OwnedFD("socket", "", { Glibc.socket(AF_UNIX, kind, 0) })
        else { return false }
        let number = socket.number
        let bytes = Array(state.utf8)
        return address.withSocketAddress { pointer, length in
            retrying { sendto(number, bytes, bytes.count, Int32(MSG_NOSIGNAL), pointer, length) }
        } == bytes.count
    }

    /// Tells the time at which a reload began, which Type=notify-reload requires first after
    /// SIGHUP.
    @discardableResult
    package func notifyReloading() -> Bool {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let microseconds = Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
        return notify("RELOADING=1\nMONOTONIC_USEC=\(microseconds)")
    }
}
