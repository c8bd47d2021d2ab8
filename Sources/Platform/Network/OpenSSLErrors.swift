import COpenSSL

/// Content of OpenSSL's error queue of this thread. The queue must be empty before each call whose
/// outcome is then asked for (`ERR_clear_error`), and `take` always empties it.
struct OpenSSLErrors {
    struct Entry: Equatable {
        var library: Int32
        var reason: Int32
        var text: String
    }
    /// Oldest first: the cause, then what failed because of it.
    var entries: [Entry] = []

    static func take() -> OpenSSLErrors {
        var errors = OpenSSLErrors()
        for _ in 0..<16 {
            let code = ERR_get_error()
            if code == 0 { return errors }
            let text = ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
            errors.entries.append(
                Entry(library: ERR_GET_LIB(code), reason: ERR_GET_REASON(code), text: text))
        }
        ERR_clear_error()
        return errors
    }

    /// The reason code of the oldest entry that the TLS layer made.
    var tlsReason: Int32? { entries.first { $0.library == ERR_LIB_SSL }?.reason }

    /// The cause in OpenSSL's words.
    var summary: String {
        let cause = entries.first { $0.library == ERR_LIB_SSL } ?? entries.first
        return cause?.text ?? "OpenSSL gives no reason"
    }
}
