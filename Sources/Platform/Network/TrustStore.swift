import COpenSSL
import Glibc

/// Whom a connection trusts.
package enum TrustSource: Hashable, Sendable {
    /// The system's store; `SSL_CERT_FILE` and `SSL_CERT_DIR` override its place as everywhere.
    case system
    /// A file of PEM certificates, and nothing else.
    case file(String)
    /// PEM text, for certificates that were made in this process.
    case pem(String)

    /// For sentences: where a CA is missing from.
    var name: String {
        switch self {
        case .system: "the system's CA store"
        case .file(let path): path
        case .pem: "the given CA"
        }
    }

    /// Fills the store of `context`. A store that ends up empty is an error, never "trust anybody".
    func load(into context: OpaquePointer) throws(CredentialError) {
        switch self {
        case .system: try Self.loadSystem(into: context)
        case .file(let path):
            let file = try CredentialFile(path, secret: false, credentialsDirectory: nil)
            try file.requireCertificate()
            try Self.add(file.bio(), path, to: context)
        case .pem(let text): try Self.add(BIOHandle.text(text), "the CA", to: context)
        }
    }

    private static func add(
        _ bio: consuming BIOHandle, _ name: String, to context: OpaquePointer
    ) throws(CredentialError) {
        let store = SSL_CTX_get_cert_store(context)
        var count = 0
        ERR_clear_error()
        while let certificate = PEM_read_bio_X509_AUX(bio.pointer, nil, nil, nil) {
            let added = X509_STORE_add_cert(store, certificate) == 1
            X509_free(certificate)
            guard added else {
                let why = OpenSSLErrors.take().summary
                throw CredentialError(
                    .malformed, "\(name): certificate \(count + 1) is refused (\(why))")
            }
            count += 1
        }
        // The end of the file shows as "no start line"; anything else is damage.
        let errors = OpenSSLErrors.take()
        let last = errors.entries.last
        guard last == nil || last?.library == ERR_LIB_PEM && last?.reason == PEM_R_NO_START_LINE
        else {
            throw CredentialError(
                .malformed, "\(name): certificate \(count + 1) is damaged (\(errors.summary))")
        }
        guard count > 0 else {
            throw CredentialError(.malformed, "\(name) holds no certificate in PEM form")
        }
    }

    /// The hashed directory is preferred: certificates are read from it one by one as they are
    /// needed, while the bundle costs more than 1 MB of memory.
    private static func loadSystem(into context: OpaquePointer) throws(CredentialError) {
        let fileGiven = PrivateKey.environment(String(cString: X509_get_default_cert_file_env()))
        let directory =
            PrivateKey.environment(String(cString: X509_get_default_cert_dir_env()))
            ?? String(cString: X509_get_default_cert_dir())
        if let fileGiven {
            return try TrustSource.file(fileGiven).load(into: context)
        }
        if directory.split(separator: ":").contains(where: { hasHashedCertificates(String($0)) }) {
            guard SSL_CTX_set_default_verify_dir(context) == 1 else {
                throw CredentialError(.unreadable, "\(directory): \(OpenSSLErrors.take().summary)")
            }
            return
        }
        let bundles = [
            String(cString: X509_get_default_cert_file()), "/etc/ssl/certs/ca-certificates.crt",
        ]
        if let bundle = bundles.first(where: { access($0, R_OK) == 0 }) {
            return try TrustSource.file(bundle).load(into: context)
        }
        throw CredentialError(
            .missing,
            "the system has no CA certificates (looked in \(directory)): "
                + "install ca-certificates, or set `ca`")
    }

    /// Names such as "5ad8a5d6.0", as `openssl rehash` makes them.
    private static func hasHashedCertificates(_ path: String) -> Bool {
        guard let directory = opendir(path) else { return false }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                Array(raw.prefix { $0 != 0 })
            }
            guard name.count >= 10, name[8] == 0x2E else { continue }
            let hexadecimal = name[..<8].allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
            }
            if hexadecimal { return true }
        }
        return false
    }
}
