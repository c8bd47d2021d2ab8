import CLinux
import COpenSSL
import Glibc

/// A key, certificate or CA file in memory. The bytes are wiped when the value ends.
struct CredentialFile: ~Copyable {
    /// Largest size of a PEM file, in bytes. A whole system CA bundle is about 220 kB.
    static let sizeMax = 4 << 20

    private let path: String
    private let memory: UnsafeMutableRawBufferPointer
    private let count: Int

    /// Reads a regular file. A `secret` that its group or others may touch is refused: the check is
    /// made on the opened descriptor, so nothing can be swapped in between. systemd hands
    /// credentials over with an access list, which shows as group permission; what lies in
    /// `credentialsDirectory` (`$CREDENTIALS_DIRECTORY`) may therefore have mode 0440. A file that
    /// only root may read is taken from there too: `LoadCredential=keys:/etc/fieldgw/keys` hands
    /// `/etc/fieldgw/keys/gw-7.pem` over as `keys_gw-7.pem`, so one configuration serves the unit
    /// and a shell.
    init(
        _ named: String, secret: Bool, sizeMax: Int = CredentialFile.sizeMax,
        credentialsDirectory: String?
    ) throws(CredentialError) {
        let path = Self.place(of: named, credentialsDirectory)
        let descriptor = try Self.open(path)
        var facts = stat()
        guard fstat(descriptor.number, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            throw CredentialError(.unreadable, "\(path) is not a regular file")
        }
        if secret {
            try Self.checkPrivacy(facts.st_mode & 0o777, path, credentialsDirectory)
        }
        guard facts.st_size > 0 else { throw CredentialError(.malformed, "\(path) is empty") }
        guard facts.st_size <= sizeMax else {
            throw CredentialError(
                .malformed, "\(path) has \(facts.st_size) bytes; \(sizeMax) are allowed")
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Int(facts.st_size), alignment: 1)
        var filled = 0
        var failure: Int32 = 0
        while filled < buffer.count {
            let got = retrying {
                Glibc.read(descriptor.number, buffer.baseAddress! + filled, buffer.count - filled)
            }
            if got < 0 { failure = errno }
            if got <= 0 { break }
            filled += got
        }
        if failure != 0 {
            OPENSSL_cleanse(buffer.baseAddress, buffer.count)
            buffer.deallocate()
            throw CredentialError(.unreadable, "\(path): \(systemWords(failure))")
        }
        self.path = path
        memory = buffer
        count = filled
    }

    deinit {
        OPENSSL_cleanse(memory.baseAddress, memory.count)
        memory.deallocate()
    }

    /// Refuses a private key where a certificate is wanted.
    func requireCertificate() throws(CredentialError) {
        guard holds("PRIVATE KEY-----"), !holds("-----BEGIN CERTIFICATE"),
            !holds("-----BEGIN TRUSTED CERTIFICATE")
        else { return }
        throw CredentialError(
            .malformed, "\(path) holds a private key and no certificate; were the two confused?")
    }

    /// Refuses a certificate where a private key is wanted.
    func requireKey() throws(CredentialError) {
        guard holds("-----BEGIN CERTIFICATE"), !holds("PRIVATE KEY-----") else { return }
        throw CredentialError(
            .malformed, "\(path) holds a certificate and no private key; were the two confused?")
    }

    private func holds(_ text: String) -> Bool {
        let mark = Array(text.utf8)
        guard let start = memory.baseAddress, count >= mark.count else { return false }
        return (0...count - mark.count).contains { memcmp(start + $0, mark, mark.count) == 0 }
    }

    /// A read-only BIO over the bytes; valid while this value lives.
    func bio() -> BIOHandle { BIOHandle(BIO_new_mem_buf(memory.baseAddress, Int32(count))) }

    /// A copy of the bytes, which nobody wipes.
    var bytes: [UInt8] { Array(memory.prefix(count)) }

    private static func place(of path: String, _ credentialsDirectory: String?) -> String {
        guard access(path, R_OK) != 0, let directory = credentialsDirectory,
            directory.hasPrefix("/")
        else { return path }
        let parts = path.split(separator: "/")
        let names = [parts.suffix(2).joined(separator: "_"), parts.last.map(String.init) ?? ""]
        return names.map { "\(directory)/\($0)" }.first { FileSystem.exists($0) } ?? path
    }

    private static func open(_ path: String) throws(CredentialError) -> OwnedFD {
        do throws(SystemFailure) {
            return try OwnedFD("open") {
                clinux_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0)
            }
        } catch {
            let absent = error.code == ENOENT || error.code == ENOTDIR
            throw CredentialError(
                absent ? .missing : .unreadable, "\(CredentialName.shown(path)): \(error.words)")
        }
    }

    private static func checkPrivacy(
        _ mode: mode_t, _ path: String, _ credentialsDirectory: String?
    ) throws(CredentialError) {
        if mode & 0o077 == 0 { return }
        if mode & 0o037 == 0, let directory = credentialsDirectory, directory.hasPrefix("/"),
            path.hasPrefix(directory + "/"), !path.contains("/../")
        {
            return
        }
        let octal = String(mode, radix: 8)
        throw CredentialError(
            .openToOthers,
            "\(path) can be used by others than its owner (mode \(octal)): "
                + "run `chmod 600 \(shellWord(path))`")
    }
}

/// Name of a file that cannot be opened, for messages. The key itself, or a password, may have been
/// put where its file's name belongs: then it is not shown.
enum CredentialName {
    private static let extensions = [
        "pem", "key", "crt", "cer", "cert", "der", "p8", "p12", "pfx", "pub", "txt", "json",
    ]

    static func shown(_ path: String) -> String {
        let name = path.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        let ending = name.split(separator: ".", omittingEmptySubsequences: false).dropFirst().last
            .map { $0.lowercased() }
        let isName =
            path.utf8.count <= 255 && path.utf8.allSatisfy { $0 >= 0x20 } && !path.contains("-----")
            && ending.map(extensions.contains) == true
        if isName || FileSystem.exists(path) { return path }
        let folder = path.dropLast(name.count)
        let place = FileSystem.isDirectory(String(folder)) ? "a file in \(folder)" : "a file"
        return
            "\(place) (its name is not shown, as it might be the key itself; names end in .pem or .key)"
    }
}

/// An owned `BIO *`.
struct BIOHandle: ~Copyable {
    let pointer: OpaquePointer?

    init(_ pointer: OpaquePointer?) { self.pointer = pointer }

    /// A growing memory buffer to write into.
    static func memory() -> BIOHandle { BIOHandle(BIO_new(BIO_s_mem())) }

    /// A buffer that holds `text`. It is not wiped: for certificates and keys made for tests.
    static func text(_ text: String) -> BIOHandle {
        let bio = memory()
        for chunk in [Array(text.utf8)] {
            BIO_write(bio.pointer, chunk, Int32(clamping: chunk.count))
        }
        return bio
    }

    /// Text that has been written into a memory buffer.
    var contents: String {
        var count = 0
        guard let bytes = shim_BIO_contents(pointer, &count) else { return "" }
        return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    deinit { BIO_free_all(pointer) }
}

/// The system's words for an error number, such as "Permission denied (EACCES)".
func systemWords(_ number: Int32) -> String { SystemFailure("", code: number).words }

/// A C buffer up to its NUL.
func cText(_ buffer: [CChar]) -> String {
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// A path as a shell takes it, quoted only where it must be.
func shellWord(_ text: String) -> String {
    let plain = text.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "/._-+@:,=%".utf8.contains(byte)
        }
    }
    if plain && !text.isEmpty { return text }
    return "'"
        + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
        + "'"
}
