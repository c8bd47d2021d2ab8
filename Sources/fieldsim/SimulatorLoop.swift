import Base
import Host
import Platform

/// Something that the simulators' loop drives by time.
protocol TimedShell: AnyObject {
    var deadline: Instant? { get }
    /// Whether the loop awaits the deadline awake: lateness of this shell would be measured as that
    /// of another program.
    var isPunctual: Bool { get }
    func timeout()
}

extension TimedShell {
    var isPunctual: Bool { false }
}

/// One loop for the shells of all simulators of a process, until somebody says stop.
final class SimulatorLoop {
    let events: EventLoop
    private var shells: [any TimedShell] = []
    private var isStopped = false
    private var wakeLatency = WakeLatency()

    /// Make it before any other thread: signals are blocked in the calling one.
    init() throws {
        let signals = try SignalInbox()
        events = try EventLoop()
        _ = try events.watch(signals.descriptor, .read) { [unowned self] _ in
            if !signals.take().isEmpty { stop() }
        }
    }

    func add(_ shell: any TimedShell) { shells.append(shell) }

    func stop() { isStopped = true }

    func run() throws {
        while !isStopped {
            let due = shells.lazy.filter { !$0.isPunctual }.compactMap(\.deadline).min()
            let exact = shells.lazy.filter(\.isPunctual).compactMap(\.deadline).min()
            let wake = exact.map { wakeLatency.begin($0, at: Clock.instant) }
            _ = try events.wait(until: [due, wake].compactMap(\.self).min())
            let now = wakeLatency.woken(for: exact ?? .zero)
            for shell in shells where shell.deadline.map({ $0 <= now }) ?? false { shell.timeout() }
        }
    }
}
