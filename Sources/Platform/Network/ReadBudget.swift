import COpenSSL

/// Bounds what one call to OpenSSL reads, and counts records that bring no data.
///
/// OpenSSL goes on reading inside one SSL_read until there is application data. A peer that sends
/// only key updates, session tickets or empty records would hold its caller for as long as it
/// likes. So a call takes at most `readsMax` times from the socket, and a peer that sends
/// `barrenMax` records without data is cut off.
///
/// `@unchecked Sendable` under the same rule as `Link`, which owns it.
final class ReadBudget: @unchecked Sendable {
    /// Each takes one buffer, 16 KiB and a little, at most.
    static let readsMax = 2
    /// A handshake has a few tens, an ordinary connection a few between two records with data.
    static let barrenMax = 512
    /// Number of records without data that are forgiven for each one with data.
    private static let forgiven = 8
    /// Price of a handshake message in records with data: a key update derives new keys.
    private static let messageCost = 3

    private var reads = 0
    private(set) var isAttached = false
    /// Records since the last ones with data.
    private(set) var barren = 0
    private(set) var keyUpdates = 0
    private(set) var tickets = 0
    /// HelloRequests (TLS 1.2): the peer wants to negotiate again.
    private(set) var renegotiations = 0
    /// Records and, dearer, handshake messages since the beginning.
    private(set) var work = 0

    /// The socket must have been given to `ssl`; this object must outlive it.
    func attach(to ssl: OpaquePointer) {
        isAttached = true
        let own = Unmanaged.passUnretained(self).toOpaque()
        SSL_set_msg_callback(ssl, noteMessage)
        SSL_ctrl(ssl, SSL_CTRL_SET_MSG_CALLBACK_ARG, 0, own)
        guard let bio = SSL_get_rbio(ssl) else { return }
        BIO_set_callback_arg(bio, own.assumingMemoryBound(to: CChar.self))
        BIO_set_callback_ex(bio, admitRead)
    }

    /// Before each call to OpenSSL.
    func begin() { reads = 0 }

    /// A record with application data was read.
    func gained() { barren = max(0, barren - 1 - Self.forgiven) }

    var isOverdrawn: Bool { barren > Self.barrenMax }

    fileprivate func admit() -> Bool {
        guard reads < Self.readsMax, !isOverdrawn else { return false }
        reads += 1
        return true
    }

    fileprivate func note(_ contentType: Int32, _ first: UInt8?) {
        if contentType == SSL3_RT_HEADER {
            barren += 1
            work += 1
        }
        guard contentType == SSL3_RT_HANDSHAKE, let first else { return }
        work += Self.messageCost
        switch Int32(first) {
        case SSL3_MT_HELLO_REQUEST: renegotiations += 1
        case SSL3_MT_NEWSESSION_TICKET: tickets += 1
        case SSL3_MT_KEY_UPDATE: keyUpdates += 1
        default: break
        }
    }

    /// For a sentence: what the records without data were.
    var words: String {
        let kinds = [
            (keyUpdates, "key updates"), (tickets, "session tickets"),
            (renegotiations, "renegotiation requests"),
        ]
        let named = kinds.filter { $0.0 > 8 }.map { "\($0.0) \($0.1)" }
        return named.isEmpty ? "empty or unfinished records" : named.joined(separator: ", ")
    }
}

/// A read that is not admitted answers like a socket that has nothing.
private func admitRead(
    _ bio: OpaquePointer?, _ operation: Int32, _ bytes: UnsafePointer<CChar>?, _ count: Int,
    _ argi: Int32,
    _ argl: Int, _ result: Int32, _ processed: UnsafeMutablePointer<Int>?
) -> Int {
    guard operation == BIO_CB_READ, let bio, let raw = BIO_get_callback_arg(bio) else {
        return Int(result)
    }
    if Unmanaged<ReadBudget>.fromOpaque(raw).takeUnretainedValue().admit() { return Int(result) }
    BIO_clear_flags(
        bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_IO_SPECIAL | BIO_FLAGS_SHOULD_RETRY)
    BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
    return -1
}

/// Every record header and every message that arrives.
private func noteMessage(
    _ isWritten: Int32, _ version: Int32, _ contentType: Int32, _ bytes: UnsafeRawPointer?,
    _ count: Int,
    _ ssl: OpaquePointer?, _ argument: UnsafeMutableRawPointer?
) {
    guard isWritten == 0, let argument else { return }
    let first = count > 0 ? bytes?.load(as: UInt8.self) : nil
    Unmanaged<ReadBudget>.fromOpaque(argument).takeUnretainedValue().note(contentType, first)
}
