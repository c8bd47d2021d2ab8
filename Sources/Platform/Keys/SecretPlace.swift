import COpenSSL
import Glibc

/// Secrets that are kept outside of the configuration: in a file, in a variable of the environment,
/// or in a file that systemd hands over. No message holds a part of one.
package enum SecretPlace {
    /// Content of a small file. One that only root may read is taken from the credentials directory
    /// where systemd hands it over, as private keys are.
    package static func file(
        _ path: String, limit: Int,
        credentialsDirectory: String? = PrivateKey.environment("CREDENTIALS_DIRECTORY")
    ) throws(CredentialError) -> [UInt8] {
        do throws(CredentialError) {
            return try CredentialFile(
                path, secret: false, sizeMax: limit, credentialsDirectory: credentialsDirectory
            ).bytes
        } catch {
            guard error.kind == .missing else { throw error }
            let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
            let there = FileSystem.isDirectory(folder) ? "in \(folder) " : ""
            throw CredentialError(.missing, "the file that it names \(there)does not exist")
        }
    }

    /// Value of a variable; an empty one counts as not set.
    package static func variable(_ name: String, limit: Int) throws(CredentialError) -> [UInt8] {
        guard let value = getenv(name), value.pointee != 0 else {
            throw CredentialError(
                .notGiven, "the variable \(shown(variable: name)) is not set in this environment")
        }
        let count = strnlen(value, limit + 1)
        guard count <= limit else {
            throw CredentialError(
                .malformed,
                "the variable \(shown(variable: name)) has more than \(limit) bytes")
        }
        return UnsafeRawBufferPointer(start: value, count: count).map { $0 }
    }

    /// Content of a credential.
    package static func credential(
        _ name: String, limit: Int,
        directory: String? = PrivateKey.environment("CREDENTIALS_DIRECTORY")
    ) throws(CredentialError) -> [UInt8] {
        let path = try self.path(ofCredential: name, directory: directory)
        return try CredentialFile(
            path, secret: false, sizeMax: limit, credentialsDirectory: directory
        ).bytes
    }

    /// Path of a credential that is there.
    static func path(
        ofCredential name: String, directory: String?
    ) throws(CredentialError) -> String {
        guard let directory, directory.hasPrefix("/") else {
            throw CredentialError(
                .notGiven,
                "there are no credentials ($CREDENTIALS_DIRECTORY is not set): systemd hands "
                    + "them to a unit with LoadCredential")
        }
        let path = "\(directory)/\(name)"
        guard !name.isEmpty, !name.contains("/"), FileSystem.exists(path) else {
            throw CredentialError(
                .missing,
                "the credential that it names is not in \(directory): write "
                    + "LoadCredential=NAME:FILE in the unit"
            )
        }
        return path
    }

    /// A name as messages show it. A password may have been put where the variable's name belongs.
    private static func shown(variable name: String) -> String {
        let isUsual = name.utf8.allSatisfy {
            (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F
        }
        return isUsual && name.utf8.count <= 64 ? name : "that it names"
    }
}

extension FileSystem {
    /// Whether every user of the machine can read the file: by its own mode, and because all the
    /// directories above it let them in.
    package static func isReadableByAll(_ path: String) -> Bool {
        guard var place = realPath(path) else { return false }
        var status = stat()
        guard stat(place, &status) == 0, status.st_mode & S_IROTH != 0 else { return false }
        while let slash = place.lastIndex(of: "/"), place != "/" {
            place = slash == place.startIndex ? "/" : String(place[..<slash])
            guard stat(place, &status) == 0, status.st_mode & S_IXOTH != 0 else { return false }
        }
        return true
    }
}
