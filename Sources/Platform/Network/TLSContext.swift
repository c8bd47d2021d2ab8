import Base
import COpenSSL
import Glibc

/// The client's side of TLS: TLS 1.2 or later, the chain and the name always verified. There is no
/// way to switch verification off. One context serves all connections of a configuration; make a
/// new one when the CA file or the client certificate changes.
/// Sendable: OpenSSL allows connections to be made from one unchanging context on any thread.
package final class TLSContext: @unchecked Sendable {
    /// `SSL_CTX *`, owned.
    let handle: OpaquePointer
    let trust: TrustSource
    let hasClientCertificate: Bool

    /// - Parameter certificate: path of a PEM file with the client's certificate and then its
    ///   chain.
    /// - Parameter key: the certificate's private key: a path or a store URI.
    /// - Throws: `CredentialError` that names the file. Never falls back to anything weaker.
    package init(
        trust: TrustSource, certificate: String? = nil, key: String? = nil
    ) throws(CredentialError) {
        guard (certificate == nil) == (key == nil) else {
            throw CredentialError(
                .mismatch, "a client certificate needs both `clientCertificate` and `clientKey`")
        }
        let made = try Self.make(TLS_client_method())
        do throws(CredentialError) {
            try trust.load(into: made)
            if let certificate, let key { try Self.identify(certificate, key, in: made) }
        } catch {
            SSL_CTX_free(made)
            throw error
        }
        SSL_CTX_set_verify(made, SSL_VERIFY_PEER, nil)
        shim_SSL_CTX_no_sessions(made)
        handle = made
        self.trust = trust
        hasClientCertificate = certificate != nil
    }

    deinit { SSL_CTX_free(handle) }

    /// When the client's own certificate begins and ends; nil without one.
    package var clientValidity: (notBefore: WallTime, notAfter: WallTime)? {
        CertificateFacts.validity(in: handle)
    }

    /// When the last of the CA certificates ends that were read from a file; nil for the system's.
    package var trustEnds: WallTime? {
        guard case .file = trust else { return nil }
        return CertificateFacts.time(shim_SSL_CTX_latest_end(handle))
    }

    /// The own certificate and its key.
    static func identify(
        _ certificate: String, _ key: String, in context: OpaquePointer
    ) throws(CredentialError) {
        let privateKey = try PrivateKey.load(key)
        let file = try CredentialFile(certificate, secret: false, credentialsDirectory: nil)
        try file.requireCertificate()
        try use(file.bio(), certificate, key: privateKey.handle, keyName: key, in: context)
    }

    /// Makes a context with the settings that client and server have in common.
    static func make(_ method: OpaquePointer?) throws(CredentialError) -> OpaquePointer {
        ignoreBrokenPipes
        ERR_clear_error()
        guard let context = SSL_CTX_new(method) else {
            throw CredentialError(.store, "OpenSSL cannot start: \(OpenSSLErrors.take().summary)")
        }
        if SSL_CTX_get_security_level(context) < 2 { SSL_CTX_set_security_level(context, 2) }
        guard shim_SSL_CTX_set_versions(context, TLS1_2_VERSION, 0) == 1 else {
            SSL_CTX_free(context)
            throw CredentialError(.store, "OpenSSL has no TLS 1.2: \(OpenSSLErrors.take().summary)")
        }
        shim_SSL_CTX_forbid_renegotiation(context)
        shim_SSL_CTX_set_stream_modes(context)
        return context
    }

    /// The first certificate of `bio` is the own one, all others its chain.
    static func use(
        _ bio: consuming BIOHandle, _ name: String, key: OpaquePointer, keyName: String,
        in context: OpaquePointer
    ) throws(CredentialError) {
        ERR_clear_error()
        guard let leaf = PEM_read_bio_X509_AUX(bio.pointer, nil, nil, nil) else {
            throw CredentialError(
                .malformed,
                "\(name) holds no certificate in PEM form (\(OpenSSLErrors.take().summary))")
        }
        defer { X509_free(leaf) }
        guard SSL_CTX_use_certificate(context, leaf) == 1 else {
            throw CredentialError(
                .unsupported, "\(name) is refused (\(OpenSSLErrors.take().summary))")
        }
        guard SSL_CTX_use_PrivateKey(context, key) == 1, SSL_CTX_check_private_key(context) == 1
        else {
            throw CredentialError(
                .mismatch,
                "the key \(keyName) does not belong to \(name) (\(OpenSSLErrors.take().summary))")
        }
        while let issuer = PEM_read_bio_X509(bio.pointer, nil, nil, nil) {
            let added = shim_SSL_CTX_add1_chain_cert(context, issuer)
            X509_free(issuer)
            guard added == 1 else {
                throw CredentialError(
                    .unsupported,
                    "the chain in \(name) is refused (\(OpenSSLErrors.take().summary))")
            }
        }
        ERR_clear_error()
    }
}

/// OpenSSL writes with write(2): a connection that was reset would otherwise end the process.
let ignoreBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()
