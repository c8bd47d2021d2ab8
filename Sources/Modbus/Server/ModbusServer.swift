import Base

/// The server's side of many TCP connections that carry Modbus (Messaging on TCP/IP Implementation
/// Guide V1.0b, section 3). Requests come out with a number; `answer` takes the PDU of the reply.
///
/// - Requests of one client may be answered in any order; on RTU over TCP, which has no transaction
///   ids, each is answered before the next comes out.
/// - At most `waitingMax` requests of one client wait; those beyond are answered with exception 6.
/// - Memory is bounded: by the connections, a frame and a number of waiting requests for each.
package struct ModbusServer: Sendable {
    /// Bounds of one server.
    package struct Settings: Hashable, Sendable {
        package var framing = TCPFraming.modbusTCP
        package var clients = 8
        /// Requests of one client that wait for their answers.
        package var waitingMax = 16
        package var idleTimeout = Duration.seconds(600)
        /// Time for a frame from its first byte to its last.
        package var frameTimeout = Duration.seconds(10)
        /// Answers that a client may leave untaken, in bytes.
        package var unsentMax = 16 << 10

        package init() {}
    }

    package struct Query: Hashable, Sendable {
        package let number: UInt64
        package let client: ConnectionID
        package let unit: UInt8
        package let pdu: [UInt8]
    }

    package enum Ending: Hashable, Sendable {
        case tooMany(limit: Int)
        case idle(Duration)
        case incomplete
        case length(Int)
        case ahead(limit: Int)
        case untaken(limit: Int)

        /// Reason for a person.
        package var words: String {
            switch self {
            case .tooMany(let limit): "all \(limit) connections are in use"
            case .idle(let time): "no request for \(time.milliseconds / 1000) s"
            case .incomplete: "a frame was begun and not finished"
            case .length(let length): "a frame of length \(length), which is no Modbus TCP"
            case .ahead(let limit): "more than \(limit) bytes without waiting for an answer"
            case .untaken(let limit): "more than \(limit) bytes of answers were not taken"
            }
        }
    }

    package enum Output: Hashable, Sendable {
        case query(Query)
        case send(ConnectionID, [UInt8])
        case close(ConnectionID, Ending)
    }

    /// A connection without a request for so long gives its place to a new one.
    private static let yieldAfter = Duration.seconds(60)

    private let settings: Settings
    private var connections: [ConnectionID: ServerConnection] = [:]
    private var owners: [UInt64: ConnectionID] = [:]
    private var lastNumber: UInt64 = 0
    private var outputs = OutputQueue<Output>()
    /// Requests that were answered with exception 6 because too many waited.
    package private(set) var overflows = 0

    package init(_ settings: Settings = Settings()) { self.settings = settings }

    package var count: Int { connections.count }
    /// Requests without an answer yet.
    package var waiting: Int { owners.count }

    // MARK: Connections

    package mutating func connected(_ id: ConnectionID, at now: Instant) {
        if connections.count >= settings.clients, !makeRoom(at: now) {
            return outputs.append(.close(id, .tooMany(limit: settings.clients)))
        }
        connections[id] = ServerConnection(settings.framing, at: now)
    }

    /// Closes the connection that has been without a request longest, if it has been for a minute.
    private mutating func makeRoom(at now: Instant) -> Bool {
        let unused = connections.filter { $0.value.isIdle }
            .min { ($0.value.usedAt, $0.key) < ($1.value.usedAt, $1.key) }
        guard let unused, now - unused.value.usedAt >= Self.yieldAfter else { return false }
        close(unused.key, .idle(now - unused.value.usedAt))
        return true
    }

    package mutating func received(_ id: ConnectionID, _ bytes: ArraySlice<UInt8>, at now: Instant)
    {
        guard connections[id] != nil else { return }
        guard connections[id]?.receive(bytes, at: now) ?? false else {
            return close(id, .ahead(limit: ServerConnection.aheadMax))
        }
        advance(id, at: now)
    }

    package mutating func disconnected(_ id: ConnectionID) { forget(id) }

    /// All bytes that were sent to the client have been taken.
    package mutating func drained(_ id: ConnectionID) { connections[id]?.unsent = 0 }

    private mutating func advance(_ id: ConnectionID, at now: Instant) {
        do {
            while let frame = try connections[id]?.next(at: now) { take(frame, from: id, at: now) }
        } catch {
            switch error {
            case .length(let length, _): close(id, .length(length))
            }
        }
    }

    private mutating func take(_ frame: MBAPFrame, from id: ConnectionID, at now: Instant) {
        guard let connection = connections[id], let function = frame.pdu.first else { return }
        connections[id]?.usedAt = now
        guard connection.waiting.count < settings.waitingMax else {
            overflows += 1
            let pdu = [
                function | FunctionCode.exceptionBit, ExceptionCode.serverDeviceBusy.rawValue,
            ]
            return send(id, connection.frame(frame.transaction, frame.unit, pdu))
        }
        lastNumber += 1
        connections[id]?.wait(lastNumber, frame)
        owners[lastNumber] = id
        outputs.append(
            .query(Query(number: lastNumber, client: id, unit: frame.unit, pdu: frame.pdu)))
    }

    /// Sends the reply to a request; nothing happens if its client has gone.
    package mutating func answer(_ number: UInt64, _ pdu: [UInt8], at now: Instant) {
        guard let id = owners.removeValue(forKey: number),
            let unit = connections[id]?.waiting[number]?.unit,
            let bytes = connections[id]?.answer(number, pdu)
        else { return }
        connections[id]?.usedAt = now
        if connections[id]?.isSilent(unit) != true { send(id, bytes) }
        advance(id, at: now)
    }

    private mutating func send(_ id: ConnectionID, _ bytes: [UInt8]) {
        guard let unsent = connections[id]?.unsent else { return }
        connections[id]?.unsent = unsent + bytes.count
        guard unsent + bytes.count <= settings.unsentMax else {
            return close(id, .untaken(limit: settings.unsentMax))
        }
        outputs.append(.send(id, bytes))
    }

    private mutating func close(_ id: ConnectionID, _ ending: Ending) {
        forget(id)
        outputs.append(.close(id, ending))
    }

    private mutating func forget(_ id: ConnectionID) {
        guard let connection = connections.removeValue(forKey: id) else { return }
        for number in connection.waiting.keys { owners[number] = nil }
    }

    // MARK: Time

    package var deadline: Instant? { connections.values.lazy.map(due).min() }

    private func due(_ connection: ServerConnection) -> Instant {
        var due = Instant.distantFuture
        if connection.isIdle { due = connection.usedAt + settings.idleTimeout }
        if let begun = connection.begunAt { due = min(due, begun + settings.frameTimeout) }
        return min(due, connection.silenceEnds ?? due)
    }

    package mutating func timeout(at now: Instant) {
        for id in connections.keys.sorted() {
            guard let connection = connections[id], due(connection) <= now else { continue }
            if let ends = connection.silenceEnds, ends <= now {
                if let frame = connections[id]?.silence() { take(frame, from: id, at: now) }
            } else if connection.begunAt.map({ $0 + settings.frameTimeout <= now }) ?? false {
                close(id, .incomplete)
            } else {
                close(id, .idle(settings.idleTimeout))
            }
        }
    }

    package mutating func next() -> Output? { outputs.next() }

    /// Statements that must hold between two calls and do not, in words.
    package func invariants() -> [String] {
        var broken: [String] = []
        let waiting = connections.values.reduce(0) { $0 + $1.waiting.count }
        if waiting != owners.count { broken.append("\(waiting) waiting, \(owners.count) owned") }
        if connections.count > settings.clients { broken.append("\(connections.count) clients") }
        if connections.values.contains(where: { $0.waiting.count > settings.waitingMax }) {
            broken.append("more waiting requests than allowed")
        }
        return broken
    }
}
