import Base
import Gateway
import Platform

/// Carries out one poll round on real lines.
package final class Poller {
    private let loop: EventLoop
    private let mailbox: Mailbox<HelperMessage>
    private let helpers = WorkerPool("fgw-port", threadsMax: ServiceLimits.portHelpersMax)
    private var round: PollRound
    private var lines: [PortName: LineShell] = [:]
    private let tell: (Notice) -> Void

    package init(_ round: PollRound, tell: @escaping (Notice) -> Void) throws {
        loop = try EventLoop()
        mailbox = try Mailbox()
        self.round = round
        self.tell = tell
        for (index, name) in round.portNames.enumerated() {
            lines[name] = LineShell(
                name, generation: index, loop: loop, helpers: helpers, mailbox: mailbox
            ) { [unowned self] event in
                perform { $0.receive(name, event, at: $1) }
            }
        }
        _ = try loop.watch(mailbox.descriptor, .read) { [unowned self] _ in
            for message in mailbox.drain() { take(message) }
        }
    }

    package func run() throws -> PollRound {
        perform { $0.start(at: $1) }
        while !round.isDone {
            _ = try loop.wait(
                until: ([round.deadline] + lines.values.map(\.deadline)).compactMap { $0 }.min())
            for line in lines.values where (line.deadline ?? .distantFuture) <= Clock.instant {
                line.timeout(at: Clock.instant)
            }
            if let due = round.deadline, due <= Clock.instant { perform { $0.timeout(at: $1) } }
        }
        for line in lines.values { line.close() }
        helpers.drain()
        return round
    }

    private func take(_ message: HelperMessage) {
        switch message {
        case .lineOpened(let name, let attempt, let parcel, let facts):
            lines[name]?.opened(parcel, facts, attempt: attempt)
        case .lineFailed(let name, let attempt, let failure):
            lines[name]?.failed(failure, attempt: attempt)
        case .lineRenewed(let name, let attempt, let parcel):
            lines[name]?.renewed(parcel, attempt: attempt)
        default: break
        }
    }

    private func perform(_ feed: (inout PollRound, Moment) -> Void) {
        feed(&round, Clock.now())
        while let effect = round.next() {
            switch effect {
            case .openLine(let name, let settings): lines[name]?.open(settings)
            case .line(let name, let command): lines[name]?.carryOut(command)
            case .notice(let notice): tell(notice)
            default: break
            }
        }
    }
}
