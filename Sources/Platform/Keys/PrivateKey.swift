import Base
import COpenSSL
import Glibc

/// The gateway's signing key: RSA of 2048 bits or more signs RS256, EC on P-256 signs ES256
/// (RFC 7518 section 3.1). It may live in a file, a PKCS#11 token or a TPM.
/// Sendable: the key is never changed after it was made, and every signature has its own context.
package final class PrivateKey: @unchecked Sendable {
    package enum Kind: String, CaseIterable, Hashable, Sendable { case ec, rsa }

    package let algorithm: SigningAlgorithm
    /// `EVP_PKEY *`, owned.
    let handle: OpaquePointer

    /// Takes ownership of `handle`, also when the key is refused.
    init(owning handle: OpaquePointer, named name: String) throws(CredentialError) {
        switch KeyType.of(handle) {
        case .accepted(let algorithm):
            self.algorithm = algorithm
            self.handle = handle
        case .refused(let why):
            EVP_PKEY_free(handle)
            throw CredentialError(
                .unsupported, "\(name): \(why); use RSA with 2048 bits or more, or EC P-256")
        }
    }

    deinit { EVP_PKEY_free(handle) }

    /// A new key pair. RSA of 2048 bits takes a fraction of a second, on a small ARM board seconds.
    package static func generate(_ kind: Kind) throws(CredentialError) -> PrivateKey {
        ERR_clear_error()
        let made =
            switch kind {
            case .ec: shim_generate_p256()
            case .rsa: shim_generate_rsa(2048)
            }
        guard let made else {
            throw CredentialError(
                .unsupported, "no key could be made: \(OpenSSLErrors.take().summary)")
        }
        return try PrivateKey(owning: made, named: "the new key")
    }

    /// The public half as a PEM "PUBLIC KEY" block: what is registered at the bridge.
    package var publicPEM: String {
        let bio = BIOHandle.memory()
        guard PEM_write_bio_PUBKEY(bio.pointer, handle) == 1 else { return "" }
        return bio.contents
    }

    /// The whole key as an unencrypted PKCS#8 PEM block. The caller creates the file with mode
    /// 0600. A key that lives in a token cannot leave it.
    package func privatePEM() throws(CredentialError) -> String {
        let bio = BIOHandle.memory()
        ERR_clear_error()
        guard PEM_write_bio_PKCS8PrivateKey(bio.pointer, handle, nil, nil, 0, nil, nil) == 1 else {
            throw CredentialError(
                .store, "the key cannot be written out: \(OpenSSLErrors.take().summary)")
        }
        return bio.contents
    }

    /// Signs `input` with SHA-256. RS256 answers the PKCS#1 v1.5 signature, ES256 the 64 bytes
    /// r‖s, both big-endian and padded to 32 (RFC 7518 section 3.4). May block: a TPM takes 100 ms.
    package func sign(_ input: [UInt8]) throws(CredentialError) -> [UInt8] {
        ERR_clear_error()
        guard let context = EVP_MD_CTX_new() else { throw failedToSign() }
        defer { EVP_MD_CTX_free(context) }
        var count = 0
        guard EVP_DigestSignInit_ex(context, nil, "SHA256", nil, nil, handle, nil) == 1,
            EVP_DigestSign(context, nil, &count, input, input.count) == 1
        else { throw failedToSign() }
        var signature = [UInt8](repeating: 0, count: count)
        guard EVP_DigestSign(context, &signature, &count, input, input.count) == 1 else {
            throw failedToSign()
        }
        signature.removeLast(signature.count - count)
        guard algorithm == .es256 else { return signature }
        guard let raw = ECDSASignature.raw(fromDER: signature) else { throw failedToSign() }
        return raw
    }

    private func failedToSign() -> CredentialError {
        CredentialError(.signing, "the private key could not sign: \(OpenSSLErrors.take().summary)")
    }
}

/// Which of the bridge's two algorithms a key is good for.
enum KeyType {
    case accepted(SigningAlgorithm)
    /// In words that follow the key's name.
    case refused(String)

    static func of(_ key: OpaquePointer) -> KeyType {
        if EVP_PKEY_is_a(key, "RSA") == 1 {
            let bits = EVP_PKEY_get_bits(key)
            return bits >= 2048
                ? .accepted(.rs256) : .refused("an RSA key of \(bits) bits is too short")
        }
        if EVP_PKEY_is_a(key, "EC") == 1 {
            let curve = curveName(key)
            return curve == "prime256v1" || curve == "P-256"
                ? .accepted(.es256)
                : .refused("an EC key on the curve \(curve) is not accepted by the bridge")
        }
        let type = EVP_PKEY_get0_type_name(key).map { String(cString: $0) } ?? "unknown"
        return .refused("a key of type \(type) is not accepted by the bridge")
    }

    private static func curveName(_ key: OpaquePointer) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 80) { buffer in
            buffer[0] = 0
            guard EVP_PKEY_get_group_name(key, buffer.baseAddress!, buffer.count, nil) == 1 else {
                return "unnamed"
            }
            return String(cString: buffer.baseAddress!)
        }
    }
}

/// ECDSA signatures on P-256 in their two forms: DER as OpenSSL makes them, and the 64 bytes r‖s
/// of a JWS (RFC 7518 section 3.4).
enum ECDSASignature {
    static func raw(fromDER der: [UInt8]) -> [UInt8]? {
        let signature: OpaquePointer? = der.withUnsafeBufferPointer { buffer in
            var cursor = buffer.baseAddress
            return d2i_ECDSA_SIG(nil, &cursor, buffer.count)
        }
        guard let signature else { return nil }
        defer { ECDSA_SIG_free(signature) }
        var raw = [UInt8](repeating: 0, count: 64)
        let fits = raw.withUnsafeMutableBufferPointer { buffer in
            BN_bn2binpad(ECDSA_SIG_get0_r(signature), buffer.baseAddress, 32) == 32
                && BN_bn2binpad(ECDSA_SIG_get0_s(signature), buffer.baseAddress! + 32, 32) == 32
        }
        return fits ? raw : nil
    }

    /// nil unless there are exactly 64 bytes.
    static func der(fromRaw raw: [UInt8]) -> [UInt8]? {
        guard raw.count == 64, let signature = ECDSA_SIG_new() else { return nil }
        defer { ECDSA_SIG_free(signature) }
        guard let r = BN_bin2bn(Array(raw[..<32]), 32, nil),
            let s = BN_bin2bn(Array(raw[32...]), 32, nil),
            ECDSA_SIG_set0(signature, r, s) == 1
        else { return nil }
        var output: UnsafeMutablePointer<UInt8>?
        let count = i2d_ECDSA_SIG(signature, &output)
        guard count > 0, let output else { return nil }
        defer { shim_OPENSSL_free(output) }
        return Array(UnsafeBufferPointer(start: output, count: Int(count)))
    }
}
