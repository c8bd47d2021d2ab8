import COpenSSL

/// Bounds what a peer may send beside data once the handshake is over.
extension Link {
    /// New keys for what leaves from here on (TLS 1.3 KeyUpdate, RFC 8446 section 4.6.3); with
    /// `askingPeer` the peer has to renew its own too. It goes out before the bytes of the next
    /// write; false where there is no TLS 1.3.
    @discardableResult
    package func updateKeys(askingPeer: Bool) -> Bool {
        guard let ssl, isEstablished, end == nil else { return false }
        let code = SSL_key_update(
            ssl, askingPeer ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED)
        ERR_clear_error()
        return code == 1
    }

    package enum Extra: Sendable {
        case keyUpdate(askingPeer: Bool)
        /// A session ticket (TLS 1.3, RFC 8446 section 4.6.1), by a server.
        case ticket
        /// HelloRequest (TLS 1.2, RFC 5246 section 7.4.1.1), by a server that allows it.
        case renegotiation
    }

    /// Sends one of these alone, without data; false if the socket takes no more, or it is not
    /// possible.
    package func sendAlone(_ extra: Extra) -> Bool {
        guard let ssl, isEstablished, end == nil else { return false }
        ERR_clear_error()
        defer { ERR_clear_error() }
        // One that found no room before goes first.
        if SSL_in_init(ssl) == 1 { return SSL_do_handshake(ssl) == 1 }
        switch extra {
        case .keyUpdate(let askingPeer):
            guard updateKeys(askingPeer: askingPeer) else { return false }
        case .ticket: guard SSL_new_session_ticket(ssl) == 1 else { return false }
        case .renegotiation:
            shim_SSL_allow_renegotiation(ssl)
            guard SSL_renegotiate(ssl) == 1 else { return false }
        }
        return SSL_do_handshake(ssl) == 1
    }
}
