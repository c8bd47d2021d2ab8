import Base
import COpenSSL

/// The server's side of TLS, for the HTTP door and the bridge emulator: a certificate with its key.
/// Sendable: not changed after it was made.
package final class ServerContext: @unchecked Sendable {
    let handle: OpaquePointer

    /// - Parameter certificatePEM: the server's certificate, then its chain if there is one.
    /// - Parameter clientCA: PEM of the CA whose client certificates are demanded; nil asks for
    ///   none.
    /// - Parameter tickets: for resumption, sent after the handshake (TLS 1.3).
    /// - Parameter obsolete: speaks TLS 1.1 at most, so that a client's refusal can be seen.
    /// - Parameter noTLS13: speaks TLS 1.2 at most.
    package init(
        certificatePEM: String, keyPEM: String, clientCA: String? = nil, tickets: Int = 0,
        obsolete: Bool = false,
        noTLS13: Bool = false
    ) throws(CredentialError) {
        let made = try TLSContext.make(TLS_server_method())
        do throws(CredentialError) {
            if obsolete {
                SSL_CTX_set_security_level(made, 0)
                _ = SSL_CTX_set_cipher_list(made, "ALL:@SECLEVEL=0")
                _ = shim_SSL_CTX_set_versions(made, TLS1_VERSION, TLS1_1_VERSION)
            }
            if noTLS13 { _ = shim_SSL_CTX_set_versions(made, TLS1_2_VERSION, TLS1_2_VERSION) }
            let key = try PrivateKey(pem: keyPEM)
            try TLSContext.use(
                BIOHandle.text(certificatePEM), "the server certificate", key: key.handle,
                keyName: "given",
                in: made)
            if let clientCA {
                try TrustSource.pem(clientCA).load(into: made)
                SSL_CTX_set_verify(made, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
            }
        } catch {
            SSL_CTX_free(made)
            throw error
        }
        shim_SSL_CTX_no_sessions(made)
        SSL_CTX_set_num_tickets(made, tickets)
        handle = made
    }

    /// When the server's certificate begins and ends.
    package var validity: (notBefore: WallTime, notAfter: WallTime)? {
        CertificateFacts.validity(in: handle)
    }

    /// - Parameter certificate: path of a PEM file with the server's certificate and then its
    ///   chain.
    /// - Parameter key: the certificate's private key: a path or a store URI.
    /// - Throws: `CredentialError` that names the file.
    package init(certificate: String, key: String) throws(CredentialError) {
        let made = try TLSContext.make(TLS_server_method())
        do throws(CredentialError) {
            try TLSContext.identify(certificate, key, in: made)
        } catch {
            SSL_CTX_free(made)
            throw error
        }
        shim_SSL_CTX_no_sessions(made)
        SSL_CTX_set_num_tickets(made, 0)
        handle = made
    }

    deinit { SSL_CTX_free(handle) }
}
