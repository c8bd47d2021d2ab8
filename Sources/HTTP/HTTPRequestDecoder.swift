import Base

/// Cuts a byte stream into HTTP/1.1 requests (RFC 9112). It is strict where leniency is known to be
/// abused: line ends are CRLF, a length is said once and in one way, header names are tokens.
package struct HTTPRequestDecoder: Sendable {
    package struct Fault: Error, Hashable, Sendable {
        package var status: Int
        package var message: String

        init(_ status: Int, _ message: String) {
            self.status = status
            self.message = message
        }
    }

    /// The most that one request may hold.
    package struct Limits: Hashable, Sendable {
        /// Bytes of the request line and the header lines together.
        package var head = 64 << 10
        package var headers = 100
        /// Bytes of the body.
        package var body = 1 << 20

        package init() {}
    }

    /// A chunk's length with its extensions, a trailer line.
    private static let lineMax = 4096
    private static let trailersMax = 16

    private enum Stage: Sendable {
        case head
        /// Number of bytes of the body that are missing.
        case body(Int)
        case chunkSize
        case chunk(Int)
        case chunkEnd
        case trailers(Int)
    }

    private let limits: Limits
    private var buffer: [UInt8] = []
    private var start = 0
    private var scanned = 0
    private var stage = Stage.head
    private var request = HTTPRequest(method: "", path: "")
    private var fault: Fault?
    /// Bytes taken in, moved and looked at since the beginning.
    package private(set) var work = 0
    /// The client waits for "100 Continue" before it sends the body.
    package private(set) var wantsContinue = false

    package init(_ limits: Limits = Limits()) { self.limits = limits }

    /// Bytes of a request that is not complete.
    package var isPartial: Bool {
        if case .head = stage { start < buffer.count } else { true }
    }

    package var buffered: Int { buffer.count - start }

    package mutating func receive(_ bytes: ArraySlice<UInt8>) {
        guard fault == nil else { return }
        if start > 0 {
            work += buffered
            buffer.removeFirst(start)
            scanned -= start
            start = 0
        }
        buffer.append(contentsOf: bytes)
        work += bytes.count
    }

    package mutating func continued() { wantsContinue = false }

    /// The next whole request; nil means that more bytes are needed.
    package mutating func next() throws(Fault) -> HTTPRequest? {
        if let fault { throw fault }
        do {
            return try decode()
        } catch {
            fault = error
            buffer = []
            start = 0
            throw error
        }
    }

    private mutating func decode() throws(Fault) -> HTTPRequest? {
        while true {
            switch stage {
            case .head:
                while start + 1 < buffer.count, buffer[start] == 0x0D, buffer[start + 1] == 0x0A {
                    start += 2
                }
                guard let head = try takeHead() else { return nil }
                stage = try Self.read(head, limits, into: &request)
                if case .body(0) = stage { return finish() }
                wantsContinue =
                    request.header("expect")?.lowercasedASCII == "100-continue"
                    && start == buffer.count
            case .body(let missing):
                guard take(missing) else { return nil }
                return finish()
            case .chunkSize:
                guard let line = try takeLine() else { return nil }
                let digits = line.prefix { $0 != 0x3B && $0 != 0x20 && $0 != 0x09 }
                guard (1...8).contains(digits.count),
                    let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size >= 0,
                    digits.first != 0x2B
                else { throw Fault(400, "a chunk's length is no hexadecimal number") }
                guard request.body.count + size <= limits.body else { throw Self.tooLarge(limits) }
                stage = size == 0 ? .trailers(0) : .chunk(size)
            case .chunk(let size):
                guard take(size) else { return nil }
                stage = .chunkEnd
            case .chunkEnd:
                guard buffered >= 2 else { return nil }
                guard buffer[start] == 0x0D, buffer[start + 1] == 0x0A else {
                    throw Fault(400, "a chunk is longer than its length")
                }
                start += 2
                stage = .chunkSize
            case .trailers(let count):
                guard let line = try takeLine() else { return nil }
                if line.isEmpty { return finish() }
                guard count < Self.trailersMax else {
                    throw Fault(431, "more than \(Self.trailersMax) trailers")
                }
                stage = .trailers(count + 1)
            }
        }
    }

    private static func tooLarge(_ limits: Limits) -> Fault {
        Fault(413, "a body of more than \(limits.body) bytes")
    }

    private mutating func finish() -> HTTPRequest {
        defer {
            request = HTTPRequest(method: "", path: "")
            stage = .head
            scanned = start
            wantsContinue = false
        }
        return request
    }

    /// Moves so many bytes to the body, if they are there.
    private mutating func take(_ count: Int) -> Bool {
        guard buffered >= count else { return false }
        request.body.append(contentsOf: buffer[start..<(start + count)])
        work += count
        start += count
        return true
    }

    private mutating func takeLine() throws(Fault) -> ArraySlice<UInt8>? {
        let window = buffer[start..<min(buffer.count, start + Self.lineMax)]
        work += 1
        guard let end = window.firstIndex(of: 0x0A) else {
            work += window.count
            guard window.count < Self.lineMax else {
                throw Fault(400, "a chunk line of more than \(Self.lineMax) bytes")
            }
            return nil
        }
        guard end > start, buffer[end - 1] == 0x0D else {
            throw Fault(400, "a line does not end in CRLF")
        }
        defer { start = end + 1 }
        return buffer[start..<(end - 1)]
    }

    /// Everything up to the empty line, without it.
    private mutating func takeHead() throws(Fault) -> ArraySlice<UInt8>? {
        var index = max(scanned, start)
        while index < buffer.count {
            guard index - start < limits.head else {
                throw Fault(431, "headers of more than \(limits.head) bytes")
            }
            if buffer[index] == 0x0A {
                guard index > start, buffer[index - 1] == 0x0D else {
                    throw Fault(400, "a line does not end in CRLF")
                }
                if index - start >= 3, buffer[index - 2] == 0x0A {
                    defer { start = index + 1 }
                    return buffer[start..<(index - 3)]
                }
            }
            index += 1
            work += 1
        }
        scanned = index
        return nil
    }

    // MARK: The head

    private static func read(
        _ head: ArraySlice<UInt8>, _ limits: Limits, into request: inout HTTPRequest
    ) throws(Fault) -> Stage {
        var lines = head.split(separator: 0x0A, omittingEmptySubsequences: false).map { line in
            line.last == 0x0D ? line.dropLast() : line
        }[...]
        guard lines.count <= limits.headers + 1 else {
            throw Fault(431, "more than \(limits.headers) headers")
        }
        let isOld = try readRequestLine(lines.popFirst() ?? [], into: &request)
        for line in lines { request.headers.append(try header(line)) }
        request.isOld = isOld
        let wish = request.header("connection")?.lowercasedASCII ?? ""
        request.isKeptAlive = isOld ? wish.contains("keep-alive") : !wish.contains("close")
        let hosts = request.headers.filter { $0.name == "host" }
        guard hosts.count <= 1, isOld || hosts.count == 1 else {
            throw Fault(400, "exactly one Host is needed")
        }
        return try framing(request, isOld, limits)
    }

    /// True for HTTP/1.0.
    private static func readRequestLine(
        _ line: ArraySlice<UInt8>, into request: inout HTTPRequest
    ) throws(Fault) -> Bool {
        let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 3, (1...16).contains(parts[0].count),
            parts[0].allSatisfy({ (0x41...0x5A).contains($0) })
        else { throw Fault(400, "the request line is not METHOD /path HTTP/1.1") }
        let version = ByteString(decoding: parts[2])
        guard version == "HTTP/1.1" || version == "HTTP/1.0" else {
            throw version.hasPrefix("HTTP/")
                ? Fault(505, "only HTTP/1.1 is spoken here")
                : Fault(400, "the request line has no HTTP version")
        }
        guard parts[1].first == 0x2F, parts[1].allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Fault(400, "the target must be a path in printable ASCII")
        }
        request.method = ByteString(decoding: parts[0])
        let target = ByteString(decoding: parts[1].prefix { $0 != 0x23 })
        let sides = target.split(0x3F, limit: 2)
        request.path = sides[0]
        guard let query = PercentCoding.query(sides.count > 1 ? sides[1] : "") else {
            throw Fault(400, "the query is not percent-encoded UTF-8")
        }
        request.query = query
        return version == "HTTP/1.0"
    }

    private static func header(_ line: ArraySlice<UInt8>) throws(Fault) -> HTTPRequest.Pair {
        guard let colon = line.firstIndex(of: 0x3A), colon > line.startIndex else {
            throw Fault(400, "a header without a name")
        }
        let name = line[..<colon]
        guard name.allSatisfy({ isToken($0) }) else {
            throw Fault(400, "a header's name is no token")
        }
        var value = line[(colon + 1)...]
        while let first = value.first, first == 0x20 || first == 0x09 { value = value.dropFirst() }
        while let last = value.last, last == 0x20 || last == 0x09 { value = value.dropLast() }
        guard value.allSatisfy({ $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) }) else {
            throw Fault(400, "a header's value holds a control character")
        }
        return .init(
            name: ByteString(decoding: name).lowercasedASCII, value: ByteString(decoding: value))
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    /// How the body is delimited (RFC 9112 section 6.3).
    private static func framing(
        _ request: HTTPRequest, _ isOld: Bool, _ limits: Limits
    ) throws(Fault) -> Stage {
        let codings = request.headers.filter { $0.name == "transfer-encoding" }
        let lengths = request.headers.filter { $0.name == "content-length" }
        if let coding = codings.first {
            guard lengths.isEmpty else {
                throw Fault(400, "both Content-Length and Transfer-Encoding")
            }
            guard !isOld, codings.count == 1 else {
                throw Fault(400, "an ambiguous Transfer-Encoding")
            }
            guard coding.value.lowercasedASCII == "chunked" else {
                throw Fault(501, "only the chunked coding is known")
            }
            return .chunkSize
        }
        guard let text = lengths.first?.value else { return .body(0) }
        guard lengths.count == 1, (1...10).contains(text.utf8.count),
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let length = Int(text.string)
        else { throw Fault(400, "Content-Length is not one number") }
        guard length <= limits.body else { throw tooLarge(limits) }
        return .body(length)
    }
}
