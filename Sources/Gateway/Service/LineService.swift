import Base
import Drivers
import Modbus

/// Action that the server of a line requests.
package enum ServiceEffect: Hashable, Sendable {
    /// Listen there from now on.
    indirect case listen(address: String, port: Int)
    /// Close the socket and every connection.
    case end
    case send(ConnectionID, [UInt8])
    /// To be closed when all that was sent is out.
    case close(ConnectionID)
}

/// Requests of other masters by what became of them.
struct LineServiceFigures: Sendable {
    var connections = 0
    /// Connections from an address that is not in `from`, and those beyond `clients`.
    var turnedAway = 0
    var requests = 0
    /// Answered by the unit, exceptions included.
    var answered = 0
    var cached = 0
    /// Refused by `allow`, or not to be understood.
    var refused = 0
    var busy = 0
    var closed = 0
    var silent = 0
    /// Writes that a unit has acknowledged.
    var writes = 0
    var lineTime = Duration.zero
}

/// The server of one line: who is connected, what they may ask, and what became of it. It hands on
/// requests that are allowed and carries the answers back.
struct LineService: Sendable {
    enum Output: Sendable {
        case effect(ServiceEffect)
        case ask(ServedRequest)
        case forget(ConnectionID)
        case notice(Notice)
    }

    /// A request that was handed on.
    private struct Open: Sendable {
        let peer: String
        let request: ServedRequest
    }

    private let port: PortName
    let settings: LineServiceSettings
    private var server: ModbusServer
    private var peers: [ConnectionID: String] = [:]
    private var open: [UInt64: Open] = [:]
    private(set) var figures = LineServiceFigures()
    private var outputs = OutputQueue<Output>()
    private var isListening = false

    init(_ settings: LineServiceSettings, port: PortName) {
        self.settings = settings
        self.port = port
        var bounds = ModbusServer.Settings()
        bounds.framing = settings.framing
        bounds.clients = settings.clients
        server = ModbusServer(bounds)
    }

    var clients: Int { server.count }
    var due: Instant? { server.deadline }

    mutating func listen() {
        guard !isListening else { return }
        isListening = true
        outputs.append(.effect(.listen(address: settings.address, port: settings.port)))
    }

    /// Takes what was counted by an earlier server of the same line.
    mutating func inherit(_ old: LineService) { figures = old.figures }

    /// Ends the server: its clients are sent away, and it listens no more.
    mutating func end() {
        for id in peers.keys.sorted() { outputs.append(.forget(id)) }
        peers = [:]
        open = [:]
        if isListening { outputs.append(.effect(.end)) }
        isListening = false
    }

    // MARK: clients

    mutating func receive(_ event: DoorEvent, at now: Instant) {
        guard isListening else { return }
        switch event {
        case .connected(let id, let peer): connect(id, peer.client, at: now)
        case .received(let id, let bytes): server.received(id, bytes[...], at: now)
        case .drained(let id): server.drained(id)
        case .disconnected(let id):
            server.disconnected(id)
            leave(id)
        case .logged: return
        }
        drain(at: now)
    }

    private mutating func connect(_ id: ConnectionID, _ peer: String, at now: Instant) {
        let address = Self.address(of: peer)
        guard settings.from.isEmpty || settings.from.contains(where: { $0.contains(address) })
        else {
            figures.turnedAway += 1
            say(.warning, "\(peer) is turned away: `from` does not hold its address", kind: .peer)
            return outputs.append(.effect(.close(id)))
        }
        figures.connections += 1
        peers[id] = peer
        say(.debug, "\(peer) is connected", kind: .peer)
        server.connected(id, at: now)
    }

    /// "10.0.0.5:4711" and "[fe80::1]:4711" without the port.
    private static func address(of peer: String) -> String {
        let end = peer.lastIndex(of: ":") ?? peer.endIndex
        return String(peer[..<end].filter { $0 != "[" && $0 != "]" })
    }

    private mutating func leave(_ id: ConnectionID) {
        guard peers.removeValue(forKey: id) != nil else { return }
        open = open.filter { $0.value.request.client != id }
        outputs.append(.forget(id))
    }

    private mutating func drain(at now: Instant) {
        while let output = server.next() {
            switch output {
            case .send(let id, let bytes): outputs.append(.effect(.send(id, bytes)))
            case .close(let id, let ending):
                if case .tooMany = ending { figures.turnedAway += 1 }
                say(.info, "\(peers[id] ?? "a client") is closed: \(ending.words)", kind: .peer)
                leave(id)
                outputs.append(.effect(.close(id)))
            case .query(let query): judge(query, at: now)
            }
        }
    }

    // MARK: requests

    private mutating func judge(_ query: ModbusServer.Query, at now: Instant) {
        figures.requests += 1
        guard let unit = query.unit == 0 ? .broadcast : UnitID(Int(query.unit)) else { return }
        let allowed = settings.permission(of: query.unit)
        let request: Request
        do {
            request = try Request(pdu: query.pdu[...])
        } catch {
            let function = FunctionCode(rawValue: query.pdu[0])
            // A form of a function that we do not know may be the maker's own.
            guard allowed == .raw, error == .illegalFunction, function.rawValue != 0,
                !function.isException
            else { return refuse(query, allowed == .none ? .illegalFunction : error, at: now) }
            return ask(query, unit, .other(function, Array(query.pdu.dropFirst())))
        }
        let isSense = !unit.isBroadcast || (!request.isRead && request.written != nil)
        guard request.permission <= allowed, allowed != .none, isSense else {
            return refuse(query, .illegalFunction, at: now)
        }
        ask(query, unit, request)
    }

    private mutating func refuse(
        _ query: ModbusServer.Query, _ code: ExceptionCode, at now: Instant
    ) {
        figures.refused += 1
        let function = query.pdu[0] | FunctionCode.exceptionBit
        server.answer(query.number, [function, code.rawValue], at: now)
    }

    private mutating func ask(_ query: ModbusServer.Query, _ unit: UnitID, _ request: Request) {
        let served = ServedRequest(
            id: query.number, client: query.client, unit: unit, request)
        open[query.number] = Open(peer: peers[query.client] ?? "a client", request: served)
        outputs.append(.ask(served))
    }

    /// The line's answer to a request that was handed on.
    mutating func answer(_ reply: ServedReply, at now: Instant) {
        figures.lineTime += reply.lineTime
        switch reply.source {
        case .line: figures.answered += 1
        case .cache: figures.cached += 1
        case .busy: figures.busy += 1
        case .closed: figures.closed += 1
        case .silent: figures.silent += 1
        }
        guard let one = open.removeValue(forKey: reply.id) else { return }
        if !one.request.request.isRead { log(one, reply) }
        server.answer(reply.id, reply.pdu, at: now)
        drain(at: now)
    }

    private mutating func log(_ one: Open, _ reply: ServedReply) {
        let (request, unit) = (one.request.request, one.request.unit)
        var what = "function \(request.function) of unit \(unit)"
        if let place = request.written {
            let items = Plural.text(place.count, "item")
            what = "\(items) from \(place.table.rawValue) \(place.address) of unit \(unit)"
        }
        let isGood = (reply.pdu.first ?? 0) & FunctionCode.exceptionBit == 0
        if isGood {
            figures.writes += 1
            say(.info, "\(one.peer) has written \(what)", kind: .audit)
        } else {
            let code = ExceptionCode(rawValue: reply.pdu.last ?? 0)
            say(.info, "\(one.peer) could not write \(what): \(code)", kind: .audit)
        }
    }

    // MARK: time and outputs

    mutating func timeout(at now: Instant) {
        server.timeout(at: now)
        drain(at: now)
    }

    mutating func next() -> Output? { outputs.next() }

    private mutating func say(_ level: Notice.Level, _ message: String, kind: Notice.Kind) {
        outputs.append(.notice(Notice(level, "serve", port.text, message, kind: kind)))
    }

    func write(_ writer: inout JSONWriter) {
        writer.member("listen", settings.describe)
        writer.member("protocol", settings.framing.rawValue)
        writer.member("clients", clients)
        for (name, count) in counts { writer.member(name, count) }
        writer.member("busTimeSeconds", figures.lineTime.secondsValue)
    }

    private var counts: [(String, Int)] {
        [
            ("connections", figures.connections), ("turnedAway", figures.turnedAway),
            ("requests", figures.requests + server.overflows), ("answered", figures.answered),
            ("cached", figures.cached), ("refused", figures.refused),
            ("busy", figures.busy + server.overflows), ("closed", figures.closed),
            ("silent", figures.silent), ("writes", figures.writes),
        ]
    }

    /// Requests by what became of them, for metrics.
    var results: [(String, Int)] {
        counts.filter {
            ["answered", "cached", "refused", "busy", "closed", "silent"].contains($0.0)
        }
    }
}
