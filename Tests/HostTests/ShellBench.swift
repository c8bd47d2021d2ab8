import Base
import Host
import Line
import Platform
import Testing

/// A line shell on a loop of its own, whose line is one end of a pseudo-terminal.
final class ShellBench {
    private let loop: EventLoop
    private let mailbox: Mailbox<HelperMessage>
    private let helpers: WorkerPool
    private var shell: LineShell?
    private(set) var events: [LineEvent] = []
    /// Called at every turn of the loop.
    var turn: () -> Void = {}

    init() throws {
        loop = try EventLoop()
        mailbox = try Mailbox()
        helpers = WorkerPool("test-port", threadsMax: 1)
        let shell = LineShell(PortName("a"), loop: loop, helpers: helpers, mailbox: mailbox) {
            [unowned self] in
            events.append($0)
        }
        self.shell = shell
        _ = try loop.watch(mailbox.descriptor, .read) { [unowned self] _ in
            for message in mailbox.drain() { take(message) }
        }
    }

    private func take(_ message: HelperMessage) {
        switch message {
        case .lineOpened(_, let attempt, let parcel, let facts):
            shell?.opened(parcel, facts, attempt: attempt)
        case .lineFailed(_, let attempt, let failure): shell?.failed(failure, attempt: attempt)
        case .lineRenewed(_, let attempt, let parcel): shell?.renewed(parcel, attempt: attempt)
        case .lineClosed(_, let attempt): shell?.closed(attempt: attempt)
        default: Issue.record("another message of a helper")
        }
    }

    func open(_ path: String, baud: Int = 115_200) {
        shell?.open(LineSettings(device: .path(path), baud: baud))
    }

    func open(_ settings: LineSettings) { shell?.open(settings) }

    func carryOut(_ command: LineCommand) { shell?.carryOut(command) }

    /// Closes the line and waits for its helper.
    func close() throws {
        shell?.close()
        try run { $0.contains(.closed) }
        helpers.drain()
    }

    /// Turns of the loop until `isDone`; a failure if that takes ten seconds.
    func run(until isDone: ([LineEvent]) -> Bool) throws {
        let limit = Clock.instant + .seconds(10)
        while !isDone(events) {
            guard Clock.instant < limit else {
                Issue.record("nothing comes any more; so far \(events)")
                return
            }
            shell?.settleInterest()
            // What the test does by itself wakes no loop.
            let next = Clock.instant + .milliseconds(1)
            _ = try loop.wait(until: min(next, shell?.deadline ?? next))
            shell?.timeout(at: Clock.instant)
            turn()
        }
    }

    /// Turns of the loop up to a time.
    func run(to end: Instant) throws { try run { _ in Clock.instant >= end } }
}

/// Everything that has arrived at the other end.
func take(_ end: borrowing OwnedFD) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 256)
    guard case .bytes(let count) = SerialPort.read(end, into: &buffer) else { return [] }
    return Array(buffer[..<count])
}
