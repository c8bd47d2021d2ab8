import Base
import Gateway
import TestKit
import Testing

/// A composed gateway, its virtual disk and a clock that only its test moves. Lines open at once.
protocol ComposedWorld {
    var gateway: Gateway { get set }
    var now: Moment { get set }
    var disk: VirtualDisk { get set }
    var opensLines: Bool { get }
    /// Every effect but the opening of lines and the disk's operations.
    mutating func carryOut(_ effect: Effect, _ events: inout [Event])
}

extension ComposedWorld {
    var opensLines: Bool { true }

    static var epoch: Moment { Moment(.zero, WallTime(milliseconds: 1_800_000_000_000)) }

    static func gateway(
        _ configuration: Configuration, _ change: (inout Gateway.Settings) -> Void = { _ in }
    ) -> Gateway {
        var settings = Gateway.Settings(
            configuration, keys: KeyAlgorithms(), floor: WallTime(milliseconds: 0), version: "test")
        change(&settings)
        return Gateway(settings, bootID: [UInt8](repeating: 1, count: 16), seed: 1)
    }

    mutating func start() {
        gateway.start(at: now)
        drain()
    }

    mutating func receive(_ event: Event) {
        gateway.receive(event, at: now)
        drain()
    }

    mutating func run(for time: Duration) {
        let end = now.instant + time
        for _ in 0..<20_000 {
            guard let due = gateway.deadline, due <= end else {
                now = now + (end - now.instant)
                return
            }
            if due > now.instant { now = now + (due - now.instant) }
            gateway.timeout(at: now)
            drain()
        }
        Issue.record("the gateway spins")
    }

    private mutating func drain() {
        for _ in 0..<10_000 {
            var events: [Event] = []
            while let effect = gateway.next() {
                switch effect {
                case .openLine(let name, _):
                    let facts = LineFacts(path: "/dev/test", isPseudoTerminal: true)
                    let failure = LineFailure(.missing, "/dev/test is not there")
                    events.append(.line(name, opensLines ? .opened(facts) : .failed(failure)))
                case .disk(let request): events.append(.disk(request.ticket, disk.perform(request)))
                default: carryOut(effect, &events)
                }
            }
            if events.isEmpty { return }
            for event in events { gateway.receive(event, at: now) }
        }
        Issue.record("effects without end")
    }
}
