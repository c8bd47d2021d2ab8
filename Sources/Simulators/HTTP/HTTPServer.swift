import Base

/// The server's side of many HTTP/1.1 connections: requests come out one at a time per connection,
/// each waits for its `respond`, and who is slow, silent or too much is sent away.
package struct HTTPServer: Sendable {
    package enum Output: Hashable, Sendable {
        /// To be answered with `respond`.
        case request(ConnectionID, HTTPRequest)
        case send(ConnectionID, [UInt8])
        case close(ConnectionID)
    }

    package static let connectionsMax = 128
    /// From a request's first byte to its last.
    package static let requestTimeout = Duration.seconds(15)
    /// Between requests.
    package static let idleTimeout = Duration.seconds(75)
    /// What a client may send ahead while it waits for an answer.
    private static let aheadMax = 256 << 10

    private struct Connection: Sendable {
        var decoder = HTTPRequestDecoder()
        /// The request that waits for its answer: kept alive, HEAD.
        var pending: (isKeptAlive: Bool, isHead: Bool)?
        var due: Instant
        var isBegun = false
    }

    private var connections: [ConnectionID: Connection] = [:]
    private var outputs: [Output] = []

    package init() {}

    package mutating func connected(_ id: ConnectionID, at now: Instant) {
        guard connections.count < Self.connectionsMax else {
            let words = HTTPResponse(503, text: "too many connections\n")
            outputs.append(.send(id, words.bytes(isKeptAlive: false, isHead: false)))
            outputs.append(.close(id))
            return
        }
        connections[id] = Connection(due: now + Self.requestTimeout)
    }

    package mutating func received(_ id: ConnectionID, _ bytes: ArraySlice<UInt8>, at now: Instant) {
        guard connections[id] != nil else { return }
        connections[id]?.decoder.receive(bytes)
        advance(id, at: now)
        guard let connection = connections[id], connection.pending != nil,
            connection.decoder.buffered > Self.aheadMax
        else { return }
        close(id)
    }

    package mutating func disconnected(_ id: ConnectionID) { connections[id] = nil }

    /// The answer to the connection's request; nothing happens if it has gone.
    package mutating func respond(_ id: ConnectionID, _ response: HTTPResponse, at now: Instant) {
        guard let pending = connections[id]?.pending else { return }
        connections[id]?.pending = nil
        outputs.append(.send(id, response.bytes(isKeptAlive: pending.isKeptAlive, isHead: pending.isHead)))
        guard pending.isKeptAlive else { return close(id) }
        connections[id]?.due = now + Self.idleTimeout
        connections[id]?.isBegun = false
        advance(id, at: now)
    }

    private mutating func advance(_ id: ConnectionID, at now: Instant) {
        guard connections[id]?.pending == nil else { return }
        do {
            if let request = try connections[id]?.decoder.next() {
                connections[id]?.pending = (request.isKeptAlive, request.method == "HEAD")
                outputs.append(.request(id, request))
            } else if let connection = connections[id], connection.decoder.isPartial {
                if !connection.isBegun {
                    connections[id]?.isBegun = true
                    connections[id]?.due = now + Self.requestTimeout
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

    package var deadline: Instant? {
        connections.values.filter { $0.pending == nil }.map(\.due).min()
    }

    package mutating func timeout(at now: Instant) {
        for id in connections.keys.sorted() {
            guard let connection = connections[id], connection.pending == nil, connection.due <= now else { continue }
            if connection.isBegun {
                fail(id, 408, "the request took longer than \(Self.requestTimeout.milliseconds / 1000) s")
            } else {
                close(id)
            }
        }
    }

    package mutating func next() -> Output? {
        outputs.isEmpty ? nil : outputs.removeFirst()
    }
}
