/// Why a key, certificate or CA file cannot be used: one sentence for a person that names the file
/// and says what to do. These are errors of the configuration; waiting does not mend them.
package struct CredentialError: Error, Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// The file does not exist.
        case missing
        /// A variable that is not set, or a credential in a process that was given none.
        case notGiven
        /// It is there but cannot be read.
        case unreadable
        /// A private key that its group or others can read.
        case openToOthers
        /// Not PEM, damaged, empty, or encrypted with a passphrase.
        case malformed
        /// A key type or size that the bridge does not take.
        case unsupported
        /// An OpenSSL store (PKCS#11 token, TPM) that does not give the key.
        case store
        /// Certificate and key do not belong together, or OpenSSL refused the combination.
        case mismatch
        /// The key could not sign.
        case signing
    }
    package var kind: Kind
    package var message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
}
