import Base
import HTTP

/// Decides which requests are let in: by the host that they name, the page that they come from and
/// the token.
///
/// | check | refuses |
/// |---|---|
/// | `Host` | 403: a name that somebody else may have pointed at this address (DNS rebinding) |
/// | `Origin` of everything but GET and HEAD | 403: a page of another site |
/// | token, as `Authorization: Bearer` or as the cookie | 401: none; 401 after a pause: a wrong one |
struct DoorGuard: Sendable {
    enum Verdict: Sendable {
        case admitted
        case refused(HTTPResponse)
        /// To be answered at that time, so that guessing is slow.
        case delayed(HTTPResponse, until: Instant)
    }

    static let cookieName: ByteString = "fieldgw"
    /// Paths that are answered without a token: those of a supervisor with a status code only, the
    /// page with a question for the token.
    static let openPaths: Set<ByteString> = ["/livez", "/readyz", "/", "/login"]

    private static let firstPause = Duration.seconds(1)
    private static let longestPause = Duration.seconds(8)
    /// Failures are forgotten when there was none for so long.
    private static let memory = Duration.seconds(60)

    private let names: Set<ByteString>
    private let token: [UInt8]?
    private let cookie: [UInt8]
    private var failures = 0
    private var forgetDue = Instant.zero

    init(_ settings: Configuration.Door) {
        names = Set(
            settings.names + [ByteString(settings.address), "localhost", "127.0.0.1", "::1"])
        token = settings.token.map { Array($0.utf8) }
        let text = Array("fieldgw door\n".utf8) + (token ?? [])
        cookie = Array(Hex.encode(SHA256.digest(text), separator: "").utf8)
    }

    var needsToken: Bool { token != nil }

    /// The header that lets a browser in from now on.
    func cookieHeader(isTLS: Bool) -> HTTPResponse.Header {
        let secure = isTLS ? "; Secure" : ""
        let value = String(decoding: cookie, as: UTF8.self)
        return HTTPResponse.Header(
            "Set-Cookie",
            "\(Self.cookieName)=\(value); Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000\(secure)"
        )
    }

    /// Whether the client has shown the token.
    func isKnown(_ request: HTTPRequest) -> Bool {
        guard let token else { return true }
        if let given = Self.bearer(request), Self.isSame(given, token) { return true }
        return Self.cookie(of: request).map { Self.isSame($0, cookie) } ?? false
    }

    mutating func judge(_ request: HTTPRequest, from peer: DoorPeer, at now: Instant) -> Verdict {
        if let refusal = originRefusal(request, peer) { return .refused(refusal) }
        guard !Self.openPaths.contains(request.path), !isKnown(request) else { return .admitted }
        let hasTried = Self.bearer(request) != nil
        let words =
            hasTried ? "the token is wrong" : "a token is needed: Authorization: Bearer TOKEN"
        var response = HTTPResponse(401, json: Control.error(words, "denied"))
        response.headers.append(HTTPResponse.Header("WWW-Authenticate", "Bearer realm=\"fieldgw\""))
        return hasTried ? .delayed(response, until: now + fail(at: now)) : .refused(response)
    }

    /// Whether that is the token; what is wrong counts as a failure.
    func accepts(_ given: ByteString) -> Bool {
        token.map { Self.isSame(Array(given.utf8), $0) } ?? true
    }

    /// Counts a failure.
    /// - Returns: how long its answer waits.
    mutating func fail(at now: Instant) -> Duration {
        if now >= forgetDue { failures = 0 }
        forgetDue = now + Self.memory
        failures += 1
        return min(Self.longestPause, Self.firstPause * (1 << min(failures - 1, 3)))
    }

    /// Failures since there was a pause between them.
    var recentFailures: Int { failures }

    /// Compares in a time that depends on the length of the secret only.
    static func isSame(_ given: [UInt8], _ secret: [UInt8]) -> Bool {
        var difference: UInt8 = given.count == secret.count ? 0 : 1
        for index in secret.indices {
            difference |= secret[index] ^ (index < given.count ? given[index] : 0)
        }
        return difference == 0
    }

    private func originRefusal(_ request: HTTPRequest, _ peer: DoorPeer) -> HTTPResponse? {
        func refuse(_ words: String) -> HTTPResponse {
            HTTPResponse(403, json: Control.error(words, "denied"))
        }
        guard let host = request.header("host")?.lowercasedASCII else {
            return refuse("a Host header is needed")
        }
        let name = Self.name(of: host)
        guard names.contains(name) || name == peer.local else {
            return refuse("this host name is not one of the door's: put it into `http.names`")
        }
        guard request.method != "GET", request.method != "HEAD",
            let origin = request.header("origin")
        else { return nil }
        let scheme: ByteString = peer.isTLS ? "https://" : "http://"
        guard origin.lowercasedASCII.dropping(prefix: scheme) == host else {
            return refuse("the request comes from a page of another site")
        }
        return nil
    }

    /// Without the port and the brackets of an IPv6 address.
    private static func name(of host: ByteString) -> ByteString {
        guard let rest = host.dropping(prefix: "[") else { return host.split(0x3A, limit: 2)[0] }
        return rest.split(0x5D, limit: 2)[0]
    }

    private static func bearer(_ request: HTTPRequest) -> [UInt8]? {
        guard let header = request.header("authorization") else { return nil }
        let parts = header.split(0x20, limit: 2)
        guard parts.count == 2, parts[0].lowercasedASCII == "bearer" else {
            return Array(header.utf8)
        }
        return Array(parts[1].utf8)
    }

    private static func cookie(of request: HTTPRequest) -> [UInt8]? {
        for pair in request.header("cookie")?.split(0x3B) ?? [] {
            let sides = pair.split(0x3D, limit: 2)
            guard sides.count == 2,
                ByteString(decoding: sides[0].utf8.filter { $0 != 0x20 }) == cookieName
            else { continue }
            return Array(sides[1].utf8)
        }
        return nil
    }
}
