import Base
import Line
import Modbus

/// The driver of a port with nodes that speak a plain serial protocol: some are asked and answer,
/// some speak by themselves. Pure: it knows no clock and no descriptor, and no value types: a good
/// frame becomes a `ReadPart` of the table `frame`, from 0, one item a byte.
///
/// - Every format of frames on the line has its own `FrameCutter`, which gets all bytes.
/// - A node with a request is asked once per interval; one answer serves all intervals that are
///   due.
/// - Of a node without one the latest good frame of each interval is published when the interval
///   ends.
/// - A frame with a wrong checksum is counted and never published.
package struct UARTDriver: LineDriver {
    package typealias Output = LineOutput
    package typealias Timer = LineTimer

    package struct Settings: Hashable, Sendable {
        package var port: PortName
        package var line: LineSettings
        /// From the end of our transmission to the first byte of the reply.
        package var responseTimeout: Duration
        /// Attempts after the first.
        package var retries: Int
        package var nodes: [Node]

        package init(
            port: PortName, line: LineSettings, responseTimeout: Duration = .milliseconds(1000),
            retries: Int = 2, nodes: [Node]
        ) {
            self.port = port
            self.line = line
            self.responseTimeout = responseTimeout
            self.retries = retries
            self.nodes = nodes
        }
    }

    package struct Node: Hashable, Sendable {
        /// The node's place on the port.
        package var unit: UnitID
        package var format: UARTProtocol
        /// Of its points; each is a reading of its own.
        package var intervals: [Duration]
        /// Nil takes the port's.
        package var responseTimeout: Duration?
        /// How long a node that speaks by itself may be silent; nil: three of its shortest
        /// intervals.
        package var patience: Duration?
        /// The node has points with priority: its readings are wanted at once.
        package var isUrgent: Bool

        package init(
            unit: UnitID, format: UARTProtocol, intervals: [Duration],
            responseTimeout: Duration? = nil,
            patience: Duration? = nil, isUrgent: Bool = false
        ) {
            self.unit = unit
            self.format = format
            self.intervals = intervals
            self.responseTimeout = responseTimeout
            self.patience = patience
            self.isUrgent = isUrgent
        }
    }

    /// Nodes that speak by themselves in one format.
    struct Stream: Sendable {
        var cutter: FrameCutter
        var nodes: [Int]

        func cuts(_ format: UARTProtocol) -> Bool {
            cutter.frame == format.frame && cutter.checksum == format.checksum
        }
    }

    /// A request whose reply is neither here nor given up.
    struct Exchange: Sendable {
        var node: Int
        var isProbe: Bool
        var cutter: FrameCutter
        var echo: EchoFilter
        var startedAt: Instant
        var sentUntil: Instant
        var replyDue: Instant
        /// When the frame that has begun must be whole.
        var restDue: Instant?
        var isDamaged = false
    }

    enum Line: Sendable { case unopened, open, closed, paused }

    private(set) var settings: Settings
    private(set) var timing: RTUTiming
    var line = Line.unopened
    var nodes: [UARTNode]
    /// Nodes that are not in the plan any more, by their address.
    var former: [Address: UARTNode] = [:]
    /// No node is asked before another plan is adopted.
    var isHeld = false
    var streams: [Stream] = []
    var exchange: Exchange?
    /// No request may begin earlier.
    var quietUntil = Instant.zero
    var babblesSince: Instant?
    /// The node that failed last: its retry lets others go first.
    var failed: Int?
    /// Replies that may still come.
    var late = LateFrames()
    var random: RandomSource
    var counters = PortStatistics()
    var usefulBytes = 0
    var wake: (due: Instant, reason: LineTimer)?
    private var outputs = OutputQueue<LineOutput>()

    package init(_ settings: Settings, seed: UInt64) {
        self.settings = settings
        timing = RTUTiming(settings.line)
        random = RandomSource(seed: seed)
        nodes = settings.nodes.map {
            UARTNode($0, port: settings.port, responseTimeout: settings.responseTimeout)
        }
        makeStreams(at: .zero)
    }

    /// One for each format of nodes that speak by themselves; what one has heard of a frame stays.
    private mutating func makeStreams(at now: Instant) {
        let old = streams
        streams = []
        for (index, node) in nodes.enumerated() where !node.isAsked {
            let format = node.plan.format
            if let known = streams.firstIndex(where: { $0.cuts(format) }) {
                streams[known].nodes.append(index)
            } else if var same = old.first(where: { $0.cuts(format) }) {
                same.nodes = [index]
                streams.append(same)
            } else {
                let cutter = FrameCutter(
                    format.frame, format.checksum, character: timing.character, isSynced: false,
                    at: now)
                streams.append(Stream(cutter: cutter, nodes: [index]))
            }
        }
    }

    /// Other settings, by `adopt` alone.
    mutating func replace(_ settings: Settings, _ nodes: [UARTNode], at now: Instant) {
        if settings.line != self.settings.line {
            timing = RTUTiming(settings.line)
            streams = []
        }
        (self.settings, self.nodes) = (settings, nodes)
        makeStreams(at: now)
    }

    // MARK: the line

    package mutating func opened(_ facts: LineFacts, at now: Moment) {
        if line == .open { closed(at: now) }
        line = .open
        exchange = nil
        failed = nil
        babblesSince = nil
        quietUntil = now.instant + timing.silence
        for index in streams.indices { streams[index].cutter.reset(at: now.instant) }
        spreadPhases(at: now.instant)
        settle(at: now)
    }

    package mutating func closed(at now: Moment) {
        if line == .unopened { spreadPhases(at: now.instant) }
        let wasClosed = line == .closed
        line = .closed
        noteInterrupted(at: now.instant)
        if !wasClosed {
            for index in nodes.indices { lose(index, at: now) }
        }
        settle(at: now)
    }

    package mutating func receive(_ input: LineInput, at now: Moment) {
        switch input {
        case .opened(let facts): opened(facts, at: now)
        case .closed: closed(at: now)
        case .lent: pause(at: now)
        case .received(let bytes), .intruded(let bytes): receive(bytes[...], at: now)
        case .errors(let errors): counters.line += errors
        // Nothing is scheduled here, and nothing is learned that should outlive the process.
        case .sentLate, .carried, .learned: break
        }
    }

    package mutating func pause(at now: Moment) {
        line = .paused
        noteInterrupted(at: now.instant)
        for index in nodes.indices { nodes[index].state = nil }
        settle(at: now)
    }

    package mutating func receive(_ bytes: ArraySlice<UInt8>, at now: Moment) {
        guard line == .open, !bytes.isEmpty else { return }
        counters.bytesReceived += bytes.count
        for index in streams.indices { listen(index, bytes, at: now) }
        for address in late.hear(bytes, at: now.instant) {
            counters.lateReplies += 1
            guard let node = nodes.firstIndex(where: { $0.address == address }) else { continue }
            nodes[node].statistics.lateReplies += 1
        }
        if exchange != nil {
            hearReply(bytes, at: now)
        } else {
            hearStray(at: now.instant)
        }
        settle(at: now)
    }

    /// Nothing can be written to such a node: every order is refused.
    package mutating func submit(_ order: Order, at now: Moment) {
        let isKnown = nodes.contains { $0.address == order.address }
        emit(
            .outcome(
                Outcome(id: order.id, .failure(isKnown ? .read(.range) : .unknownUnit), at: now)))
    }

    /// Other masters speak Modbus: there is no path to such a node.
    package mutating func serve(_ request: ServedRequest, at now: Moment) {
        emit(
            .served(
                ServedReply(
                    id: request.id, pdu: request.request.refused(.gatewayPathUnavailable),
                    source: .closed)))
    }

    package mutating func forget(_ client: ConnectionID) {}

    package mutating func timeout(at now: Moment) {
        if line == .open {
            for index in streams.indices {
                if let due = streams[index].cutter.due, due <= now.instant {
                    endPause(index, at: now)
                }
            }
            timeoutExchange(at: now)
        }
        settle(at: now)
    }

    package mutating func next() -> LineOutput? { outputs.next() }

    package var deadline: (due: Instant, reason: LineTimer)? { wake }
    package func isExchanging(at now: Instant) -> Bool { exchange != nil }

    /// Everything that was counted; `strayBytes` are those of no sound frame.
    package var statistics: PortStatistics {
        var all = counters
        let held = max(streams.map(\.cutter.pending).max() ?? 0, exchange?.cutter.pending ?? 0)
        all.strayBytes = max(0, counters.bytesReceived - usefulBytes - held)
        all.units = nodes.map { node in
            var one = node.statistics
            one.state = node.state
            return one
        }
        return all
    }

    mutating func emit(_ output: LineOutput) { outputs.append(output) }

    func part(_ frame: [UInt8], at now: Moment) -> ReadPart {
        ReadPart(.frame, 0, frame.count, .success(frame), at: now)
    }

    mutating func publish(_ node: Int, cycle: Int, _ part: ReadPart) {
        nodes[node].cycles[cycle].isFresh = false
        emit(
            .reading(
                Reading(
                    nodes[node].address, every: nodes[node].cycles[cycle].interval, [part],
                    isUrgent: nodes[node].plan.isUrgent)))
    }

    mutating func publish(_ node: Int, cycle: Int, _ failure: ReadFailure, at now: Moment) {
        publish(node, cycle: cycle, ReadPart(.frame, 0, 0, .failure(failure), at: now))
    }

    mutating func setState(_ node: Int, _ state: UnitState, at now: Moment) {
        guard nodes[node].state != state else { return }
        nodes[node].state = state
        emit(.unit(nodes[node].address, state, now))
    }

    mutating func say(_ level: Notice.Level, _ node: Int, _ message: String) {
        emit(.notice(Notice(level, "unit", nodes[node].address.description, message)))
    }
}
