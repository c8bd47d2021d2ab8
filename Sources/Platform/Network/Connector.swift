import Base
import COpenSSL
import Glibc

/// Makes a link: resolve, connect, handshake, under one deadline. Blocks, so it runs on the network
/// helper. An HTTP proxy is asked for the way between the TCP connection and the handshake.
package enum Connector {
    /// - Parameter context: for `target.tls`; a target with TLS and no context is refused.
    /// - Parameter interrupt: a descriptor that ends the attempt early when it becomes readable.
    /// - Returns: a connected, verified, non-blocking link, or one sentence that says what to do.
    package static func connect(
        _ target: LinkTarget, context: TLSContext?, interruptedBy interrupt: Int32 = -1
    ) -> Result<Link, LinkFailure> {
        let deadline = Deadline(after: target.deadline, interrupt: interrupt)
        guard (1...65535).contains(target.port) else {
            return .failure(LinkFailure(.other, "\(target.port) is no TCP port: check `port`"))
        }
        guard !target.host.isEmpty, !target.host.utf8.contains(0) else {
            return .failure(LinkFailure(.resolve, "the bridge's host name is empty: check `host`"))
        }
        guard target.tls else {
            return reach(target, deadline).map {
                Link(owning: $0, ssl: nil, side: .client, peer: target.describe)
            }
        }
        guard let context else {
            return .failure(
                LinkFailure(.other, "\(target.describe) needs TLS and there is no TLS context"))
        }
        let name: PeerName
        do throws(CredentialError) { name = try PeerName(target.serverName) } catch {
            return .failure(LinkFailure(.hostName, error.message))
        }
        return reach(target, deadline).flatMap { secure($0, target, name, context, deadline) }
    }

    private static func reach(
        _ target: LinkTarget, _ deadline: Deadline
    ) -> Result<Int32, LinkFailure> {
        guard let proxy = target.proxy else {
            return Resolver.resolve(target.host, port: target.port, deadline).flatMap { addresses in
                Dialer.dial(addresses, target, deadline)
            }
        }
        let relay = LinkTarget(
            host: proxy.host, port: proxy.port, tls: false, deadline: target.deadline)
        return Resolver.resolve(relay.host, port: relay.port, deadline)
            .flatMap { Dialer.dial($0, relay, deadline) }
            .mapError { LinkFailure($0.kind, "the proxy: \($0.message)") }
            .flatMap { ProxyTunnel.open($0, through: proxy, to: target, deadline) }
    }

    /// TLS over a connected socket, which it owns from now on.
    private static func secure(
        _ descriptor: Int32, _ target: LinkTarget, _ name: PeerName, _ context: TLSContext,
        _ deadline: Deadline
    ) -> Result<Link, LinkFailure> {
        ERR_clear_error()
        let notes = VerificationNotes()
        let ssl = SSL_new(context.handle)
        let link = Link(
            owning: descriptor, ssl: ssl, side: .client, peer: target.describe, notes: notes,
            trustName: context.trust.name, expectedName: name.text)
        guard let ssl, SSL_set_fd(ssl, descriptor) == 1, name.require(on: ssl),
            offer(target.alpn, on: ssl)
        else {
            return .failure(
                LinkFailure(.other, "TLS cannot be set up: \(OpenSSLErrors.take().summary)"))
        }
        notes.attach(to: ssl)
        SSL_set_connect_state(ssl)
        if let failure = link.handshake(target, deadline) { return .failure(failure) }
        guard name.isConfirmed(by: ssl) else {
            return .failure(
                LinkFailure(
                    .untrusted,
                    "\(target.describe): the certificate was not verified; the connection is dropped"
                ))
        }
        return .success(link)
    }

    /// One protocol name behind its length (RFC 7301 section 3.1).
    private static func offer(_ alpn: String, on ssl: OpaquePointer) -> Bool {
        let name = Array(alpn.utf8)
        guard let length = UInt8(exactly: name.count), length > 0 else { return name.isEmpty }
        // This one function of OpenSSL answers 0 for success.
        return SSL_set_alpn_protos(ssl, [length] + name, UInt32(name.count + 1)) == 0
    }
}

extension Link {
    /// Drives the handshake to its end or the deadline; nil when it is done.
    fileprivate func handshake(_ target: LinkTarget, _ deadline: Deadline) -> LinkFailure? {
        guard let ssl else { return nil }
        while let step = handshakeStep(ssl) {
            let events: Int32
            switch step {
            case .wants(.read): events = Int32(POLLIN)
            case .wants(.write): events = Int32(POLLOUT)
            case .failed(let failure): return failure
            case .closed, .moved: return closedInHandshake
            }
            switch deadline.wait(descriptor, for: events) {
            case .ready: continue
            case .interrupted: return LinkFailure(.other, "the attempt was interrupted")
            case .expired:
                return LinkFailure(
                    .deadline,
                    "\(peer) accepts the connection but the TLS handshake did not end within "
                        + "\(seconds(target.deadline)): is this a TLS port, and is the bridge overloaded?"
                )
            }
        }
        return nil
    }
}
