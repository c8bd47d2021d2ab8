import Base

/// A JSON Web Token as a device sends it (RFC 7515 compact form): decoded and checked except for
/// its signature, which only the shell can verify.
package struct DeviceToken: Hashable, Sendable {
    package enum Fault: Error, Hashable, Sendable {
        /// Not three parts, not strict base64url, not JSON, a claim missing or of the wrong type.
        case malformed(String)
        /// Well formed, but not for us or not now.
        case refused(String)

        package var reason: String {
            switch self {
            case .malformed(let reason), .refused(let reason): reason
            }
        }
    }

    package static let sizeMax = 16 << 10
    package static let lifetimeMax: Int64 = 24 * 3600

    package var algorithm: SigningAlgorithm
    package var audience: ByteString
    /// Seconds since 1970.
    package var issued: Int64
    package var expires: Int64
    /// Bytes that the signature covers: the first two parts and the point between them.
    package var signingInput: [UInt8]
    package var signature: [UInt8]

    /// Strict base64url has no padding, no other alphabet and no stray bits; lenient takes padding
    /// and the standard alphabet too.
    package init(_ bytes: [UInt8], _ text: BridgeSwitches.TokenText = .strict) throws(Fault) {
        guard bytes.count <= Self.sizeMax else {
            throw .malformed("the token has \(bytes.count) bytes")
        }
        let parts = bytes.split(separator: 0x2E, omittingEmptySubsequences: false)
        guard parts.count == 3 else {
            throw .malformed("the token has \(parts.count) parts instead of 3")
        }
        let header = try Self.object(parts[0], "header", text)
        let claims = try Self.object(parts[1], "claims", text)
        guard let signature = Self.decode(parts[2], text), !signature.isEmpty else {
            throw .malformed("the token's signature is not base64url")
        }
        guard let name = header["alg"]?.string else {
            throw .malformed("the token's header has no alg")
        }
        guard let algorithm = SigningAlgorithm(word: name) else {
            throw .malformed(
                "the token's algorithm is \(Notice.printable(name)); RS256 and ES256 are accepted")
        }
        if algorithm == .es256, signature.count != 64 {
            throw .malformed(
                "an ES256 signature has 64 bytes, r and s; this one has \(signature.count)")
        }
        guard let audience = claims["aud"]?.string else {
            throw .malformed("aud must be one string")
        }
        guard let issued = claims["iat"]?.integer else {
            throw .malformed("iat must be a whole number")
        }
        guard let expires = claims["exp"]?.integer else {
            throw .malformed("exp must be a whole number")
        }
        self.algorithm = algorithm
        self.audience = audience
        self.issued = issued
        self.expires = expires
        self.signature = signature
        signingInput = Array(bytes[..<(parts[2].startIndex - 1)])
    }

    private static func decode(
        _ part: ArraySlice<UInt8>, _ text: BridgeSwitches.TokenText
    ) -> [UInt8]? {
        if text == .strict { return Base64.decodeURL(String(decoding: part, as: UTF8.self)) }
        let standard = part.map { $0 == 0x2D ? 0x2B : $0 == 0x5F ? 0x2F : $0 }
        return Base64.decode(String(decoding: standard, as: UTF8.self))
    }

    private static func object(
        _ part: ArraySlice<UInt8>, _ what: String, _ text: BridgeSwitches.TokenText
    ) throws(Fault) -> JSON {
        guard let bytes = decode(part, text) else {
            throw .malformed("the token's \(what) is not base64url")
        }
        guard let json = try? JSONReader.parse(bytes), json.members != nil else {
            throw .malformed("the token's \(what) is not a JSON object")
        }
        return json
    }

    /// E4: for this project, at most 24 hours long, valid now give or take `skew`.
    package func check(project: ByteString, now: WallTime, skew: Duration) throws(Fault) {
        guard audience == project else {
            throw .refused(
                "the token is for \"\(Notice.printable(audience))\", not for \"\(project)\"")
        }
        let (lifetime, overflow) = expires.subtractingReportingOverflow(issued)
        guard !overflow, lifetime > 0 else {
            throw .refused("the token expires before it was issued")
        }
        guard lifetime <= Self.lifetimeMax else {
            throw .refused(
                "the token is valid for \(lifetime) s; at most \(Self.lifetimeMax) s are accepted")
        }
        let tolerance = skew.seconds
        guard issued <= now.seconds + tolerance else {
            throw .refused("the token was issued \(issued &- now.seconds) s in the future")
        }
        guard expires > now.seconds - tolerance else {
            throw .refused("the token expired \(now.seconds &- expires) s ago")
        }
    }
}

extension BridgeRegistry.Key {
    /// Algorithm that a public key in PEM can verify, found by the object identifier inside; nil if
    /// it cannot be told (a certificate), so that it is tried for both.
    package var algorithm: SigningAlgorithm? {
        let lines = text.string.split(whereSeparator: \.isNewline)
        guard lines.first?.contains("PUBLIC KEY") == true else { return nil }
        let body = lines.dropFirst().prefix { !$0.hasPrefix("-----") }.joined()
        guard let der = Base64.decode(body) else { return nil }
        let rsa: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]
        let ec: [UInt8] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]
        let head = der.prefix(40)
        func holds(_ identifier: [UInt8]) -> Bool {
            head.indices.contains { head[$0...].starts(with: identifier) }
        }
        if holds(rsa) { return .rs256 }
        return holds(ec) ? .es256 : nil
    }
}
