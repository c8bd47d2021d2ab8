import Base
import COpenSSL
import Glibc

/// Certificates that are made on the spot for the simulators, the demo and the tests: an EC P-256
/// CA and what it signs, all as PEM text. Not for production: nothing is recorded or revoked.
package struct TestCertificates: Sendable {
    package struct Pair: Sendable {
        /// Certificate, PEM.
        package var certificate: String
        /// Its private key, PKCS#8 PEM.
        package var key: String

        package init(certificate: String, key: String) {
            self.certificate = certificate
            self.key = key
        }
    }

    package enum Usage: Sendable { case server, client }

    /// CA that clients are told to trust.
    package let authority: Pair

    /// A new CA, valid from a day ago for ten years.
    package init(authority name: String = "fieldsim test CA") throws(CredentialError) {
        let key = try PrivateKey.generate(.ec)
        let draft = try Draft(
            subject: name, publicKey: key, validFrom: -86_400, validTo: 10 * 365 * 86_400)
        draft.setIssuer(draft.certificate)
        try draft.extend(NID_basic_constraints, "critical,CA:TRUE", issuer: draft.certificate)
        try draft.extend(NID_key_usage, "critical,keyCertSign,cRLSign", issuer: draft.certificate)
        try draft.extend(NID_subject_key_identifier, "hash", issuer: draft.certificate)
        authority = Pair(certificate: try draft.signed(by: key), key: try key.privatePEM())
    }

    /// A certificate for DNS names and IP addresses, which go where they belong; the first is also
    /// the common name.
    /// - Parameter validFrom: from now; a day ago by default, because clocks differ.
    /// - Parameter validTo: from now; in the past for an expired certificate.
    /// - Parameter subject: the common name, if not the first name.
    /// - Parameter asHosts: addresses are written as DNS names, where no client may look for them.
    package func issue(
        names: [String], subject: String? = nil, asHosts: Bool = false, usage: Usage = .server,
        kind: PrivateKey.Kind = .ec,
        validFrom: Duration = .seconds(-86_400), validTo: Duration = .seconds(365 * 86_400)
    ) throws(CredentialError) -> Pair {
        let key = try PrivateKey.generate(kind)
        let draft = try Draft(
            subject: subject ?? names.first ?? "nobody", publicKey: key,
            validFrom: Int(validFrom.seconds),
            validTo: Int(validTo.seconds))
        let signer = try PrivateKey(pem: authority.key)
        let bio = BIOHandle.text(authority.certificate)
        guard let issuer = PEM_read_bio_X509(bio.pointer, nil, nil, nil) else {
            throw Draft.failure()
        }
        defer { X509_free(issuer) }
        draft.setIssuer(issuer)
        try draft.extend(NID_basic_constraints, "critical,CA:FALSE", issuer: issuer)
        try draft.extend(NID_key_usage, "critical,digitalSignature", issuer: issuer)
        try draft.extend(
            NID_ext_key_usage, usage == .server ? "serverAuth" : "clientAuth", issuer: issuer)
        try draft.extend(NID_authority_key_identifier, "keyid:always", issuer: issuer)
        if !names.isEmpty {
            try draft.extend(
                NID_subject_alt_name, Self.alternativeNames(names, asHosts), issuer: issuer)
        }
        return Pair(certificate: try draft.signed(by: signer), key: try key.privatePEM())
    }

    private static func alternativeNames(
        _ names: [String], _ asHosts: Bool
    ) throws(CredentialError) -> String {
        var entries: [String] = []
        for name in names {
            guard !name.utf8.contains(where: { $0 <= 0x20 || $0 == 0x2C || $0 >= 0x7F }),
                !name.isEmpty
            else {
                throw CredentialError(.malformed, "\"\(name)\" cannot stand in a certificate")
            }
            var address = in6_addr()
            let isIP =
                inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1
            entries.append((isIP && !asHosts ? "IP:" : "DNS:") + name)
        }
        return entries.joined(separator: ",")
    }
}

/// An X.509 v3 certificate while it is put together.
private final class Draft {
    let certificate: OpaquePointer

    init(
        subject: String, publicKey: PrivateKey, validFrom: Int, validTo: Int
    ) throws(CredentialError) {
        ERR_clear_error()
        guard let made = X509_new() else { throw Self.failure() }
        certificate = made
        var serial: UInt64 = 0
        _ = withUnsafeMutableBytes(of: &serial) {
            RAND_bytes($0.baseAddress!.assumingMemoryBound(to: UInt8.self), Int32($0.count))
        }
        let name = Array(subject.utf8)
        guard X509_set_version(made, 2) == 1,
            ASN1_INTEGER_set_uint64(X509_get_serialNumber(made), serial >> 1 | 1) == 1,
            X509_gmtime_adj(X509_getm_notBefore(made), validFrom) != nil,
            X509_gmtime_adj(X509_getm_notAfter(made), validTo) != nil,
            X509_NAME_add_entry_by_NID(
                X509_get_subject_name(made), NID_commonName, MBSTRING_UTF8, name,
                Int32(clamping: name.count),
                -1, 0) == 1,
            X509_set_pubkey(made, publicKey.handle) == 1
        else { throw Self.failure() }
    }

    deinit { X509_free(certificate) }

    func setIssuer(_ issuer: OpaquePointer) {
        X509_set_issuer_name(certificate, X509_get_subject_name(issuer))
    }

    func extend(_ nid: Int32, _ value: String, issuer: OpaquePointer) throws(CredentialError) {
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer, certificate, nil, nil, 0)
        guard let made = X509V3_EXT_conf_nid(nil, &context, nid, value) else {
            throw Self.failure()
        }
        defer { X509_EXTENSION_free(made) }
        guard X509_add_ext(certificate, made, -1) == 1 else { throw Self.failure() }
    }

    func signed(by key: PrivateKey) throws(CredentialError) -> String {
        let bio = BIOHandle.memory()
        guard X509_sign(certificate, key.handle, EVP_sha256()) > 0,
            PEM_write_bio_X509(bio.pointer, certificate) == 1
        else { throw Self.failure() }
        return bio.contents
    }

    static func failure() -> CredentialError {
        CredentialError(.signing, "no certificate could be made: \(OpenSSLErrors.take().summary)")
    }
}
