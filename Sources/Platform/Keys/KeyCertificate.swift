import Base
import COpenSSL

/// The certificate that stands beside a private key in its PEM file, as a bridge wants it that
/// registers keys as certificates.
package enum KeyCertificate {
    /// When the first certificate of the file begins and ends; nil if there is none, if the file
    /// cannot be used, or if the key is not in a file.
    package static func validity(
        in location: String,
        credentialsDirectory: String? = PrivateKey.environment("CREDENTIALS_DIRECTORY")
    ) -> (notBefore: WallTime, notAfter: WallTime)? {
        guard PrivateKey.storeScheme(of: location) == nil,
            let file = try? CredentialFile(
                location, secret: true, credentialsDirectory: credentialsDirectory)
        else { return nil }
        let bio = file.bio()
        defer { ERR_clear_error() }
        guard let certificate = PEM_read_bio_X509(bio.pointer, nil, nil, nil) else { return nil }
        defer { X509_free(certificate) }
        return CertificateFacts.validity(of: certificate)
    }
}
