import COpenSSL

extension Link {
    /// New keys for what leaves from here on (TLS 1.3 KeyUpdate, RFC 8446 section 4.6.3); with
    /// `askingPeer` the peer has to renew its own too. It goes out before the bytes of the next write;
    /// false where there is no TLS 1.3.
    @discardableResult
    package func updateKeys(askingPeer: Bool) -> Bool {
        guard let ssl, isEstablished, end == nil else { return false }
        let code = SSL_key_update(ssl, askingPeer ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED)
        ERR_clear_error()
        return code == 1
    }
}
