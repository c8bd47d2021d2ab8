import Base

extension Configuration {
    /// The HTTP door for people and monitoring: where it listens and who may come in.
    package struct Door: Hashable, Sendable {
        /// How much of the past is kept in memory for charts.
        package struct History: Hashable, Sendable {
            package var keep: Duration = .seconds(86_400)
            package var maxBytes = 8 << 20

            package init() {}
        }

        /// Where it listens in the file, for what only shows when it is opened.
        package var place: FilePlace
        /// A numeric address.
        package var address: String
        package var port: Int
        package var token: ByteString?
        package var certificate: Located<String>?
        package var key: Located<String>?
        /// Names in small letters by which clients may call it, beside loopback names and the
        /// address itself.
        package var names: [ByteString]
        package var actions: Bool
        /// Nil: none is kept.
        package var history: History?

        package static let portDefault = 8420

        package var isLoopback: Bool { Self.isLoopback(address) }

        /// True for an address that only this machine reaches.
        static func isLoopback(_ address: String) -> Bool {
            address.hasPrefix("127.") || address == "::1"
        }

        /// The same wherever it stands in its file: for comparing two files.
        package var withoutPlaces: Door {
            let nowhere = FilePlace("", TextPosition(line: 0, column: 0))
            var door = self
            door.place = nowhere
            door.certificate?.place = nowhere
            door.key?.place = nowhere
            return door
        }
    }
}

extension ConfigurationReader {
    /// Length of a token: shorter ones are guessed, longer ones do not fit into a header of ours.
    private static let tokenLengths = 8...256
    private static let tokenLengthAdvised = 16

    mutating func readDoor(_ field: Field) -> Configuration.Door? {
        guard var cursor = ObjectCursor(field, "\"http\"", problems, TopKeys.http) else {
            return nil
        }
        let listen = cursor.require("listen")
        let endpoint = listen.flatMap {
            Self.readListen($0, cursor, portDefault: Configuration.Door.portDefault)
        }
        let token = cursor.take("token")
        let secret = token.flatMap { readToken($0, cursor) }
        let certificate = cursor.located("certificate").map { keep($0, .serverCertificate) }
        let key = cursor.take("key").flatMap { self.key($0, .serverKey, cursor) }
        for (one, other) in [("certificate", "key"), ("key", "certificate")]
            as [(ByteString, ByteString)]
        {
            guard let given = cursor.take(one), !cursor.has(other) else { continue }
            problems.error(given.keyPlace, "\"\(one)\" needs \"\(other)\"")
        }
        let names = readNames(&cursor)
        let actions = cursor.bool("actions")
        if actions, token == nil, let place = cursor.take("actions")?.keyPlace {
            problems.error(
                place,
                "\"actions\" needs \"token\": without one anybody who reaches the door could write")
        }
        let history = readHistory(&cursor)
        cursor.finish()
        guard let listen, let endpoint else { return nil }
        if !Configuration.Door.isLoopback(endpoint.host) {
            if token == nil {
                problems.error(
                    listen.place,
                    "\"listen\" is \(endpoint.host), which other machines reach: give \"token\", or listen on 127.0.0.1"
                )
            }
            if certificate == nil {
                problems.warning(
                    listen.place,
                    "\"listen\" is \(endpoint.host) without \"certificate\" and \"key\": token and values go over the "
                        + "network readable")
            }
        }
        return Configuration.Door(
            place: listen.place, address: endpoint.host, port: endpoint.port, token: secret,
            certificate: certificate,
            key: key, names: names, actions: actions, history: history)
    }

    /// `address:port`; the address is numeric, so that nothing has to be resolved.
    static func readListen(
        _ field: Field, _ cursor: ObjectCursor, portDefault: Int
    ) -> (host: String, port: Int)? {
        let problems = cursor.problems
        guard let text = cursor.string(of: field) else { return nil }
        guard
            let (name, port) = split(
                endpoint: text.string, port: portDefault)
        else {
            problems.error(
                field.place,
                "\"listen\" is \"\(text.prefix(60))\", whose port is not from 1 to 65535")
            return nil
        }
        let host = name == "localhost" ? "127.0.0.1" : name
        guard isAddress(host) else {
            problems.error(
                field.place,
                "\"listen\" is \"\(text.prefix(60))\"; write a numeric address and a port, as in "
                    + "\"127.0.0.1:\(portDefault)\" or \"[::1]:\(portDefault)\"")
            return nil
        }
        return (host, port)
    }

    /// An IPv4 address, or the characters of an IPv6 address.
    private static func isAddress(_ host: String) -> Bool {
        if host.contains(":") { return isHost(host) }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                (1...3).contains(part.utf8.count)
                    && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
                    && (Int(part) ?? 256) <= 255
            }
    }

    /// Nothing of it is ever in a message.
    private mutating func readToken(_ field: Field, _ cursor: ObjectCursor) -> ByteString? {
        guard
            let text = secrets.text(field, cursor, mayBeEmpty: true)
        else { return nil }
        guard Self.tokenLengths.contains(text.count),
            text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            problems.error(
                field.place,
                "\"token\" must be \(Self.tokenLengths.lowerBound) to \(Self.tokenLengths.upperBound) printable ASCII "
                    + "characters without spaces; `openssl rand -hex 16` makes one")
            return nil
        }
        if text.count < Self.tokenLengthAdvised {
            problems.warning(
                field.place,
                "\"token\" has \(text.count) characters and may be guessed; `openssl rand -hex 16` makes a better one"
            )
        }
        return text
    }

    private func readNames(_ cursor: inout ObjectCursor) -> [ByteString] {
        guard let field = cursor.take("names") else { return [] }
        return cursor.items(of: field).compactMap { item in
            guard let text = cursor.string(of: item) else { return nil }
            guard Self.isHost(text.string) else {
                problems.error(
                    item.place,
                    "\"names\" holds \"\(text.prefix(60))\", which is no host name; write it without a port, as in "
                        + "\"gw-7.local\"")
                return nil
            }
            return text.lowercasedASCII
        }
    }

    private func readHistory(_ cursor: inout ObjectCursor) -> Configuration.Door.History? {
        guard let field = cursor.take("history") else { return Configuration.Door.History() }
        if field.json.bool == false { return nil }
        guard field.json.members != nil,
            var inner = ObjectCursor(field, "\"history\"", problems, TopKeys.history)
        else {
            problems.error(
                field.place,
                "\"history\" must be false or { keep, maxBytes }, not \(field.json.describe)")
            return nil
        }
        var history = Configuration.Door.History()
        history.keep = inner.duration("keep")
        history.maxBytes = inner.size("maxBytes")
        inner.finish()
        return history
    }
}
