/// The way to the bridge as the machines see it: one byte stream at a time, already connected,
/// verified and decrypted by the shell.
package struct LinkTarget: Hashable, Sendable {
    package var host: String
    package var port: Int
    /// The name that is verified and sent as SNI; `host` unless the configuration overrides it.
    package var serverName: String
    package var tls: Bool
    /// Resolve, connect and handshake together.
    package var deadline: Duration

    /// Asked to open the way with CONNECT (RFC 9110 section 9.3.6); nil goes there directly.
    package var proxy: Proxy?

    /// Protocol that the server is told in the TLS handshake (ALPN, RFC 7301); empty: none.
    package var alpn = ""

    package struct Proxy: Hashable, Sendable {
        package var host: String
        package var port: Int
        /// `user:password` in Base64, for `Proxy-Authorization: Basic`.
        package var credentials: String?

        package init(host: String, port: Int, credentials: String? = nil) {
            self.host = host
            self.port = port
            self.credentials = credentials
        }
    }

    package init(
        host: String, port: Int, serverName: String? = nil, tls: Bool = true,
        deadline: Duration = .seconds(20), proxy: Proxy? = nil
    ) {
        self.host = host
        self.port = port
        self.serverName = serverName ?? host
        self.tls = tls
        self.deadline = deadline
        self.proxy = proxy
    }

    package var describe: String { Self.describe(host, port) }

    package static func describe(_ host: String, _ port: Int) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}

/// Why a link could not be made or was lost: one sentence for a person, what to do included.
package struct LinkFailure: Error, Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case resolve, refused, unreachable, deadline
        case untrusted, hostName, certificateTime, protocolVersion, handshake
        case closed, reset, other
    }
    package var kind: Kind
    package var message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
}

/// How the gateway's private key signs (RFC 7518 section 3.1).
package enum SigningAlgorithm: String, Hashable, Sendable { case rs256 = "RS256", es256 = "ES256" }

/// Facts that this machine knows about its own clock.
package struct ClockFacts: Hashable, Sendable {
    /// The kernel says that it is synchronised (NTP), or a time daemon's marker file exists.
    package var synchronised: Bool
    /// The clock was set at boot from a battery-backed RTC.
    package var hasRTC: Bool

    package init(synchronised: Bool, hasRTC: Bool) {
        self.synchronised = synchronised
        self.hasRTC = hasRTC
    }
}
