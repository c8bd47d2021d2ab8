import Base

/// The server's side of many HTTP/1.1 connections. Requests come out one at a time per connection;
/// each waits for its `respond`, or for `begin`, `write` and `finish` where the body comes in
/// pieces. A client that is slow, silent or one too many is sent away.
package struct HTTPServer: Sendable {
    package enum Output: Hashable, Sendable {
        /// To be answered with `respond` or `begin`.
        case request(ConnectionID, HTTPRequest)
        case send(ConnectionID, [UInt8])
        case close(ConnectionID)
    }

    /// Bounds of one server.
    package struct Settings: Hashable, Sendable {
        package var limits = HTTPRequestDecoder.Limits()
        package var connections = HTTPServer.connectionsMax
        /// Time from a request's first byte to its last.
        package var requestTimeout = Duration.seconds(15)
        /// Time between two requests of a connection.
        package var idleTimeout = Duration.seconds(75)
        /// Bytes that a client may send ahead while it waits for an answer.
        package var aheadMax = 256 << 10
        /// Longest time that bytes may wait to be taken by the client; nil if nobody calls
        /// `drained`.
        package var stallTimeout: Duration?

        package init() {}
    }

    package static let connectionsMax = 128

    /// The answer that a connection's request waits for.
    private struct Pending: Sendable {
        var isKeptAlive: Bool
        var isHead: Bool
        var isOld: Bool
        /// The head is out; pieces of the body follow.
        var isStreaming = false
    }

    private struct Connection: Sendable {
        var decoder: HTTPRequestDecoder
        var pending: Pending?
        var due: Instant
        var isBegun = false
        /// Since when bytes wait to be taken; nil if none do.
        var unsentSince: Instant?
    }

    private let settings: Settings
    private var connections: [ConnectionID: Connection] = [:]
    private var outputs: [Output] = []

    package init(_ settings: Settings = Settings()) { self.settings = settings }

    package var count: Int { connections.count }

    package mutating func connected(_ id: ConnectionID, at now: Instant) {
        guard connections.count < settings.connections else {
            let words = HTTPResponse(503, text: "too many connections\n")
            outputs.append(.send(id, words.bytes(isKeptAlive: false, isHead: false)))
            outputs.append(.close(id))
            return
        }
        connections[id] = Connection(
            decoder: HTTPRequestDecoder(settings.limits), due: now + settings.requestTimeout)
    }

    package mutating func received(_ id: ConnectionID, _ bytes: ArraySlice<UInt8>, at now: Instant)
    {
        guard connections[id] != nil else { return }
        connections[id]?.decoder.receive(bytes)
        advance(id, at: now)
        guard let connection = connections[id], connection.pending != nil,
            connection.decoder.buffered > settings.aheadMax
        else { return }
        close(id)
    }

    package mutating func disconnected(_ id: ConnectionID) { connections[id] = nil }

    /// All bytes that were sent to the client have been taken.
    package mutating func drained(_ id: ConnectionID) { connections[id]?.unsentSince = nil }

    // MARK: Answers

    /// The answer to the connection's request; nothing happens if it has gone.
    package mutating func respond(_ id: ConnectionID, _ response: HTTPResponse, at now: Instant) {
        guard let pending = connections[id]?.pending, !pending.isStreaming else { return }
        send(id, response.bytes(isKeptAlive: pending.isKeptAlive, isHead: pending.isHead), at: now)
        end(id, isKeptAlive: pending.isKeptAlive, at: now)
    }

    /// The head of an answer whose body comes by `write`; the response's own body is not sent.
    /// - Returns: false if no body is wanted: the connection has gone, or the request was HEAD.
    package mutating func begin(
        _ id: ConnectionID, _ response: HTTPResponse, at now: Instant
    ) -> Bool {
        guard var pending = connections[id]?.pending, !pending.isStreaming else { return false }
        if pending.isOld { pending.isKeptAlive = false }
        send(
            id,
            response.head(pending.isOld ? .untilClose : .chunked, isKeptAlive: pending.isKeptAlive),
            at: now)
        pending.isStreaming = true
        connections[id]?.pending = pending
        guard pending.isHead else { return true }
        end(id, isKeptAlive: pending.isKeptAlive, at: now)
        return false
    }

    /// The next piece of a body that was begun.
    package mutating func write(_ id: ConnectionID, _ bytes: [UInt8], at now: Instant) {
        guard !bytes.isEmpty, let pending = connections[id]?.pending, pending.isStreaming else {
            return
        }
        guard !pending.isOld else { return send(id, bytes, at: now) }
        send(
            id, Array((String(bytes.count, radix: 16) + "\r\n").utf8) + bytes + [0x0D, 0x0A],
            at: now)
    }

    /// The body that was begun is whole.
    package mutating func finish(_ id: ConnectionID, at now: Instant) {
        guard let pending = connections[id]?.pending, pending.isStreaming else { return }
        if !pending.isOld { send(id, Array("0\r\n\r\n".utf8), at: now) }
        end(id, isKeptAlive: pending.isKeptAlive, at: now)
    }

    /// Ends a connection in the middle of what it gets: the client sees that the answer is not
    /// whole.
    package mutating func abort(_ id: ConnectionID) { close(id) }

    private mutating func send(_ id: ConnectionID, _ bytes: [UInt8], at now: Instant) {
        if connections[id]?.unsentSince == nil { connections[id]?.unsentSince = now }
        outputs.append(.send(id, bytes))
    }

    private mutating func end(_ id: ConnectionID, isKeptAlive: Bool, at now: Instant) {
        connections[id]?.pending = nil
        guard isKeptAlive else { return close(id) }
        connections[id]?.due = now + settings.idleTimeout
        connections[id]?.isBegun = false
        advance(id, at: now)
    }

    private mutating func advance(_ id: ConnectionID, at now: Instant) {
        guard connections[id]?.pending == nil else { return }
        do {
            if let request = try connections[id]?.decoder.next() {
                connections[id]?.pending = Pending(
                    isKeptAlive: request.isKeptAlive, isHead: request.method == "HEAD",
                    isOld: request.isOld)
                outputs.append(.request(id, request))
            } else if let connection = connections[id], connection.decoder.isPartial {
                if !connection.isBegun {
                    connections[id]?.isBegun = true
                    connections[id]?.due = now + settings.requestTimeout
                }
                guard connection.decoder.wantsContinue else { return }
                connections[id]?.decoder.continued()
                outputs.append(.send(id, Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)))
            }
        } catch {
            fail(id, error.status, error.message)
        }
    }

    private mutating func fail(_ id: ConnectionID, _ status: Int, _ message: String) {
        let response = HTTPResponse(status, text: message + "\n")
        outputs.append(.send(id, response.bytes(isKeptAlive: false, isHead: false)))
        close(id)
    }

    private mutating func close(_ id: ConnectionID) {
        guard connections.removeValue(forKey: id) != nil else { return }
        outputs.append(.close(id))
    }

    // MARK: Time

    package var deadline: Instant? { connections.values.lazy.compactMap(due).min() }

    private func due(_ connection: Connection) -> Instant? {
        let request = connection.pending == nil ? connection.due : nil
        let stall = settings.stallTimeout.flatMap { limit in
            connection.unsentSince.map { $0 + limit }
        }
        guard let request else { return stall }
        return min(request, stall ?? request)
    }

    package mutating func timeout(at now: Instant) {
        for id in connections.keys.sorted() {
            guard let connection = connections[id], let due = due(connection), due <= now else {
                continue
            }
            if connection.pending == nil, connection.due <= now, connection.isBegun {
                fail(
                    id, 408,
                    "the request took longer than \(settings.requestTimeout.milliseconds / 1000) s")
            } else {
                close(id)
            }
        }
    }

    package mutating func next() -> Output? {
        outputs.isEmpty ? nil : outputs.removeFirst()
    }
}
