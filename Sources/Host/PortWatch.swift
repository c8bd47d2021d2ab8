import Base
import Platform

/// Hears ports come and go, so that an unplugged adapter is let go at once and a plugged one is
/// opened without waiting for the next attempt; and looks what is plugged in that nobody has
/// configured. Where netlink is not to be had, lines find out by themselves, a little later.
final class PortWatch {
    enum News {
        /// Node names under /dev.
        case removed(String)
        /// Something new: what could not be opened may be there now.
        case added
    }

    /// An adapter with several ports brings a handful of events; one look answers them all.
    private static let settleTime = Duration.milliseconds(500)

    private let monitor: DeviceMonitor
    private let worker: Worker
    private let mailbox: Mailbox<HelperMessage>
    private var devices: [LineSettings.Device]
    private(set) var lookDue: Instant?

    /// Nil where the system does not let us listen.
    init?(
        _ devices: [LineSettings.Device], loop: EventLoop, mailbox: Mailbox<HelperMessage>,
        deliver: @escaping (News) -> Void
    ) {
        guard let monitor = try? DeviceMonitor(),
            let worker = try? Worker("fgw-ports", stackBytes: 256 << 10)
        else { return nil }
        self.monitor = monitor
        self.worker = worker
        self.mailbox = mailbox
        self.devices = devices
        lookDue = Clock.instant + Self.settleTime
        let watch = try? loop.watch(self.monitor.descriptor, .read) { [unowned self] _ in
            for change in self.monitor.take() {
                switch change {
                case .removed(let name): deliver(.removed(name))
                case .added:
                    lookDue = Clock.instant + Self.settleTime
                    deliver(.added)
                }
            }
        }
        guard watch != nil else { return nil }
    }

    /// Looks when it is time to; the answer comes through the mailbox.
    func tick() {
        guard let due = lookDue, due <= Clock.instant else { return }
        lookDue = nil
        let (devices, mailbox) = (devices, mailbox)
        worker.submit { mailbox.post(.unclaimedPorts(SerialPorts.unclaimed(by: devices))) }
    }

    /// Other ports are configured now.
    func expect(_ devices: [LineSettings.Device]) {
        self.devices = devices
        lookDue = Clock.instant + Self.settleTime
    }

    func stop() { worker.stop() }
}
