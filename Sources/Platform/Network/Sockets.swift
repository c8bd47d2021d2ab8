import Base
import Glibc

/// TCP sockets: always non-blocking and close-on-exec.
extension OwnedFD {
    static let socketFlags = Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)

    static func tcp(family: Int32) throws(SystemFailure) -> OwnedFD {
        try OwnedFD("socket") { socket(family, Int32(SOCK_STREAM.rawValue) | socketFlags, 0) }
    }

    func set(_ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(number, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Small packets leave at once; a peer that vanished is noticed in 30 s while we have data
    /// under way (TCP_USER_TIMEOUT), and in 90 s while idle.
    func tuneTCP() {
        let tcp = Int32(IPPROTO_TCP)
        set(tcp, TCP_NODELAY, 1)
        set(SOL_SOCKET, SO_KEEPALIVE, 1)
        set(tcp, TCP_KEEPIDLE, 60)
        set(tcp, TCP_KEEPINTVL, 10)
        set(tcp, TCP_KEEPCNT, 3)
        set(tcp, TCP_USER_TIMEOUT, 30_000)
    }

    /// For a line, which is asked all the time: a peer that vanished is noticed in 5 s while a
    /// request is under way, and in 20 s while nothing is.
    func tuneLine() {
        let tcp = Int32(IPPROTO_TCP)
        set(tcp, TCP_KEEPIDLE, 10)
        set(tcp, TCP_KEEPINTVL, 5)
        set(tcp, TCP_KEEPCNT, 2)
        set(tcp, TCP_USER_TIMEOUT, 5000)
    }

    /// The error of a non-blocking connect that has ended; 0 if it is connected.
    var pendingError: Int32 {
        var error: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(number, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno
    }
}

/// An IPv4 or IPv6 address with its port.
struct SocketAddress {
    private var storage: sockaddr_storage
    private let length: socklen_t

    init?(_ pointer: UnsafePointer<sockaddr>?, _ length: socklen_t) {
        guard let pointer, length > 0, Int(length) <= MemoryLayout<sockaddr_storage>.size else {
            return nil
        }
        storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: Int(length)))
        }
        self.length = length
    }

    var family: Int32 { Int32(storage.ss_family) }

    func with<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    /// "192.0.2.1:8883" or "[2001:db8::1]:8883".
    var text: String {
        guard let (name, number) = parts else { return "an unknown address" }
        return family == AF_INET6 ? "[\(name)]:\(number)" : "\(name):\(number)"
    }

    /// The address without the port; an IPv4 address that an IPv6 socket shows is one.
    var host: String? {
        guard let name = parts?.name else { return nil }
        let mapped = "::ffff:"
        return name.hasPrefix(mapped) && name.contains(".")
            ? String(name.dropFirst(mapped.count)) : name
    }

    private var parts: (name: String, port: String)? {
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        var port = [CChar](repeating: 0, count: Int(NI_MAXSERV))
        let flags = NI_NUMERICHOST | NI_NUMERICSERV
        let code = with { pointer, length in
            getnameinfo(
                pointer, length, &host, socklen_t(host.count), &port, socklen_t(port.count), flags)
        }
        return code == 0 ? (cText(host), cText(port)) : nil
    }

    /// The port; 0 for another family.
    var port: Int {
        withUnsafeBytes(of: storage) { raw in
            switch family {
            case AF_INET: Int(UInt16(bigEndian: raw.load(as: sockaddr_in.self).sin_port))
            case AF_INET6: Int(UInt16(bigEndian: raw.load(as: sockaddr_in6.self).sin6_port))
            default: 0
            }
        }
    }

    /// Address that `descriptor` is bound to.
    static func local(of descriptor: Int32) -> SocketAddress? {
        fill { getsockname(descriptor, $0, $1) }
    }

    /// Address that `descriptor` is connected to.
    static func remote(of descriptor: Int32) -> SocketAddress? {
        fill { getpeername(descriptor, $0, $1) }
    }

    private static func fill(
        _ call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                call(address, &length) == 0 ? SocketAddress(address, length) : nil
            }
        }
    }
}
