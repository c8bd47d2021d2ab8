import Adapter
import Base
import Drivers
import HTTP

/// The HTTP door's connections, requests and answers under way. It knows nothing of what is served:
/// the gateway answers its requests. Closed, it does nothing and costs nothing.
struct Door: Sendable {
    static let clientsMax = 32
    private static let peerTextMax = 64

    private(set) var settings: Configuration.Door?
    private(set) var feed = LiveFeed()
    private(set) var strips = MinuteStrips()
    /// Nil if none is kept.
    private(set) var history: History?
    private var server: HTTPServer
    private var gate: DoorGuard?
    private var peers: [ConnectionID: DoorPeer] = [:]
    private var requests: [(id: ConnectionID, request: HTTPRequest)] = []
    private var answers = SlicedAnswers()
    /// Answers to wrong tokens.
    private var delayed: [(id: ConnectionID, response: HTTPResponse, due: Instant)] = []
    /// Connections whose requests were handed on, by the number of their ticket.
    private var waiting: [Int: ConnectionID] = [:]
    /// Answers to those that have come.
    private var handedBack: [(ticket: Int, line: [UInt8])] = []
    private var tickets = 0
    private var toldFailuresAt: Instant?
    private var effects: [DoorEffect] = []
    private var notices: [Notice] = []
    /// When `timeout` or a slice is due.
    private(set) var due: Instant?

    init(_ settings: Configuration.Door?, _ bindings: [Binding]) {
        self.settings = settings
        history = History(settings?.history, bindings)
        gate = settings.map(DoorGuard.init)
        server = Self.makeServer()
        noteDue()
    }

    private static func makeServer() -> HTTPServer {
        var bounds = HTTPServer.Settings()
        bounds.connections = clientsMax
        bounds.limits.head = 16 << 10
        bounds.limits.headers = 64
        bounds.limits.body = 16 << 10
        bounds.requestTimeout = .seconds(10)
        bounds.idleTimeout = .seconds(60)
        bounds.aheadMax = 16 << 10
        bounds.stallTimeout = .seconds(20)
        return HTTPServer(bounds)
    }

    /// Whether the door is in the configuration: clients may ask, so changes are noted.
    var isOpen: Bool { settings != nil }

    /// Another configuration. If the door's part of it differs, all clients are sent away.
    mutating func adopt(_ new: Configuration.Door?, _ bindings: [Binding], before: [Binding]) {
        feed.keep(Set(bindings.map(\.device)))
        var past = History(new?.history, bindings)
        if let history { past?.inherit(history, History.moves(from: before, to: bindings)) }
        guard new != settings else { return history = past }
        for id in peers.keys.sorted() { effects.append(.close(id)) }
        let (feed, effects) = (feed, effects)
        let strips = strips
        self = Door(new, [])
        history = past
        self.effects = effects
        if new != nil { (self.feed, self.strips) = (feed, strips) }
        noteDue()
    }

    /// A minute is over: what every port has counted since the one before.
    mutating func noteMinute(
        _ ports: [(name: PortName, statistics: PortStatistics)], at now: Instant
    ) {
        strips.note(ports, at: now)
        noteDue()
    }

    func isMinuteOver(at now: Instant) -> Bool { settings != nil && strips.due <= now }

    /// A good value of the point at that place of the history.
    mutating func record(_ value: Double, point: Int, at time: Instant) {
        history?.record(value, point: point, at: time)
    }

    // MARK: Events

    mutating func receive(_ event: DoorEvent, at now: Moment) {
        guard settings != nil else { return }
        switch event {
        case .connected(let id, let peer):
            peers[id] = peer
            server.connected(id, at: now.instant)
        case .received(let id, let bytes): server.received(id, bytes[...], at: now.instant)
        case .drained(let id):
            server.drained(id)
            answers.drained(.connection(id))
        case .disconnected(let id): forget(id)
        case .logged(let notice): return feed.add(notice, at: now.wall)
        }
        drain(at: now)
    }

    /// A device has other values or another state.
    mutating func touch(_ device: DeviceID) { if settings != nil { feed.touch(device) } }

    private mutating func forget(_ id: ConnectionID) {
        server.disconnected(id)
        peers[id] = nil
        answers.end(.connection(id))
        delayed.removeAll { $0.id == id }
        requests.removeAll { $0.id == id }
        waiting = waiting.filter { $0.value != id }
    }

    private mutating func drain(at now: Moment) {
        while let output = server.next() {
            switch output {
            case .send(let id, let bytes): effects.append(.send(id, bytes))
            case .close(let id):
                effects.append(.close(id))
                forget(id)
            case .request(let id, let request): judge(id, request, at: now)
            }
        }
        noteDue()
    }

    private mutating func judge(_ id: ConnectionID, _ request: HTTPRequest, at now: Moment) {
        guard let peer = peers[id], let verdict = gate?.judge(request, from: peer, at: now.instant)
        else { return }
        switch verdict {
        case .admitted: requests.append((id, request))
        case .refused(let response): server.respond(id, Self.safe(response), at: now.instant)
        case .delayed(let response, let due): delay(id, response, until: due, at: now)
        }
    }

    private mutating func delay(
        _ id: ConnectionID, _ response: HTTPResponse, until due: Instant, at now: Moment
    ) {
        delayed.append((id, Self.safe(response), due))
        guard toldFailuresAt.map({ now.instant - $0 >= .seconds(60) }) ?? true else { return }
        toldFailuresAt = now.instant
        notices.append(
            Notice(
                .warning, "door", ByteString(peers[id]?.client ?? "").prefix(Self.peerTextMax),
                "a request with a wrong token was refused", kind: .peer))
        noteDue()
    }

    mutating func nextNotice() -> Notice? { notices.isEmpty ? nil : notices.removeFirst() }

    // MARK: Requests and answers

    mutating func nextRequest() -> (id: ConnectionID, request: HTTPRequest)? {
        guard !requests.isEmpty else { return nil }
        defer { noteDue() }
        return requests.removeFirst()
    }

    func peer(of id: ConnectionID) -> DoorPeer? { peers[id] }

    /// Takes a token that a browser was given, and tells it how to come back with it.
    mutating func logIn(_ id: ConnectionID, _ token: ByteString, gateway: String, at now: Moment) {
        guard let peer = peers[id], gate?.accepts(token) ?? false,
            let cookie = gate?.cookieHeader(isTLS: peer.isTLS)
        else {
            let pause = gate?.fail(at: now.instant) ?? .zero
            return delay(
                id, Page.login(gateway, isWrong: true), until: now.instant + pause, at: now)
        }
        let response = HTTPResponse(
            303, [], "text/plain; charset=UTF-8",
            headers: [HTTPResponse.Header("Location", "/"), cookie])
        respond(id, response, at: now)
    }

    /// Whether the client has shown the token, or none is needed.
    func isKnown(_ request: HTTPRequest) -> Bool { gate?.isKnown(request) ?? false }

    mutating func respond(_ id: ConnectionID, _ response: HTTPResponse, at now: Moment) {
        server.respond(id, Self.safe(response), at: now.instant)
        drain(at: now)
    }

    /// An answer that is written in slices; `head` says what it is.
    mutating func respond(
        _ id: ConnectionID, _ head: HTTPResponse, with document: any SlicedDocument, at now: Moment
    ) {
        if server.begin(id, Self.safe(head), at: now.instant) {
            answers.begin(.connection(id), document)
        }
        drain(at: now)
    }

    /// A document for a client of the control socket.
    mutating func gather(_ document: any SlicedDocument, for ticket: ControlTicket) {
        answers.begin(.ticket(ticket), document)
        noteDue()
    }

    /// Every answer keeps a browser from guessing, framing and telling others where it was.
    private static func safe(_ response: HTTPResponse) -> HTTPResponse {
        var response = response
        response.headers += [
            HTTPResponse.Header("X-Content-Type-Options", "nosniff"),
            HTTPResponse.Header("Referrer-Policy", "same-origin"),
        ]
        return response
    }

    // MARK: Requests that the control protocol answers

    /// A ticket whose answer goes to this connection.
    mutating func takeTicket(for id: ConnectionID) -> ControlTicket {
        tickets += 1
        waiting[tickets] = id
        return ControlTicket(-tickets, connection: -tickets, mayWrite: true)
    }

    static func owns(_ ticket: ControlTicket) -> Bool { ticket.number < 0 }

    /// The answer to a ticket of ours; it goes out in the next turn.
    mutating func handBack(_ ticket: ControlTicket, _ line: [UInt8]) {
        handedBack.append((-ticket.number, line))
        noteDue()
    }

    private mutating func answerHandedBack(at now: Instant) {
        for (number, line) in handedBack {
            guard let id = waiting.removeValue(forKey: number) else { continue }
            server.respond(id, Self.safe(HTTPResponse(Self.status(of: line), json: line)), at: now)
        }
        handedBack = []
    }

    /// The status code that fits an answer of the control protocol.
    private static func status(of line: [UInt8]) -> Int {
        guard line.starts(with: "{\"error\":".utf8), let document = try? JSONReader.parse(line)
        else { return 200 }
        return switch document["kind"]?.string {
        case "usage": 400
        case "denied": 403
        case "timeout": 504
        default: 409
        }
    }

    // MARK: Slices and time

    mutating func takeTurn() -> (client: SlicedAnswers.Client, document: any SlicedDocument)? {
        defer { noteDue() }
        return answers.takeTurn()
    }

    /// - Returns: a client of the control socket whose document is complete, and its line.
    mutating func put(
        _ client: SlicedAnswers.Client, _ document: any SlicedDocument, _ slice: DocumentSlice,
        at now: Moment
    ) -> (ControlTicket, [UInt8])? {
        let line = answers.put(client, document, slice, at: now.instant)
        defer { noteDue() }
        switch client {
        case .ticket(let ticket): return line.map { (ticket, $0) }
        case .connection(let id):
            server.write(id, slice.bytes, at: now.instant)
            if slice.rest == .done { server.finish(id, at: now.instant) }
            drain(at: now)
            return nil
        }
    }

    mutating func timeout(at now: Moment) {
        server.timeout(at: now.instant)
        answers.timeout(at: now.instant)
        answerHandedBack(at: now.instant)
        for answer in delayed where answer.due <= now.instant {
            server.respond(answer.id, answer.response, at: now.instant)
        }
        delayed.removeAll { $0.due <= now.instant }
        drain(at: now)
    }

    /// Brings `due` up to date. It is kept, because it is asked for after every event of a line.
    private mutating func noteDue() {
        var earliest = answers.due ?? .distantFuture
        if !handedBack.isEmpty || !requests.isEmpty { earliest = .zero }
        if settings != nil {
            earliest = min(earliest, strips.due)
            if let due = server.deadline { earliest = min(earliest, due) }
            for answer in delayed { earliest = min(earliest, answer.due) }
        }
        due = earliest == .distantFuture ? nil : earliest
    }

    mutating func nextEffect() -> DoorEffect? { effects.isEmpty ? nil : effects.removeFirst() }
}
