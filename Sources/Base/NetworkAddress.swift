/// A serial line, or a Modbus device, at the other end of a TCP connection:
/// `tcp://10.0.0.5:4001`, `rfc2217://[2001:db8::1]:2217`.
package struct NetworkAddress: Hashable, Sendable {
    package enum Scheme: String, Hashable, Sendable, CaseIterable {
        /// The bytes of the line as they are.
        case tcp
        /// Telnet with the option COM-PORT-OPTION (RFC 2217), by which the line is set.
        case rfc2217
    }

    /// Reason why a text is no address: what is wrong, and what to write.
    package struct Problem: Error, Hashable, Sendable {
        package let message: String

        package init(message: String) { self.message = message }
    }

    package var scheme: Scheme
    /// A name or a numeric address, without brackets.
    package var host: String
    package var port: Int

    package init(_ scheme: Scheme, host: String, port: Int) {
        self.scheme = scheme
        self.host = host
        self.port = port
    }

    /// True for text that is to be read as an address and not as a path.
    package static func isMeant(by text: String) -> Bool { text.contains("://") }

    /// - Parameter portDefault: used for an address without a port; nil: it must have one.
    package init(_ text: String, portDefault: Int? = nil) throws(Problem) {
        let shown = Notice.printable(String(text.prefix(80)))
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let known = Scheme.allCases.map { "\($0.rawValue)://" }.joined(separator: " and ")
        guard parts.count == 2, parts[1].hasPrefix("//") else {
            throw Problem(message: "\"\(shown)\" is no address; write tcp://HOST:PORT")
        }
        guard let scheme = Scheme(rawValue: String(parts[0])) else {
            throw Problem(message: "\"\(shown)\" cannot be used; there are \(known)")
        }
        var place = parts[1].dropFirst(2)
        if place.hasSuffix("/") { place = place.dropLast() }
        let host: Substring
        var rest: Substring
        if place.hasPrefix("["), let end = place.firstIndex(of: "]") {
            host = place[..<end].dropFirst()
            rest = place[end...].dropFirst()
        } else {
            let end = place.firstIndex(of: ":") ?? place.endIndex
            (host, rest) = (place[..<end], place[end...])
        }
        let allowed = host.utf8.allSatisfy {
            (0x21...0x7E).contains($0) && $0 != 0x2F && $0 != 0x40
        }
        guard !host.isEmpty, host.utf8.count <= 253, allowed else {
            throw Problem(
                message: "\"\(shown)\" names no host; write \(scheme.rawValue)://HOST:PORT, "
                    + "an IPv6 address in brackets")
        }
        guard !rest.isEmpty || portDefault == nil else {
            self.init(scheme, host: String(host), port: portDefault ?? 0)
            return
        }
        let isPort = rest.hasPrefix(":")
        rest = rest.dropFirst()
        let isNumber = rest.utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard isPort, isNumber, let port = Int(rest), (1...65_535).contains(port) else {
            throw Problem(
                message: "\"\(shown)\" needs a TCP port from 1 to 65535, as in "
                    + "\(scheme.rawValue)://\(host.contains(":") ? "[\(host)]" : host):4001")
        }
        self.init(scheme, host: String(host), port: port)
    }

    package var text: String {
        "\(scheme.rawValue)://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }
}
