import Base

/// One request, whole.
package struct HTTPRequest: Hashable, Sendable {
    package var method: ByteString
    /// Percent-encoded, without the query: "/v1/projects/p".
    package var path: ByteString
    /// Decoded, in order; a name may come more than once.
    package var query: [Pair]
    package var headers: [Pair]
    package var body: [UInt8]
    /// The connection goes on after the answer.
    package var isKeptAlive: Bool
    /// HTTP/1.0: the answer may not be chunked.
    package var isOld = false

    package struct Pair: Hashable, Sendable {
        package var name: ByteString
        package var value: ByteString
    }

    package init(
        method: ByteString, path: ByteString, query: [Pair] = [], headers: [Pair] = [],
        body: [UInt8] = [],
        isKeptAlive: Bool = true
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.isKeptAlive = isKeptAlive
    }

    /// The first header of that name, which is given in lower case.
    package func header(_ name: ByteString) -> ByteString? {
        headers.first { $0.name == name }?.value
    }

    package func query(_ name: ByteString) -> ByteString? { query.first { $0.name == name }?.value }

    /// Every value of a repeated parameter.
    package func queries(_ name: ByteString) -> [ByteString] {
        query.filter { $0.name == name }.map(\.value)
    }
}

/// An answer, or the head of one whose body follows in pieces.
package struct HTTPResponse: Hashable, Sendable {
    package var status: Int
    package var body: [UInt8]
    package var contentType: String
    /// Further headers. Neither names nor values come from a client.
    package var headers: [Header] = []

    package struct Header: Hashable, Sendable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package init(_ status: Int, _ body: [UInt8], _ contentType: String, headers: [Header] = []) {
        self.status = status
        self.body = body
        self.contentType = contentType
        self.headers = headers
    }

    package init(_ status: Int, json: [UInt8]) {
        self.init(status, json, "application/json; charset=UTF-8")
    }

    package init(_ status: Int, text: String) {
        self.init(status, Array(text.utf8), "text/plain; charset=UTF-8")
    }

    private var reason: String {
        switch status {
        case 200: "OK"
        case 303: "See Other"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 413: "Content Too Large"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: "Status \(status)"
        }
    }

    /// How the end of the body is told (RFC 9112 section 6).
    enum Framing { case length, chunked, untilClose }

    /// The status line and the headers, with the empty line behind them.
    func head(_ framing: Framing, isKeptAlive: Bool) -> [UInt8] {
        var text = "HTTP/1.1 \(status) \(reason)\r\nContent-Type: \(contentType)\r\n"
        switch framing {
        case .length: text += "Content-Length: \(body.count)\r\n"
        case .chunked: text += "Transfer-Encoding: chunked\r\n"
        case .untilClose: break
        }
        text += "Cache-Control: no-store\r\n"
        for header in headers { text += "\(header.name): \(header.value)\r\n" }
        return Array((text + "Connection: \(isKeptAlive ? "keep-alive" : "close")\r\n\r\n").utf8)
    }

    /// The bytes on the wire; to HEAD the same without the body.
    func bytes(isKeptAlive: Bool, isHead: Bool) -> [UInt8] {
        head(.length, isKeptAlive: isKeptAlive) + (isHead ? [] : body)
    }
}

/// RFC 3986 percent-encoding.
package enum PercentCoding {
    /// Nil on a stray `%` or if the bytes are not UTF-8. In a query `+` is a space.
    package static func decode(_ text: ByteString, isQuery: Bool = false) -> ByteString? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == 0x25 {
                guard rest.count >= 2,
                    let value = Hex.decode(String(decoding: rest.prefix(2), as: UTF8.self)),
                    value.count == 1
                else { return nil }
                bytes.append(value[0])
                rest = rest.dropFirst(2)
            } else {
                bytes.append(isQuery && byte == 0x2B ? 0x20 : byte)
            }
        }
        return String(validating: bytes, as: UTF8.self).map { ByteString($0) }
    }

    /// `a=1&b=2`; nil if a part cannot be decoded.
    package static func query(_ text: ByteString) -> [HTTPRequest.Pair]? {
        var pairs: [HTTPRequest.Pair] = []
        for part in text.split(0x26) where !part.isEmpty {
            let sides = part.split(0x3D, limit: 2)
            guard let name = decode(sides[0], isQuery: true),
                let value = decode(sides.count > 1 ? sides[1] : "", isQuery: true)
            else { return nil }
            pairs.append(.init(name: name, value: value))
        }
        return pairs
    }
}
