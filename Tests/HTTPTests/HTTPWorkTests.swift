import HTTP
import Testing

/// A request costs a fixed number of steps for each of its bytes, however small the pieces.
@Suite struct HTTPWorkTests {
    private static func work(_ text: String, by size: Int) throws -> Int {
        var decoder = HTTPRequestDecoder()
        let bytes = Array(text.utf8)
        var found = 0
        for start in stride(from: 0, to: bytes.count, by: size) {
            decoder.receive(bytes[start..<min(start + size, bytes.count)])
            while try decoder.next() != nil { found += 1 }
        }
        #expect(found == 1)
        return decoder.work
    }

    @Test(arguments: [1, 100, 16_384]) func decodingIsLinear(_ size: Int) throws {
        let kinds: [(Int) -> String] = [
            {
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \($0)\r\n\r\n"
                    + String(repeating: "a", count: $0)
            },
            { "GET / HTTP/1.1\r\nHost: x\r\nX: " + String(repeating: "a", count: $0) + "\r\n\r\n" },
            { "GET /?" + String(repeating: "a&", count: $0 / 2) + " HTTP/1.1\r\nHost: x\r\n\r\n" },
            { count in
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + String(repeating: "1\r\na\r\n", count: count / 6) + "0\r\n\r\n"
            },
        ]
        for make in kinds {
            let (once, twice) = (make(20_000), make(40_000))
            let work = try Self.work(once, by: size)
            #expect(work <= 8 * once.utf8.count, "\(work) steps for \(once.utf8.count) bytes")
            #expect(Double(try Self.work(twice, by: size)) <= 2.2 * Double(work))
        }
    }
}
