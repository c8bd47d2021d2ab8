import Base

/// The claims of the JWT that the bridge takes as a password (RFC 7519; RFC 7515 compact form).
///
/// | claim | value |
/// |---|---|
/// | `aud` | the project id, one string |
/// | `iat` | now − min(10 s, L/4): a bridge whose clock is a little behind still accepts it |
/// | `exp` | `iat` + L |
///
/// L is at most 24 h. Times are whole seconds since 1970.
package struct TokenClaims: Hashable, Sendable {
    package static let lifetimeMax: Duration = .seconds(24 * 3600)

    package var audience: String
    package var issuedAt: Int64
    package var expires: Int64

    package init(audience: String, issuedAt: Int64, expires: Int64) {
        self.audience = audience
        self.issuedAt = issuedAt
        self.expires = expires
    }

    package init(audience: String, lifetime: Duration, at now: WallTime) {
        let seconds = Self.wholeSeconds(lifetime)
        self.audience = audience
        issuedAt = now.seconds - min(10, seconds / 4)
        expires = issuedAt + seconds
    }

    /// How long before `exp` the planned reconnect happens: max(2 s, min(60 s, L/5)).
    package static func margin(lifetime: Duration) -> Duration {
        max(.seconds(2), min(.seconds(60), .seconds(wholeSeconds(lifetime)) / 5))
    }

    /// `base64url(header).base64url(claims)`: what is signed. Compact, keys in this order.
    package func signingInput(_ algorithm: SigningAlgorithm) -> [UInt8] {
        var header = JSONWriter()
        header.object {
            $0.member("alg", algorithm.rawValue)
            $0.member("typ", "JWT")
        }
        var claims = JSONWriter()
        claims.object {
            $0.member("aud", audience)
            $0.member("iat", issuedAt)
            $0.member("exp", expires)
        }
        return Array((Base64.encodeURL(header.bytes) + "." + Base64.encodeURL(claims.bytes)).utf8)
    }

    /// The whole token: `signature` is raw, for ES256 the 64 bytes r‖s (RFC 7518 section 3.4).
    package static func token(input: [UInt8], signature: [UInt8]) -> [UInt8] {
        input + [0x2E] + Array(Base64.encodeURL(signature).utf8)
    }

    private static func wholeSeconds(_ lifetime: Duration) -> Int64 {
        max(1, min(lifetime, lifetimeMax).nanoseconds / 1_000_000_000)
    }
}

/// Why no signature came back: one sentence for a person.
package struct SigningFailure: Error, Hashable, Sendable {
    package var message: String

    package init(_ message: String) { self.message = message }
}
