import Base
import Drivers
import Modbus
import Simulators
import Testing

/// A field tool's machine on the simulated bus, in virtual time. While the tool's setting is not
/// the bus's, the bus hears nothing that it understands, and so says nothing.
struct ToolRig<Tool: LineTool> {
    var tool: Tool
    var bus: BusSimulator
    /// What else is said on the line: by time, bytes that the tool hears.
    var intruder: [(at: Instant, bytes: [UInt8])] = []
    private(set) var sent: [(at: Instant, line: LineSettings, bytes: [UInt8])] = []
    private(set) var settings: [LineSettings] = []
    private(set) var now = Moment(.zero, WallTime(milliseconds: 1_800_000_000_000))
    private var line: LineSettings
    /// Settings that this port cannot do.
    var impossible: Set<Int> = []

    init(_ tool: Tool, on bus: BusDescription, line: LineSettings, seed: UInt64 = 7) {
        self.tool = tool
        self.bus = BusSimulator(bus, seed: seed)
        self.line = line
    }

    private var hears: Bool {
        line.baud == bus.description.baud && line.parity == bus.description.parity
            && line.stopBits == bus.description.stopBits
    }

    mutating func open() {
        settings.append(line)
        tool.opened(at: now)
        drain()
    }

    /// Until the tool is done; a tool that never ends, fails.
    mutating func run(events limit: Int = 2_000_000, until end: Instant = .distantFuture) {
        if settings.isEmpty { open() }
        for _ in 0..<limit {
            if tool.isDone || now.instant >= end { return }
            guard step(until: end) else { break }
        }
        #expect(tool.isDone, "the tool waits for nothing and is not done")
    }

    private mutating func step(until end: Instant) -> Bool {
        let dues = [
            tool.deadline, bus.deadline?.due, intruder.first?.at, end == .distantFuture ? nil : end,
        ]
        guard let due = dues.compactMap({ $0 }).min() else { return false }
        if due > now.instant { now = now + (due - now.instant) }
        if let first = intruder.first, first.at <= now.instant {
            intruder.removeFirst()
            tool.receive(first.bytes[...], at: now)
        }
        if let due = bus.deadline?.due, due <= now.instant {
            bus.timeout(at: now.instant)
            while case .transmit(let bytes)? = bus.next() {
                if hears { tool.receive(bytes[...], at: now) }
            }
        }
        if let due = tool.deadline, due <= now.instant { tool.timeout(at: now) }
        drain()
        return true
    }

    private mutating func drain() {
        while let output = tool.next() {
            switch output {
            case .discardInput: break
            case .transmit(let bytes):
                sent.append((now.instant, line, bytes))
                if hears { bus.receive(bytes[...], at: now.instant) }
            case .set(let settings):
                if impossible.contains(settings.baud) {
                    let failure = LineFailure(.settings, "the port cannot do \(settings.baud) baud")
                    if !tool.skipSetting(failure, at: now) { return }
                } else {
                    line = settings
                    self.settings.append(settings)
                    tool.opened(at: now)
                }
            }
        }
    }
}

extension LineSettings {
    static func test(_ baud: Int = 19_200, _ parity: Parity = .even) -> LineSettings {
        LineSettings(device: .path("/dev/test"), baud: baud, parity: parity)
    }
}
