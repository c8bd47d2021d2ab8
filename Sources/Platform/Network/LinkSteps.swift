import Base
import COpenSSL
import Glibc

/// One call to OpenSSL or the kernel, and what came of it. Failures are final and remembered.
extension Link {
    enum Step {
        case moved(Int)
        case wants(Wants)
        case closed
        case failed(LinkFailure)
    }

    /// One step of the handshake; nil once it has ended well. A server's link takes these steps
    /// inside its reads and writes.
    func handshakeStep(_ ssl: OpaquePointer) -> Step? {
        if !budget.isAttached { budget.attach(to: ssl) }
        budget.begin()
        if isEstablished { return nil }
        ERR_clear_error()
        let code = SSL_do_handshake(ssl)
        let number = errno
        guard code == 1 else { return outcome(ssl, code, number) }
        isEstablished = true
        return nil
    }

    func readTLS(_ ssl: OpaquePointer, _ buffer: UnsafeMutableRawBufferPointer) -> Step {
        if let step = handshakeStep(ssl) { return step }
        ERR_clear_error()
        let count = SSL_read(ssl, buffer.baseAddress, Int32(clamping: buffer.count))
        let number = errno
        guard count > 0 else { return outcome(ssl, count, number) }
        budget.gained()
        return .moved(Int(count))
    }

    func writeTLS(_ ssl: OpaquePointer, _ bytes: UnsafeRawBufferPointer) -> Step {
        if let step = handshakeStep(ssl) { return step }
        ERR_clear_error()
        let count = SSL_write(ssl, bytes.baseAddress, Int32(clamping: bytes.count))
        let number = errno
        return count > 0 ? .moved(Int(count)) : outcome(ssl, count, number)
    }

    func readPlain(_ buffer: UnsafeMutableRawBufferPointer) -> Step {
        let count = retrying { recv(descriptor, buffer.baseAddress, buffer.count, 0) }
        if count > 0 { return .moved(count) }
        if count == 0 { return finish(.closed) }
        let number = errno
        return number == EAGAIN ? .wants(.read) : finish(.failed(systemFailure(number)))
    }

    func writePlain(_ bytes: UnsafeRawBufferPointer) -> Step {
        let count = retrying {
            send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        }
        if count >= 0 { return .moved(count) }
        let number = errno
        return number == EAGAIN ? .wants(.write) : finish(.failed(systemFailure(number)))
    }

    /// Interprets a call that moved nothing (SSL_get_error(3)). Must run on the thread of the call.
    private func outcome(_ ssl: OpaquePointer, _ code: Int32, _ number: Int32) -> Step {
        let error = SSL_get_error(ssl, code)
        if budget.isOverdrawn, error == SSL_ERROR_WANT_READ {
            ERR_clear_error()
            return finish(
                .failed(
                    LinkFailure(
                        .other,
                        "\(peer) sends TLS records without data, and nothing else (\(budget.words)): the connection is cut; "
                            + "its server, or what stands between, must be mended")))
        }
        switch error {
        case SSL_ERROR_WANT_READ: return .wants(.read)
        case SSL_ERROR_WANT_WRITE: return .wants(.write)
        case SSL_ERROR_ZERO_RETURN: return finishAtEnd()
        case SSL_ERROR_SYSCALL:
            ERR_clear_error()
            return number == 0 ? finishAtEnd() : finish(.failed(systemFailure(number)))
        default:
            let errors = OpenSSLErrors.take()
            if errors.tlsReason == SSL_R_UNEXPECTED_EOF_WHILE_READING { return finishAtEnd() }
            return finish(.failed(tlsFailure(errors)))
        }
    }

    /// The peer's end of the stream: ordinary, unless the handshake was still going on.
    private func finishAtEnd() -> Step {
        if budget.renegotiations > 0 { return finish(.failed(renegotiationRefused)) }
        return finish(isEstablished ? .closed : .failed(closedInHandshake))
    }

    func finish(_ reason: End) -> Step {
        end = reason
        switch reason {
        case .closed: return .closed
        case .failed(let failure): return .failed(failure)
        }
    }

    func systemFailure(_ number: Int32) -> LinkFailure {
        switch number {
        case ECONNRESET, EPIPE: LinkFailure(.reset, "\(peer) reset the connection")
        case ETIMEDOUT:
            LinkFailure(
                .unreachable, "\(peer) no longer answers (TCP timed out): check the network")
        case ENETUNREACH, EHOSTUNREACH, ENETDOWN:
            LinkFailure(
                .unreachable,
                "\(peer) cannot be reached any more (\(systemWords(number))): check the network")
        default: LinkFailure(.other, "\(peer): \(systemWords(number))")
        }
    }

    var renegotiationRefused: LinkFailure {
        LinkFailure(
            .other,
            "\(peer) wanted to renegotiate the TLS 1.2 connection, which is never done, and gave it up: switch "
                + "renegotiation off at its server, or TLS 1.3 on")
    }

    var closedInHandshake: LinkFailure {
        LinkFailure(
            .handshake,
            "\(peer) closed the connection during the TLS handshake: is this a TLS port, and does its "
                + "server take TLS 1.2 or later?")
    }
}
