import Base
import Drivers
import Gateway
import Line
import Platform

/// Why a field tool came to its end early.
package enum ToolInterruption: Sendable {
    /// SIGINT, SIGTERM, or SIGHUP because the terminal is gone.
    case signal
    /// Standard output has no reader any more.
    case output
    /// The gateway that lent the line takes it back, or has ended.
    case lease
}

/// Longest wait for a tool's line to be closed: a driver may take half a minute for it.
private let toolClosingMax = Duration.seconds(2)

/// Carries out a field tool's machine on a real line until it is done, the time is over or
/// something interrupts it.
package final class ToolRunner<Tool: LineTool> {
    package private(set) var tool: Tool
    /// Why the line could not be opened, or was lost.
    package private(set) var failure: LineFailure?
    package private(set) var interruption: ToolInterruption?
    /// Errors that the UART has counted meanwhile, where it counts.
    package private(set) var lineErrors = LineErrors()

    private let loop: EventLoop
    private let mailbox: Mailbox<HelperMessage>
    private let helpers = WorkerPool("fgw-port", threadsMax: 1)
    private var line: LineShell?
    private var isLineClosed = false
    private let each: (inout Tool, Moment) -> Void
    private let opened: (LineFacts) -> Void

    /// `each` is called after everything that happened, to take out and show what is new; `opened`
    /// when the line is there, for the first time and after every change of its setting.
    /// - Parameter signals: for a tool that runs for long: it also ends with its standard output.
    /// - Parameter lease: a descriptor on which the end of the line's lease is told.
    package init(
        _ tool: Tool, signals: SignalInbox? = nil, lease: Int32? = nil,
        opened: @escaping (LineFacts) -> Void = { _ in },
        each: @escaping (inout Tool, Moment) -> Void = { _, _ in }
    ) throws {
        self.tool = tool
        self.each = each
        self.opened = opened
        loop = try EventLoop()
        mailbox = try Mailbox()
        let line = LineShell(PortName("line"), loop: loop, helpers: helpers, mailbox: mailbox) {
            [unowned self] in
            take($0)
        }
        self.line = line
        _ = try loop.watch(mailbox.descriptor, .read) { [unowned self] _ in
            for message in mailbox.drain() { take(message) }
        }
        if let signals {
            _ = try loop.watch(signals.descriptor, .read) { [unowned self] _ in
                if !signals.take().isEmpty { interrupt(.signal) }
            }
            // A file cannot be watched, and needs not be.
            _ = try? loop.watch(Console.outputDescriptor, .none) { [unowned self] ready in
                loop.remove(ready.watch)
                interrupt(.output)
            }
        }
        guard let lease else { return }
        _ = try loop.watch(lease, .read) { [unowned self] ready in
            loop.remove(ready.watch)
            interrupt(.lease)
        }
    }

    private func interrupt(_ reason: ToolInterruption) {
        interruption = interruption ?? reason
        perform { $0.stop(at: $1) }
    }

    package func run(on settings: LineSettings, for time: Duration? = nil) throws {
        let end = time.map { Clock.instant + $0 } ?? .distantFuture
        line?.open(settings)
        var isStopping = false
        while !tool.isDone, failure == nil {
            let due = isStopping ? tool.deadline : min(tool.deadline ?? .distantFuture, end)
            _ = try loop.wait(until: [due, line?.deadline].compactMap { $0 }.min())
            let now = Clock.instant
            if let due = line?.deadline, due <= now { line?.timeout(at: now) }
            if let due = tool.deadline, due <= now { perform { $0.timeout(at: $1) } }
            if end <= now, !isStopping {
                isStopping = true
                perform { $0.stop(at: $1) }
            }
        }
        try close()
    }

    /// Closes the line for its next user, and waits at most `toolClosingMax` for that.
    private func close() throws {
        isLineClosed = false
        line?.close()
        let due = Clock.instant + toolClosingMax
        while !isLineClosed, Clock.instant < due { _ = try loop.wait(until: due) }
    }

    private func take(_ message: HelperMessage) {
        switch message {
        case .lineOpened(_, let attempt, let parcel, let facts):
            line?.opened(parcel, facts, attempt: attempt)
        case .lineFailed(_, let attempt, let failure): line?.failed(failure, attempt: attempt)
        case .lineRenewed(_, let attempt, let parcel): line?.renewed(parcel, attempt: attempt)
        case .lineClosed(_, let attempt): line?.closed(attempt: attempt)
        default: break
        }
    }

    private func take(_ event: LineEvent) {
        switch event {
        case .opened(let facts):
            opened(facts)
            perform { $0.opened(at: $1) }
        case .received(let bytes): perform { $0.receive(bytes[...], at: $1) }
        case .errors(let errors): lineErrors += errors
        case .closed: isLineClosed = true
        case .intruded, .sentLate, .carried: break
        case .failed(let failure), .lost(let failure):
            var skipped = false
            if failure.kind == .settings { perform { skipped = $0.skipSetting(failure, at: $1) } }
            if !skipped { self.failure = failure }
        }
    }

    private func perform(_ feed: (inout Tool, Moment) -> Void) {
        let now = Clock.now()
        feed(&tool, now)
        while let output = tool.next() {
            switch output {
            case .discardInput: line?.carryOut(.discardInput)
            case .transmit(let bytes): line?.carryOut(.transmit(bytes))
            case .set(let settings): line?.open(settings)
            }
        }
        each(&tool, now)
    }
}
