import Base
import COpenSSL
import Glibc

/// The name that the peer's certificate must carry: a DNS name, which is also sent as SNI, or an
/// IP address, which is compared with the certificate's iPAddress entries and never sent as SNI
/// (RFC 6066 section 3). A name that would weaken or switch off OpenSSL's check cannot be built.
enum PeerName: Equatable {
    case dns(String)
    case ip(String)

    /// Refuses an empty name (it would disable the check), one that starts with a dot (it would
    /// match every subdomain) and anything with characters that no host name has.
    init(_ text: String) throws(CredentialError) {
        var address = in6_addr()
        if inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1 {
            self = .ip(text)
            return
        }
        let name = text.hasSuffix(".") ? String(text.dropLast()) : text
        guard !name.isEmpty else {
            throw CredentialError(
                .malformed,
                "the name to verify the bridge's certificate against is empty: give `host` or `serverName`"
            )
        }
        let allowed = name.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
            default: false
            }
        }
        guard allowed, !name.hasPrefix("."), name.utf8.count <= 253 else {
            let shown = CertificateFacts.printable(Array(name.utf8))
            throw CredentialError(
                .malformed,
                "\"\(shown)\" is no host name that a certificate can be checked against: check `host`"
            )
        }
        self = .dns(name)
    }

    var text: String {
        switch self {
        case .dns(let name), .ip(let name): name
        }
    }

    /// Names stand in the certificate's subjectAltName; a common name never counts (RFC 9525
    /// section 6.3).
    private static let hostFlags = UInt32(
        X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)

    /// Makes the handshake fail unless the certificate is for this name. False if OpenSSL refuses.
    func require(on ssl: OpaquePointer) -> Bool {
        switch self {
        case .dns(let name):
            SSL_set_hostflags(ssl, Self.hostFlags)
            return SSL_set1_host(ssl, name) == 1 && shim_SSL_set_server_name(ssl, name) == 1
        case .ip(let address):
            return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), address) == 1
        }
    }

    /// After the handshake, once more and independently: the chain was verified and the
    /// certificate is for this name.
    func isConfirmed(by ssl: OpaquePointer) -> Bool {
        guard SSL_get_verify_result(ssl) == Int(X509_V_OK),
            let certificate = SSL_get1_peer_certificate(ssl)
        else { return false }
        defer { X509_free(certificate) }
        switch self {
        case .dns(let name):
            return SSL_get0_peername(ssl) != nil
                && X509_check_host(certificate, name, name.utf8.count, Self.hostFlags, nil) == 1
        case .ip(let address):
            return X509_check_ip_asc(certificate, address, 0) == 1
        }
    }
}
