import Base
import COpenSSL

/// A gateway's or device's public key as a registry holds it: what the bridge emulator checks
/// tokens with. Sendable: never changed after it was made.
package final class PublicKey: @unchecked Sendable {
    package let algorithm: SigningAlgorithm
    private let handle: OpaquePointer

    /// From a PEM "PUBLIC KEY" block or an X.509 "CERTIFICATE" (whose dates are not looked at).
    package init(pem: String) throws(CredentialError) {
        ERR_clear_error()
        var found: OpaquePointer?
        if pem.contains("-----BEGIN CERTIFICATE-----") {
            let bio = BIOHandle.text(pem)
            if let certificate = PEM_read_bio_X509(bio.pointer, nil, nil, nil) {
                found = X509_get_pubkey(certificate)
                X509_free(certificate)
            }
        } else {
            let bio = BIOHandle.text(pem)
            found = PEM_read_bio_PUBKEY(bio.pointer, nil, nil, nil)
        }
        guard let found else {
            throw CredentialError(
                .malformed,
                "no public key or certificate in PEM form (\(OpenSSLErrors.take().summary))")
        }
        switch KeyType.of(found) {
        case .accepted(let algorithm):
            self.algorithm = algorithm
            handle = found
        case .refused(let why):
            EVP_PKEY_free(found)
            throw CredentialError(.unsupported, why)
        }
    }

    deinit { EVP_PKEY_free(handle) }

    /// True only if `signature` is this key's over `input` with this key's own algorithm. ES256
    /// signatures are 64 bytes r‖s.
    package func verify(_ input: [UInt8], signature: [UInt8]) -> Bool {
        var encoded = signature
        if algorithm == .es256 {
            guard let der = ECDSASignature.der(fromRaw: signature) else { return false }
            encoded = der
        }
        ERR_clear_error()
        defer { ERR_clear_error() }
        guard let context = EVP_MD_CTX_new() else { return false }
        defer { EVP_MD_CTX_free(context) }
        return EVP_DigestVerifyInit_ex(context, nil, "SHA256", nil, nil, handle, nil) == 1
            && EVP_DigestVerify(context, encoded, encoded.count, input, input.count) == 1
    }

    /// One check with a key given as text. A key of the other algorithm's type never verifies.
    package static func verify(
        _ algorithm: SigningAlgorithm, publicKeyPEM: String, input: [UInt8], signature: [UInt8]
    ) -> Bool {
        guard let key = try? PublicKey(pem: publicKeyPEM), key.algorithm == algorithm else {
            return false
        }
        return key.verify(input, signature: signature)
    }
}
