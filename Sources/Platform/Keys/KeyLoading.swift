import COpenSSL
import Glibc

extension PrivateKey {
    /// Loads the key that the configuration names: the path of a PEM file, or an OpenSSL store URI
    /// (`file:`, `pkcs11:`, `handle:` …) whose provider openssl.cnf activates. `credential:NAME` is
    /// a file that systemd hands over, `env:NAME` a variable with the PEM text itself.
    /// Nothing ever asks for a passphrase; a PKCS#11 PIN belongs into the URI (`pin-source`).
    package static func load(
        _ location: String, credentialsDirectory: String? = environment("CREDENTIALS_DIRECTORY")
    ) throws(CredentialError) -> PrivateKey {
        guard let scheme = storeScheme(of: location) else {
            return try load(file: location, credentialsDirectory)
        }
        let path = location.dropFirst(scheme.utf8.count + 1)
        switch scheme {
        case "file":
            return try load(
                file: String(path.hasPrefix("///") ? path.dropFirst(2) : path),
                credentialsDirectory)
        case "credential":
            let file = try SecretPlace.path(
                ofCredential: String(path), directory: credentialsDirectory)
            return try load(file: file, credentialsDirectory)
        case "env":
            let text = try SecretPlace.variable(String(path), limit: variableMax)
            let bio = BIOHandle.text(String(decoding: text, as: UTF8.self))
            return try PrivateKey(owning: decode(bio, "the variable"), named: "the variable")
        default: return try load(store: location)
        }
    }

    /// Largest PEM text in a variable, in bytes.
    private static let variableMax = 64 << 10

    /// Content of the key's file, for comparing it with a later one; nil if it is in no file that
    /// can be read.
    package static func contents(
        of location: String, credentialsDirectory: String? = environment("CREDENTIALS_DIRECTORY")
    ) -> [UInt8]? {
        var path = location
        switch storeScheme(of: location) {
        case nil: break
        case "file":
            let rest = location.dropFirst(5)
            path = String(rest.hasPrefix("///") ? rest.dropFirst(2) : rest)
        case "credential":
            guard
                let file = try? SecretPlace.path(
                    ofCredential: String(location.dropFirst(11)), directory: credentialsDirectory)
            else { return nil }
            path = file
        default: return nil
        }
        return try? CredentialFile(
            path, secret: false, credentialsDirectory: credentialsDirectory
        ).bytes
    }

    /// A key from PEM text, for keys that were made in this process.
    package convenience init(pem: String) throws(CredentialError) {
        try self.init(owning: Self.decode(BIOHandle.text(pem), "the key"), named: "the key")
    }

    /// The scheme in lower case if `location` is a store URI; nil if it is a path.
    package static func storeScheme(of location: String) -> String? {
        guard let colon = location.utf8.firstIndex(of: 0x3A) else { return nil }
        let scheme = location[..<colon]
        guard scheme.utf8.count > 1, let first = scheme.utf8.first, Self.isLetter(first) else {
            return nil
        }
        let fine = scheme.utf8.allSatisfy { byte in
            Self.isLetter(byte) || (0x30...0x39).contains(byte) || byte == 0x2B || byte == 0x2D
        }
        return fine ? scheme.lowercased() : nil
    }

    private static func load(
        file path: String, _ credentialsDirectory: String?
    ) throws(CredentialError) -> PrivateKey {
        let file: CredentialFile
        do throws(CredentialError) {
            file = try CredentialFile(
                path, secret: true, credentialsDirectory: credentialsDirectory)
        } catch {
            // A certificate may be read by all: then its rights are not the mistake.
            if error.kind == .openToOthers {
                try CredentialFile(path, secret: false, credentialsDirectory: credentialsDirectory)
                    .requireKey()
            }
            throw error
        }
        try file.requireKey()
        return try PrivateKey(owning: decode(file.bio(), path), named: path)
    }

    private static func decode(
        _ bio: consuming BIOHandle, _ name: String
    ) throws(CredentialError) -> OpaquePointer {
        ERR_clear_error()
        var asked = false
        let key = withUnsafeMutablePointer(to: &asked) { asked in
            PEM_read_bio_PrivateKey(bio.pointer, nil, refusePassphrase, asked)
        }
        if let key { return key }
        let reason = OpenSSLErrors.take().summary
        if asked {
            let word = shellWord(name)
            throw CredentialError(
                .malformed,
                "\(name) is encrypted and nobody can type its passphrase here: write it without one, "
                    + "`openssl pkcs8 -topk8 -nocrypt -in \(word) -out \(word).plain`, with mode 600"
            )
        }
        throw CredentialError(.malformed, "\(name) holds no private key in PEM form (\(reason))")
    }

    private static func load(store location: String) throws(CredentialError) -> PrivateKey {
        ERR_clear_error()
        let shown = Self.shown(store: location)
        guard let store = OSSL_STORE_open(location, UI_null(), nil, nil, nil) else {
            throw CredentialError(
                .store,
                "the key store \(shown) cannot be opened (\(OpenSSLErrors.take().summary)): is its OpenSSL "
                    + "provider (pkcs11-provider, tpm2-openssl) installed and activated in openssl.cnf?"
            )
        }
        defer { OSSL_STORE_close(store) }
        _ = OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY)
        var looked = 0
        while OSSL_STORE_eof(store) == 0 && looked < 64 {
            looked += 1
            guard let info = OSSL_STORE_load(store) else { continue }
            defer { OSSL_STORE_INFO_free(info) }
            guard OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY,
                let key = OSSL_STORE_INFO_get1_PKEY(info)
            else { continue }
            return try PrivateKey(owning: key, named: shown)
        }
        throw CredentialError(
            .store, "the key store \(shown) gives no private key (\(OpenSSLErrors.take().summary))")
    }

    /// A store as messages call it: without what may be a PIN, and without anything where no store
    /// is known.
    private static func shown(store location: String) -> String {
        guard let scheme = storeScheme(of: location),
            ["pkcs11", "handle", "object", "tpm2"].contains(scheme)
        else {
            return "of that name"
        }
        let path = location.split(separator: "?").first ?? location[...]
        return path.split(separator: ";").filter { !$0.lowercased().contains("pin-") }.joined(
            separator: ";")
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }

    /// A variable of the environment; nil if it is not set or empty.
    package static func environment(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        let text = String(cString: value)
        return text.isEmpty ? nil : text
    }
}

/// Without this OpenSSL would ask on the terminal and wait for ever.
private func refusePassphrase(
    _: UnsafeMutablePointer<CChar>?, _: Int32, _: Int32, _ asked: UnsafeMutableRawPointer?
) -> Int32 {
    asked?.assumingMemoryBound(to: Bool.self).pointee = true
    return -1
}
