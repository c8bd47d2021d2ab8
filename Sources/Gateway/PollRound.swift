import Adapter
import Base
import Drivers
import Line

/// One round of real readings without bridge and journal, for commissioning: every point of every
/// unit is read once, at once, whatever its interval, and a unit that does not answer is not asked
/// twice.
package struct PollRound: Sendable {
    /// Every point is read at this interval; the round ends when each unit has answered or failed
    /// once.
    private static let interval = Duration.seconds(1)
    /// However many units are silent, a person will not wait longer.
    private static let limitMax = Duration.seconds(120)

    package private(set) var adapter: Adapter
    private var ports: [Port]
    private var effects: [Effect] = []
    private var limit = Instant.distantFuture

    private struct Port: Sendable {
        var name: PortName
        var line: LineSettings
        var driver: any LineDriver
        var open: Set<UnitID>
        var failure: LineFailure?
        var isOpen = false
    }

    package init(_ configuration: Configuration, seed: UInt64) {
        var random = RandomSource(seed: seed)
        var bindings = configuration.bindings
        for binding in bindings.indices {
            for point in bindings[binding].points.indices {
                bindings[binding].points[point].interval = Self.interval
                // One round shows every value: nothing is held back.
                bindings[binding].points[point].deadband = nil
                bindings[binding].points[point].onChange = false
            }
        }
        adapter = Adapter(bindings)
        let spans = adapter
        ports = configuration.ports.map { port in
            var settings = port.driverSettings
            settings.pollOnce(every: Self.interval, spans.spans(of: port.name))
            let waited = Set(
                port.nodes.filter { $0.points.contains(where: \.isRead) && !$0.unit.isBroadcast }
                    .map(\.unit))
            return Port(
                name: port.name, line: port.line,
                driver: settings.make(seed: random.next(), autonomy: .none), open: waited)
        }
    }

    package var portNames: [PortName] { ports.map(\.name) }
    package func failure(of port: PortName) -> LineFailure? {
        ports.first { $0.name == port }?.failure
    }

    package mutating func start(at now: Moment) {
        limit = now.instant + Self.limitMax
        for port in ports { effects.append(.openLine(port.name, port.line)) }
    }

    package mutating func receive(_ name: PortName, _ event: LineEvent, at now: Moment) {
        guard let index = ports.firstIndex(where: { $0.name == name }) else { return }
        switch event {
        case .opened(let facts):
            ports[index].isOpen = true
            ports[index].driver.receive(.opened(facts), at: now)
        case .received(let bytes): ports[index].driver.receive(.received(bytes), at: now)
        case .errors(let errors): ports[index].driver.receive(.errors(errors), at: now)
        case .closed, .intruded, .sentLate, .carried: break
        case .failed(let failure), .lost(let failure):
            ports[index].failure = failure
            ports[index].isOpen = false
            ports[index].open = []
        }
        settle(at: now)
    }

    package mutating func timeout(at now: Moment) {
        for index in ports.indices where ports[index].isOpen {
            if let due = ports[index].driver.deadline?.due, due <= now.instant {
                ports[index].driver.timeout(at: now)
            }
        }
        if limit <= now.instant { for index in ports.indices { ports[index].open = [] } }
        settle(at: now)
    }

    private mutating func settle(at now: Moment) {
        for index in ports.indices {
            while let output = ports[index].driver.next() {
                switch output {
                case .line(let command): effects.append(.line(ports[index].name, command))
                case .reading(let reading):
                    _ = adapter.receive(reading)
                    ports[index].open.remove(reading.address.unit)
                case .notice(let notice):
                    if notice.level < .info { effects.append(.notice(notice)) }
                case .unit, .outcome, .learned, .setup, .served: break
                }
            }
        }
    }

    package mutating func next() -> Effect? { effects.isEmpty ? nil : effects.removeFirst() }

    package var isDone: Bool { ports.allSatisfy(\.open.isEmpty) }

    package var deadline: Instant? {
        let dues = ports.filter(\.isOpen).compactMap { $0.driver.deadline?.due }
        return min(dues.min() ?? limit, limit)
    }
}

extension Gateway.Settings.Driver {
    /// Everything at one interval and no retries.
    fileprivate mutating func pollOnce(
        every interval: Duration, _ spans: [(unit: UnitID, spans: [Span])]
    ) {
        switch self {
        case .modbus(var settings):
            settings.retries = 0
            for index in settings.nodes.indices {
                let unit = settings.nodes[index].unit
                // Nobody answers a broadcast.
                guard !unit.isBroadcast else { continue }
                settings.nodes[index].spans = spans.first { $0.unit == unit }?.spans ?? []
            }
            self = .modbus(settings)
        case .uart(var settings):
            settings.retries = 0
            for index in settings.nodes.indices {
                // Who speaks by itself does so in its own time.
                let longest = settings.nodes[index].intervals.max() ?? interval
                settings.nodes[index].patience = max(interval * 3, min(longest * 3, .seconds(60)))
                settings.nodes[index].intervals = [interval]
            }
            self = .uart(settings)
        }
    }
}
