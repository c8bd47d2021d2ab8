import Base
import COpenSSL
import Glibc

/// A listening TCP socket of the simulators, with TLS or without. Accepting never waits, and neither
/// does a link that it gives: the TLS handshake happens inside the link's first reads and writes.
/// `@unchecked Sendable` under the rule of `Link`: one thread at a time.
package final class Listener: @unchecked Sendable {
    package enum AcceptResult: Sendable {
        case link(Link)
        case wouldBlock
        /// Out of descriptors or memory: wait a moment before the next try.
        case failed(LinkFailure)
    }

    /// The socket, to wait on; -1 after `close`.
    package private(set) var descriptor: Int32
    /// The port it is bound to, also when 0 was asked for.
    package let port: Int
    private let context: ServerContext?

    /// - Parameter address: a numeric address; only this machine can connect by default.
    /// - Parameter context: nil for a plain listener.
    package init(
        port: Int = 0, address: String = "127.0.0.1", tls context: ServerContext? = nil
    ) throws(LinkFailure) {
        let place = "\(address):\(port)"
        guard (0...65535).contains(port) else { throw LinkFailure(.other, "\(port) is no TCP port") }
        let deadline = Deadline(after: .seconds(5))
        let bound: SocketAddress
        switch Resolver.resolve(address, port: port, deadline) {
        case .success(let addresses): bound = addresses[0]
        case .failure(let failure): throw failure
        }
        guard let socket = NetworkSocket.make(family: bound.family) else {
            throw LinkFailure(.other, "no socket for \(place): \(systemWords(errno))")
        }
        socket.set(SOL_SOCKET, SO_REUSEADDR, 1)
        let code = bound.with { bind(socket.descriptor, $0, $1) }
        guard code == 0, listen(socket.descriptor, 256) == 0,
            let actual = SocketAddress.localPort(of: socket.descriptor)
        else {
            throw LinkFailure(.other, "cannot listen on \(place): \(systemWords(errno))")
        }
        descriptor = socket.release()
        self.port = actual
        self.context = context
    }

    deinit { close() }

    package func accept() -> AcceptResult {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        for _ in 0..<16 {
            let taken = withUnsafeMutablePointer(to: &storage) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.accept(descriptor, $0, &length)
                }
            }
            if taken >= 0 {
                _ = fcntl(taken, F_SETFD, FD_CLOEXEC)
                _ = fcntl(taken, F_SETFL, O_NONBLOCK)
                let address = withUnsafePointer(to: storage) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { SocketAddress($0, length) }
                }
                return serve(taken, address?.text ?? "a client")
            }
            switch errno {
            case EAGAIN: return .wouldBlock
            case EINTR, ECONNABORTED, EPROTO: continue
            default:
                return .failed(LinkFailure(.other, "cannot accept on port \(port): \(systemWords(errno))"))
            }
        }
        return .wouldBlock
    }

    package func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    private func serve(_ taken: Int32, _ peer: String) -> AcceptResult {
        let socket = NetworkSocket.adopt(taken)
        socket.tune()
        guard let context else {
            return .link(Link(owning: socket.release(), ssl: nil, side: .server, peer: peer))
        }
        ERR_clear_error()
        guard let ssl = SSL_new(context.handle) else {
            return .failed(LinkFailure(.other, "TLS cannot be set up: \(OpenSSLErrors.take().summary)"))
        }
        let wantsClient = SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER != 0
        let notes = wantsClient ? VerificationNotes() : nil
        notes?.attach(to: ssl)
        SSL_set_accept_state(ssl)
        let link = Link(
            owning: socket.release(), ssl: ssl, side: .server, peer: peer, notes: notes,
            trustName: "the client CA")
        guard SSL_set_fd(ssl, link.descriptor) == 1 else {
            return .failed(LinkFailure(.other, "TLS cannot be set up: \(OpenSSLErrors.take().summary)"))
        }
        return .link(link)
    }
}
