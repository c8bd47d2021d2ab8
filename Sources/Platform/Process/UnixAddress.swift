import Glibc

/// The address of a Unix socket: a path, or with a leading "@" a name in the abstract space.
struct UnixAddress: Sendable {
    /// Bytes that fit into sockaddr_un beside the terminator.
    static let lengthMax = 107

    let text: String
    private let bytes: [UInt8]

    /// Nil if it does not fit into sockaddr_un or is empty.
    init?(_ text: String) {
        var bytes = Array(text.utf8)
        guard (1...Self.lengthMax).contains(bytes.count), !bytes.contains(0) else { return nil }
        if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        self.text = text
        self.bytes = bytes
    }

    func withSocketAddress<Value>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Value) -> Value {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        // An abstract name has no terminator: its length is what counts.
        let terminator = bytes[0] == 0 ? 0 : 1
        let length = MemoryLayout<sa_family_t>.size + bytes.count + terminator
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(length))
            }
        }
    }
}

/// SOCK_STREAM with close-on-exec and non-blocking.
func unixStreamSocket() throws(SystemFailure) -> OwnedFD {
    let kind =
        Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    return try OwnedFD("socket", "AF_UNIX") { Glibc.socket(AF_UNIX, kind, 0) }
}
