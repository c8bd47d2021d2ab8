import Base
import HTTP
import Testing

/// One server and the bytes that its clients get.
private struct Bench {
    var server: HTTPServer
    var now = Instant.zero
    var received: [ConnectionID: [UInt8]] = [:]
    var closed: Set<ConnectionID> = []
    var requests: [(id: ConnectionID, request: HTTPRequest)] = []
    private var last: UInt64 = 0

    init(_ settings: HTTPServer.Settings = HTTPServer.Settings()) { server = HTTPServer(settings) }

    mutating func open() -> ConnectionID {
        last += 1
        let id = ConnectionID(last)
        server.connected(id, at: now)
        drain()
        return id
    }

    mutating func send(_ id: ConnectionID, _ text: String) {
        server.received(id, Array(text.utf8)[...], at: now)
        drain()
    }

    mutating func wait(_ time: Duration) {
        now = now + time
        server.timeout(at: now)
        drain()
    }

    mutating func drain() {
        while let output = server.next() {
            switch output {
            case .send(let id, let bytes): received[id, default: []] += bytes
            case .close(let id): closed.insert(id)
            case .request(let id, let request): requests.append((id, request))
            }
        }
    }

    func text(_ id: ConnectionID) -> String { String(decoding: received[id] ?? [], as: UTF8.self) }
}

/// Answers in pieces, and clients that do not take what they asked for.
@Suite struct HTTPServerTests {
    private let get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"

    @Test func aBodyInPiecesIsChunkedAndTheConnectionGoesOn() {
        var bench = Bench()
        let id = bench.open()
        bench.send(id, get + get)
        #expect(bench.requests.count == 1, "the next request waits for the answer before it")
        let isWanted = bench.server.begin(id, HTTPResponse(200, text: ""), at: bench.now)
        bench.server.write(id, Array("hello".utf8), at: bench.now)
        bench.server.write(id, [], at: bench.now)
        bench.server.finish(id, at: bench.now)
        bench.drain()
        #expect(isWanted)
        #expect(bench.text(id).contains("Transfer-Encoding: chunked\r\n"))
        #expect(!bench.text(id).contains("Content-Length"))
        #expect(bench.text(id).hasSuffix("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
        #expect(bench.requests.count == 2 && !bench.closed.contains(id))
    }

    /// An empty chunk would be the end of the body.
    @Test func oldClientsGetTheBodyUntilTheEnd() {
        var bench = Bench()
        let id = bench.open()
        bench.send(id, "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        _ = bench.server.begin(id, HTTPResponse(200, text: ""), at: bench.now)
        bench.server.write(id, Array("hello".utf8), at: bench.now)
        bench.server.finish(id, at: bench.now)
        bench.drain()
        #expect(bench.text(id).hasSuffix("Connection: close\r\n\r\nhello"))
        #expect(bench.closed.contains(id))
    }

    @Test func headGetsNoBody() {
        var bench = Bench()
        let id = bench.open()
        bench.send(id, "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n")
        let isWanted = bench.server.begin(id, HTTPResponse(200, text: ""), at: bench.now)
        bench.server.write(id, Array("hello".utf8), at: bench.now)
        bench.drain()
        #expect(
            !isWanted && bench.text(id).hasSuffix("\r\n\r\n") && !bench.text(id).contains("hello"))
        bench.send(id, get)
        #expect(bench.requests.count == 2)
    }

    @Test func aClientThatTakesNothingIsCut() {
        var settings = HTTPServer.Settings()
        settings.stallTimeout = .seconds(20)
        var bench = Bench(settings)
        let slow = bench.open(), quick = bench.open()
        for id in [slow, quick] {
            bench.send(id, get)
            _ = bench.server.begin(id, HTTPResponse(200, text: ""), at: bench.now)
            bench.server.write(id, [1], at: bench.now)
        }
        bench.wait(.seconds(10))
        bench.server.drained(quick)
        bench.server.write(quick, [2], at: bench.now)
        bench.wait(.seconds(11))
        #expect(bench.closed == [slow])
        bench.wait(.seconds(10))
        #expect(bench.closed == [slow, quick])
    }

    /// A stream lasts for as long as the client takes it.
    @Test func aStreamIsNotIdle() {
        var settings = HTTPServer.Settings()
        settings.stallTimeout = .seconds(20)
        var bench = Bench(settings)
        let id = bench.open()
        bench.send(id, get)
        _ = bench.server.begin(id, HTTPResponse(200, text: ""), at: bench.now)
        for _ in 0..<100 {
            bench.server.drained(id)
            bench.wait(.seconds(15))
            bench.server.write(id, [1], at: bench.now)
        }
        #expect(bench.closed.isEmpty)
    }

    @Test(arguments: [
        ("GET /\(String(repeating: "a", count: 3000)) HTTP/1.1\r\nHost: a\r\n\r\n", 431),
        ("GET / HTTP/1.1\r\n" + String(repeating: "a: b\r\n", count: 12) + "\r\n", 431),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n", 413),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
                + String(repeating: "a", count: 100), 0
        ),
    ]) func limitsAreTheServersOwn(_ text: String, _ code: Int) {
        var settings = HTTPServer.Settings()
        settings.limits.head = 2000
        settings.limits.headers = 10
        settings.limits.body = 100
        var bench = Bench(settings)
        let id = bench.open()
        bench.send(id, text)
        #expect(Int(bench.text(id).dropFirst(9).prefix(3)) ?? 0 == code)
        #expect(bench.requests.count == (code == 0 ? 1 : 0))
    }
}
