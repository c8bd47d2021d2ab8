import Base
import CLinux
import COpenSSL
import Glibc

/// A listening TCP socket of the HTTP door or a simulator, with TLS or without. Accepting never
/// waits, and neither does a link that it gives: the TLS handshake happens inside the link's first
/// reads and writes. `@unchecked Sendable` under the rule of `Link`: one thread at a time.
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
        guard (0...65535).contains(port) else {
            throw LinkFailure(.other, "\(port) is no TCP port")
        }
        let deadline = Deadline(after: .seconds(5))
        let bound: SocketAddress
        switch Resolver.resolve(address, port: port, deadline) {
        case .success(let addresses): bound = addresses[0]
        case .failure(let failure): throw failure
        }
        do throws(SystemFailure) {
            let socket = try OwnedFD.tcp(family: bound.family)
            socket.set(SOL_SOCKET, SO_REUSEADDR, 1)
            try checked("bind") { bound.with { bind(socket.number, $0, $1) } }
            try checked("listen") { listen(socket.number, 256) }
            self.port = SocketAddress.local(of: socket.number)?.port ?? port
            descriptor = socket.release()
        } catch {
            throw LinkFailure(.other, "cannot listen on \(place): \(error.words)")
        }
        self.context = context
    }

    deinit { close() }

    package func accept() -> AcceptResult {
        // A client that has gone before we looked is no failure of ours.
        for _ in 0..<16 {
            do throws(SystemFailure) {
                return serve(
                    Self.tuned(
                        try OwnedFD("accept") { clinux_accept(descriptor, OwnedFD.socketFlags) }))
            } catch {
                if error.code == EAGAIN { return .wouldBlock }
                if error.code == ECONNABORTED || error.code == EPROTO { continue }
                return .failed(LinkFailure(.other, "cannot accept on port \(port): \(error.words)"))
            }
        }
        return .wouldBlock
    }

    /// Lets no client in from now on, also while a child that was just started still has its copy
    /// of the descriptor: its exec closes the copy, and until then a client would get into the
    /// queue.
    package func close() {
        guard descriptor >= 0 else { return }
        shutdown(descriptor, Int32(SHUT_RDWR))
        Glibc.close(descriptor)
        descriptor = -1
    }

    /// Apart from `serve`, which Swift 6.0.3 cannot optimise with an owned descriptor in it.
    private static func tuned(_ socket: consuming OwnedFD) -> Int32 {
        socket.tuneTCP()
        return socket.release()
    }

    /// A link that owns the accepted socket from now on.
    private func serve(_ accepted: Int32) -> AcceptResult {
        let peer = SocketAddress.remote(of: accepted)?.text ?? "a client"
        ERR_clear_error()
        let ssl = context.flatMap { SSL_new($0.handle) }
        let wantsClient = ssl.map { SSL_get_verify_mode($0) & SSL_VERIFY_PEER != 0 } ?? false
        let notes = wantsClient ? VerificationNotes() : nil
        let link = Link(
            owning: accepted, ssl: ssl, side: .server, peer: peer, notes: notes,
            trustName: "the client CA")
        guard context != nil else { return .link(link) }
        guard let ssl, SSL_set_fd(ssl, link.descriptor) == 1 else {
            return .failed(
                LinkFailure(.other, "TLS cannot be set up: \(OpenSSLErrors.take().summary)"))
        }
        notes?.attach(to: ssl)
        SSL_set_accept_state(ssl)
        return .link(link)
    }
}
