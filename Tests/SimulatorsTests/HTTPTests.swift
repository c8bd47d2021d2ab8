import Base
import HTTP
import Simulators
import Testing

/// Named area, direction, fault: what broken and hostile HTTP clients send, and that each gets its
/// answer, loses its connection, and costs nobody else anything.
@Suite struct HTTPTests {
    private let status = "GET /emulator/status HTTP/1.1\r\nHost: localhost\r\n\r\n"

    private func statuses(_ bytes: [UInt8]) -> [Int] {
        String(decoding: bytes, as: UTF8.self).components(of: "HTTP/1.1 ").compactMap {
            Int($0.prefix(3))
        }
    }

    @Test func requestInboundEverySplit() {
        let text = AdminBench.request("POST", "/emulator/orders", "close\n") + status
        for cut in 0...text.utf8.count {
            var bench = AdminBench()
            let id = bench.open()
            bench.send(id, String(decoding: Array(text.utf8)[..<cut], as: UTF8.self))
            bench.send(id, String(decoding: Array(text.utf8)[cut...], as: UTF8.self))
            #expect(statuses(bench.received[id] ?? []) == [200, 200], "cut at \(cut)")
        }
    }

    @Test func requestInboundPipelined() {
        var bench = AdminBench()
        let id = bench.open()
        bench.send(id, String(repeating: status, count: 50))
        #expect(statuses(bench.received[id] ?? []) == [Int](repeating: 200, count: 50))
        #expect(!bench.closed.contains(id))
        bench.send(
            id,
            "GET /emulator/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" + status
        )
        #expect(statuses(bench.received[id] ?? []).count == 51)
        #expect(bench.closed.contains(id))
    }

    @Test func requestInboundChunkedBody() {
        var bench = AdminBench()
        let id = bench.open()
        let head =
            "POST /emulator/orders HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        bench.send(
            id, head + "2;ext=1\r\n# \r\nA\r\na comment\n\r\n0\r\nTrailer: x\r\n\r\n" + status)
        #expect(statuses(bench.received[id] ?? []) == [200, 200])
    }

    @Test(arguments: [
        ("GET /x\r\n\r\n", 400), ("GET  /x HTTP/1.1\r\n\r\n", 400),
        ("get /x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET /x HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("GET /x HTTP/1.1\r\n\r\n", 400), ("GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET /x HTTP/1.1\nHost: a\n\n", 400), ("GET /x HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\nHost: a\r\nx: \u{1}\r\n\r\n", 400),
        ("GET /x?a=%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /x?a=%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        ("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", 413),
        (
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            400
        ),
        ("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        ("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 400),
        (
            "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n",
            400
        ),
        ("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", 413),
        ("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
        ("\u{16}\u{3}\u{1}\r\n\r\n", 400),
    ]) func requestInboundMalformed(_ text: String, _ code: Int) {
        var bench = AdminBench()
        let id = bench.open()
        bench.send(id, text)
        #expect(statuses(bench.received[id] ?? []) == [code])
        #expect(bench.closed.contains(id))
        bench.send(id, status)
        #expect(statuses(bench.received[id] ?? []) == [code], "nothing is answered after a fault")
    }

    @Test func requestInboundHugeHeaders() {
        for line in [
            "x: \(String(repeating: "y", count: 1000))\r\n", "a: b\r\n",
            String(repeating: "z", count: 997),
        ] {
            var bench = AdminBench()
            let id = bench.open()
            bench.send(id, "GET /emulator/status HTTP/1.1\r\nHost: localhost\r\n")
            var sent = 0
            while !bench.closed.contains(id), sent < 100_000 {
                bench.send(id, line)
                sent += line.utf8.count
                if line == "a: b\r\n", sent > 6 * 100 { bench.send(id, "\r\n") }
            }
            #expect(statuses(bench.received[id] ?? []) == [431])
        }
    }

    @Test func requestInboundSlowLoris() {
        var bench = AdminBench()
        let slow = bench.open(), silent = bench.open(), patient = bench.open()
        bench.send(patient, status)
        for byte in status.utf8.prefix(20) {
            bench.send(slow, [byte])
            bench.wait(.seconds(1))
        }
        #expect(statuses(bench.received[slow] ?? []) == [408])
        #expect(bench.closed.contains(slow) && bench.closed.contains(silent))
        #expect(!bench.closed.contains(patient))
        bench.wait(.seconds(75))
        #expect(bench.closed.contains(patient), "an idle connection ends")
    }

    @Test func requestInboundExpectContinue() {
        var bench = AdminBench()
        let id = bench.open()
        bench.send(
            id,
            "POST /emulator/orders HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n"
        )
        #expect(statuses(bench.received[id] ?? []) == [100])
        bench.send(id, "close\n")
        #expect(statuses(bench.received[id] ?? []) == [100, 200])
    }

    @Test func requestInboundHeadAndOldVersion() {
        var bench = AdminBench()
        let head = bench.open()
        bench.send(head, "HEAD \(AdminBench.plant) HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(bench.received[head]?.suffix(4) == [13, 10, 13, 10])
        let old = bench.open()
        bench.send(old, "GET /emulator/status HTTP/1.0\r\n\r\n")
        #expect(statuses(bench.received[old] ?? []) == [200])
        #expect(bench.closed.contains(old))
    }

    @Test func connectionInboundTooMany() {
        var bench = AdminBench()
        var ids: [ConnectionID] = []
        for _ in 0..<(HTTPServer.connectionsMax + 3) { ids.append(bench.open()) }
        #expect(ids.filter { bench.closed.contains($0) }.count == 3)
        #expect(statuses(bench.received[ids.last!] ?? []) == [503])
        bench.send(ids[0], status)
        #expect(statuses(bench.received[ids[0]] ?? []) == [200])
    }

    @Test(arguments: 0..<20 as Range<UInt64>) func requestInboundRandomBytesNeverCrashOrHang(
        _ seed: UInt64
    ) {
        var random = RandomSource(seed: seed)
        var bench = AdminBench()
        let parts = [
            status, AdminBench.request("POST", "\(AdminBench.plant)/devices", "{\"id\":\"new-1\"}"),
            "\r\n", "%", "0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n", "Content-Length: 5\r\n", "POST ",
            "/v1/projects//locations/", "{\"a\":[[[[",
        ]
        for _ in 0..<40 {
            let id = bench.open()
            for _ in 0..<8 {
                var bytes = Array(parts[Int(random.next() % UInt64(parts.count))].utf8)
                if random.chance(0.4) {
                    bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(
                        truncatingIfNeeded: random.next())
                }
                bench.send(id, bytes)
            }
            if random.chance(0.2) { bench.wait(.seconds(5)) }
            if random.chance(0.3) { bench.server.disconnected(id) }
        }
        bench.wait(.seconds(200))
        #expect(bench.ask("GET", "/emulator/status").status == 200)
    }
}

extension String {
    fileprivate func components(of separator: String) -> [Substring] {
        var parts: [Substring] = []
        var rest = self[...]
        while let found = rest.firstRange(of: separator) {
            rest = rest[found.upperBound...]
            parts.append(rest)
        }
        return parts
    }
}
