import Base
import COpenSSL
import Glibc

/// One connected byte stream, TLS or plain, on a non-blocking socket.
///
/// `@unchecked Sendable` under one rule: a link may move from thread to thread (the network helper
/// makes it, the loop uses it), but only one thread uses it at a time. Neither OpenSSL's connection
/// nor this class has a lock.
///
/// How to use it from a readiness loop:
/// - After `.bytes`, read again while `hasPending`: bytes that OpenSSL has already decrypted do not
///   make the descriptor readable.
/// - `.wouldBlock(wants)` tells which readiness to wait for; a TLS read may want to write and the
///   other way round: wait for writability as long as `readWantsWrite`, then read again. A server's
///   link does its handshake inside the first reads and writes.
/// - After `write` answered `.wouldBlock`, the next write must begin with the same bytes (more may
///   follow them); the array may have moved.
/// - `.closed` and `.failed` are final.
package final class Link: @unchecked Sendable {
    package enum Wants: Hashable, Sendable { case read, write }

    package enum ReadResult: Equatable, Sendable {
        case bytes([UInt8])
        case wouldBlock(wants: Wants)
        /// The peer has closed; with or without TLS close_notify, which many servers never send.
        case closed
        case failed(LinkFailure)
    }

    package enum WriteResult: Equatable, Sendable {
        /// Number of bytes taken from the slice's beginning; at most one TLS record (16 KiB).
        case wrote(Int)
        case wouldBlock(wants: Wants)
        case closed
        case failed(LinkFailure)
    }

    enum Side: Sendable { case client, server }
    enum End: Equatable { case closed, failed(LinkFailure) }

    /// The most that one read answers and one write takes: a TLS record's plain text.
    package static let chunkMax = 16_384

    /// The socket, to wait on; -1 after `close`.
    package private(set) var descriptor: Int32
    /// Whom it leads to, for log lines: "bridge.example:8883 (192.0.2.1:8883)".
    package let peer: String

    let side: Side
    /// `SSL *`, owned; nil on a plain link and after `close`.
    var ssl: OpaquePointer?
    let notes: VerificationNotes?
    let budget = ReadBudget()
    /// The handshake has ended well.
    var isEstablished = false
    /// Why reading and writing is over.
    var end: End?
    /// Whether OpenSSL holds nothing that a read may answer, until a byte is taken from the socket.
    private var isStarved = false
    /// The last read has an answer to send first (to a KeyUpdate), for which the socket had no
    /// room.
    package private(set) var readWantsWrite = false
    /// Names for sentences about a failed handshake.
    let trustName: String
    let expectedName: String

    /// Takes ownership of the socket and of `ssl`, which must already be set up on it.
    init(
        owning descriptor: Int32, ssl: OpaquePointer?, side: Side, peer: String,
        notes: VerificationNotes? = nil, trustName: String = "", expectedName: String = ""
    ) {
        self.descriptor = descriptor
        self.ssl = ssl
        self.side = side
        self.peer = peer
        self.notes = notes
        self.trustName = trustName
        self.expectedName = expectedName
    }

    deinit { close(orderly: false) }

    /// True while bytes wait inside OpenSSL that a read may answer: read again before waiting for
    /// readiness. A record that has come in part is no reason to.
    package var hasPending: Bool {
        guard let ssl, end == nil, !isStarved else { return false }
        return SSL_has_pending(ssl) == 1
    }

    package var isTLS: Bool { ssl != nil }

    /// This machine's address of the connection, without the port.
    package var localAddress: String? { SocketAddress.local(of: descriptor)?.host }

    /// Grows with each TLS record that was read, and more with each message that brings no data.
    package var work: Int { budget.work }

    /// "TLSv1.3 TLS_AES_256_GCM_SHA384"; nil on a plain link or before the handshake has ended.
    package var protection: String? {
        guard let ssl, isEstablished else { return nil }
        let cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(ssl))
        return
            "\(String(cString: SSL_get_version(ssl))) \(cipher.map { String(cString: $0) } ?? "")"
    }

    /// Reads what is there, up to `max` bytes and never more than `chunkMax`.
    package func read(max: Int = chunkMax) -> ReadResult {
        switch end {
        case .closed: return .closed
        case .failed(let failure): return .failed(failure)
        case nil: break
        }
        let room = min(max, Self.chunkMax)
        guard room > 0 else { return .bytes([]) }
        return withUnsafeTemporaryAllocation(byteCount: room, alignment: 1) { buffer in
            let step = ssl.map { readTLS($0, buffer) } ?? readPlain(buffer)
            (isStarved, readWantsWrite) = (false, false)
            switch step {
            case .moved(let count):
                isStarved = ssl.map { SSL_has_pending($0) == 0 } ?? false
                return .bytes(Array(UnsafeRawBufferPointer(rebasing: buffer[..<count])))
            case .wants(let wants):
                (isStarved, readWantsWrite) = (true, wants == .write)
                return .wouldBlock(wants: wants)
            case .closed: return .closed
            case .failed(let failure): return .failed(failure)
            }
        }
    }

    /// Writes as much of `bytes` as fits without waiting; an empty slice writes nothing.
    package func write(_ bytes: ArraySlice<UInt8>) -> WriteResult {
        switch end {
        case .closed: return .closed
        case .failed(let failure): return .failed(failure)
        case nil: break
        }
        guard !bytes.isEmpty else { return .wrote(0) }
        let step = bytes.withUnsafeBytes { raw in
            let chunk = UnsafeRawBufferPointer(rebasing: raw.prefix(Self.chunkMax))
            guard let ssl else { return writePlain(chunk) }
            // In the middle of a handshake message a write may read, and take along what comes
            // behind it.
            let before = BIO_number_read(SSL_get_rbio(ssl))
            defer { if BIO_number_read(SSL_get_rbio(ssl)) != before { isStarved = false } }
            return writeTLS(ssl, chunk)
        }
        switch step {
        case .moved(let count): return .wrote(count)
        case .wants(let wants): return .wouldBlock(wants: wants)
        case .closed: return .closed
        case .failed(let failure): return .failed(failure)
        }
    }

    /// Closes the socket; doing it twice does nothing. `orderly` first says goodbye (TLS
    /// close_notify and FIN) and takes what the peer had already sent, so that the kernel does not
    /// answer it with a reset that would destroy our last bytes on their way. Never waits.
    package func close(orderly: Bool) {
        guard descriptor >= 0 else { return }
        if orderly, end == nil {
            if let ssl, isEstablished {
                ERR_clear_error()
                SSL_shutdown(ssl)
            }
            shutdown(descriptor, Int32(SHUT_WR))
            withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
                var turns = 0
                while turns < 16, recv(descriptor, buffer.baseAddress, buffer.count, 0) > 0 {
                    turns += 1
                }
            }
        }
        if let ssl { SSL_free(ssl) }
        ERR_clear_error()
        ssl = nil
        Glibc.close(descriptor)
        descriptor = -1
        if end == nil { end = .closed }
    }
}
