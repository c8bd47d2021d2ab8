import Base

/// The beginning of what the far side says, which tells a port that speaks another protocol.
struct FirstBytes: Sendable {
    private static let countMax = 64

    private var bytes: [UInt8] = []

    mutating func take(_ more: ArraySlice<UInt8>) {
        if bytes.count < Self.countMax { bytes += more.prefix(Self.countMax - bytes.count) }
    }

    /// The protocol that is spoken instead of MQTT and the cure, as the rest of a sentence that
    /// begins with the bridge.
    ///
    /// - Parameter tls: the bytes came out of TLS.
    func verdict(tls: Bool) -> String? {
        // An alert or a handshake record, of SSL 3.0 or later (RFC 8446 section 5.1).
        if bytes.count >= 2, bytes[0] == 0x15 || bytes[0] == 0x16, bytes[1] == 0x03 {
            return "answers with TLS: "
                + (tls ? "check `port`" : "its port wants TLS, leave out \"tls: false\"")
        }
        guard let line = firstLine else { return nil }
        if line.hasPrefix("HTTP/") {
            return
                "answers with HTTP (\"\(line)\"): a web server, or MQTT over WebSocket only; check `host` and `port`"
        }
        return "answers with text (\"\(line)\"): it is no MQTT port; check `host` and `port`"
    }

    /// Printable characters at the beginning; a packet of MQTT has other bytes within the first
    /// four.
    private var firstLine: String? {
        let line = bytes.prefix { (0x20...0x7E).contains($0) }
        guard line.count >= 4 else { return nil }
        return String(decoding: line, as: UTF8.self)
    }
}
