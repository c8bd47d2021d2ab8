import Base
import Platform

/// Something that the simulators' loop drives by time.
protocol TimedShell: AnyObject {
    var deadline: Instant? { get }
    func timeout()
}

/// One loop for the shells of all simulators of a process, until somebody says stop.
final class SimulatorLoop {
    let events: EventLoop
    private var shells: [any TimedShell] = []
    private var isStopped = false

    /// Make it before any other thread: signals are blocked in the calling one.
    init() throws {
        let signals = try SignalInbox()
        events = try EventLoop()
        _ = try events.watch(signals.descriptor, .read) { [unowned self] _ in
            for signal in signals.take() where signal == .terminate { stop() }
        }
    }

    func add(_ shell: any TimedShell) { shells.append(shell) }

    func stop() { isStopped = true }

    func run() throws {
        while !isStopped {
            _ = try events.wait(until: shells.compactMap(\.deadline).min())
            let now = Clock.instant
            for shell in shells where shell.deadline.map({ $0 <= now }) ?? false { shell.timeout() }
        }
    }
}
