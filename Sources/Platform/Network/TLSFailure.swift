import Base
import COpenSSL
import Glibc

/// From OpenSSL's reasons to one sentence that says what to do.
extension Link {
    func tlsFailure(_ errors: OpenSSLErrors) -> LinkFailure {
        guard let reason = errors.tlsReason else {
            return LinkFailure(.handshake, "\(peer): TLS failed (\(errors.summary))")
        }
        if reason == SSL_R_CERTIFICATE_VERIFY_FAILED, let notes {
            return verificationFailure(notes)
        }
        let words = errors.summary
        if isEstablished { return brokenStream(reason, words) }
        switch reason {
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION,
            SSL_R_NO_PROTOCOLS_AVAILABLE,
            SSL_R_VERSION_TOO_LOW:
            return LinkFailure(
                .protocolVersion,
                "\(peer) does not speak TLS 1.2 or later (\(words)): its server must be updated")
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST,
            SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_BAD_RECORD_TYPE:
            return LinkFailure(
                .handshake,
                "\(peer) does not answer with TLS (\(words)): check `port`, or whether it is a plain one"
            )
        case SSL_R_TLSV1_ALERT_UNKNOWN_CA, SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
            SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
            SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED,
            SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
            return certificateRefused(words)
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return certificateMissing
        case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, SSL_R_NO_SHARED_CIPHER,
            SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY:
            return LinkFailure(
                .handshake,
                "\(peer) and this machine have no acceptable cipher in common, or a client certificate "
                    + "is missing (\(words))")
        case SSL_R_TLSV1_UNRECOGNIZED_NAME:
            return LinkFailure(
                .hostName,
                "\(peer) does not serve the name \(expectedName): check `host` or `serverName`")
        case SSL_R_DH_KEY_TOO_SMALL, SSL_R_EE_KEY_TOO_SMALL, SSL_R_CA_KEY_TOO_SMALL,
            SSL_R_CA_MD_TOO_WEAK:
            return LinkFailure(
                .untrusted,
                "\(peer) uses keys or signatures that are too weak (\(words)): its server must be updated"
            )
        default:
            return LinkFailure(.handshake, "the TLS handshake with \(peer) failed (\(words))")
        }
    }

    /// The failure of a connection that stood. With TLS 1.3 a client certificate is judged after
    /// the handshake.
    private func brokenStream(_ reason: Int32, _ words: String) -> LinkFailure {
        if budget.renegotiations > 0 { return renegotiationRefused }
        switch reason {
        case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE
        where ssl.map { SSL_version($0) } == TLS1_2_VERSION,
            SSL_R_NO_RENEGOTIATION:
            return renegotiationRefused
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST,
            SSL_R_PACKET_LENGTH_TOO_LONG,
            SSL_R_BAD_RECORD_TYPE, SSL_R_UNEXPECTED_RECORD, SSL_R_ENCRYPTED_LENGTH_TOO_LONG:
            return LinkFailure(
                .other,
                "\(peer) sent bytes that are not TLS in the middle of the connection (\(words)): look for a proxy or "
                    + "firewall between that speaks in its place, or at its server")
        case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, SSL_R_BAD_DECOMPRESSION,
            SSL_R_DATA_LENGTH_TOO_LONG:
            return LinkFailure(
                .other,
                "\(peer) sent a TLS record that is damaged or not its own (\(words)): look for a device between that "
                    + "changes what passes through it")
        case SSL_R_TLSV1_ALERT_UNKNOWN_CA, SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
            SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN,
            SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
            SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
            return certificateRefused(words)
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return certificateMissing
        default: return LinkFailure(.other, "the TLS connection to \(peer) was lost (\(words))")
        }
    }

    private func certificateRefused(_ words: String) -> LinkFailure {
        LinkFailure(
            .handshake,
            side == .server
                ? "\(peer) does not accept our certificate (\(words)): it must trust our CA"
                : "\(peer) does not accept our client certificate (\(words)): check `clientCertificate`"
        )
    }

    private var certificateMissing: LinkFailure {
        LinkFailure(
            .handshake,
            side == .server
                ? "\(peer) gave no client certificate"
                : "\(peer) wants a client certificate: set `clientCertificate` and `clientKey`")
    }

    private func verificationFailure(_ notes: VerificationNotes) -> LinkFailure {
        let words = String(cString: X509_verify_cert_error_string(Int(notes.error)))
        let facts = notes.certificate
        let own = notes.depth == 0
        let whose = side == .server ? "the client's" : "the bridge's"
        let which = own ? "\(whose) certificate" : "the CA certificate \"\(facts?.subject ?? "?")\""
        let clock = WallTime(milliseconds: Int64(Glibc.time(nil)) * 1000)
        switch notes.error {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return LinkFailure(
                .certificateTime,
                "\(which) expired on \(day(facts?.notAfter)) and this machine's date is \(day(clock)): "
                    + "renew the certificate, or set the clock")
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return LinkFailure(
                .certificateTime,
                "\(which) is not valid before \(day(facts?.notBefore)) and this machine's date is "
                    + "\(day(clock)): set the clock")
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            return LinkFailure(
                .hostName,
                "\(which) \(facts?.mismatch(try? PeerName(expectedName), expectedName) ?? "is for another name")"
            )
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
            X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_SIGNATURE_FAILURE,
            X509_V_ERR_CERT_UNTRUSTED, X509_V_ERR_INVALID_CA:
            return LinkFailure(
                .untrusted,
                "\(whose) certificate is not signed by a CA in \(trustName) (\(words)): check `ca`")
        default:
            return LinkFailure(
                .untrusted, "\(which) cannot be trusted (\(words)): it must be replaced")
        }
    }

    /// "2026-11-22 09:00 UTC"
    private func day(_ time: WallTime?) -> String {
        guard let stamp = time?.timestamp else { return "an unreadable date" }
        return "\(stamp.prefix(10)) \(stamp.dropFirst(11).prefix(5)) UTC"
    }
}
