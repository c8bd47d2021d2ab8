import Base
import Bridge

/// Reads the keys that only a plain broker has: the forms of the topics, and a topic that says
/// whether the gateway is there. Warns of these keys and of `attachMessages` for Cloud IoT. Also
/// reads `proxy`, which every bridge may have.
extension ConfigurationReader {
    func readLayout(_ cursor: inout ObjectCursor, gateway: DeviceID?, cloud: Bool) -> TopicLayout {
        var layout = TopicLayout.standard
        let topics: [(key: ByteString, place: WritableKeyPath<TopicLayout, TopicTemplate?>)] = [
            ("telemetryTopic", \.telemetry), ("stateTopic", \.state), ("configTopic", \.config),
            ("commandTopic", \.commands), ("detachTopic", \.detach),
        ]
        let keys = topics.map(\.key) + ["attachTopic", "availabilityTopic", "setTopic"]
        guard !cloud else {
            cursor.ignore(
                keys + ["attachMessages", "publish"],
                "is for a plain broker; the topics of Cloud IoT are fixed")
            return layout
        }
        guard let gateway else {
            for key in keys { _ = cursor.take(key) }
            return layout
        }
        for (key, place) in topics {
            guard let field = cursor.take(key) else { continue }
            if field.json.bool == false {
                layout[keyPath: place] = nil
            } else if let template = readTopic(field, cursor, gateway) {
                layout[keyPath: place] = template
            }
        }
        if let field = cursor.take("attachTopic") {
            if field.json.bool == false {
                if cursor.has("attachMessages"), cursor.bool("attachMessages") {
                    problems.error(
                        field.place, "\"attachTopic\" is false although \"attachMessages\" is true")
                }
            } else if let template = readTopic(field, cursor, gateway) {
                layout.attach = template
            }
        }
        checkInbound(layout, cursor)
        layout.set = cursor.take("setTopic").flatMap { PointTopic($0, cursor, gateway) }
        if let field = cursor.take("availabilityTopic"), field.json.bool != false,
            let text = cursor.string(of: field)
        {
            let topic = TopicTemplate.replacing("{gateway}", in: text, with: gateway.text)
            if let complaint = TopicTemplate.complaint(topic) {
                problems.error(field.place, "\"availabilityTopic\" is no topic: it \(complaint)")
            } else {
                layout.availability = topic
            }
        }
        return layout
    }

    private func readTopic(
        _ field: Field, _ cursor: ObjectCursor, _ gateway: DeviceID
    ) -> TopicTemplate? {
        guard let text = cursor.string(of: field) else { return nil }
        do throws(TopicTemplate.Refusal) { return try TopicTemplate(text, gateway: gateway) } catch
        {
            problems.error(
                field.place,
                "\"\(field.shown)\" is no topic template: it \(error.reason); write it as in "
                    + "\"plant/{device}/data\", or false for none")
            return nil
        }
    }

    /// A config must not look like a command, or the gateway would write what was meant to be read.
    private func checkInbound(_ layout: TopicLayout, _ cursor: ObjectCursor) {
        guard let device = try? DeviceID("device"), let config = layout.config,
            let commands = layout.commands
        else { return }
        var layout = layout
        layout.only = device
        guard
            layout.inbound(utf8: Array(config.topic(device).utf8)) != .config(device)
                || layout.inbound(utf8: Array(commands.topic(device).utf8))
                    != .command(device, subfolder: "")
        else { return }
        problems.error(cursor.place, "\"configTopic\" and \"commandTopic\" cannot be told apart")
    }

    /// `http://[user:password@]host[:port]`, a proxy that opens the way with CONNECT: as a string,
    /// as the place where that is kept, or with the password beside it: `{ url, password }`.
    mutating func readProxy(_ cursor: inout ObjectCursor) -> LinkTarget.Proxy? {
        guard let field = cursor.take("proxy") else { return nil }
        guard field.json.members?.contains(where: { $0.name == "url" }) == true else {
            let isClear = field.json.string.map { $0.utf8.contains(0x40) } ?? false
            return secrets.text(field, cursor, isPublic: !isClear).flatMap {
                proxy($0.string, field)
            }
        }
        guard var inner = ObjectCursor(field, "\"proxy\"", problems, BridgeKeys.proxy) else {
            return nil
        }
        let url = inner.take("url").flatMap { url in inner.string(of: url).map { (url, $0) } }
        let given = inner.take("password")
        let password = given.flatMap {
            secrets.text($0, inner, mayBeEmpty: true)
        }
        inner.finish()
        guard let (place, text) = url else { return nil }
        if given == nil, text.utf8.contains(0x40) { secrets.noteClear(place) }
        return proxy(text.string, place, password: given == nil ? nil : password?.string ?? "")
    }

    /// - Parameter password: of the user in the text, which then has none; nil: it stands there.
    private func proxy(
        _ text: String, _ field: Field, password: String? = nil
    ) -> LinkTarget.Proxy? {
        func wrong(_ why: String) -> LinkTarget.Proxy? {
            problems.error(
                field.place,
                "\"proxy\" \(why); write \"http://host:port\" or \"http://user:password@host:port\""
            )
            return nil
        }
        guard text.hasPrefix("http://") else {
            return wrong(
                text.contains("://") ? "must be an http:// proxy" : "does not begin with http://")
        }
        var rest = text.dropFirst(7)
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        var credentials: String?
        if let at = rest.lastIndex(of: "@") {
            guard var plain = Self.unescape(rest[..<at]), plain.contains(0x3A) == (password == nil)
            else {
                return wrong(
                    password == nil
                        ? "has no password behind its user, or a % that escapes nothing"
                        : "has a password in \"url\" and beside it, or a % that escapes nothing")
            }
            if let password { plain += [0x3A] + Array(password.utf8) }
            credentials = Base64.encode(plain)
            rest = rest[rest.index(after: at)...]
        } else if password != nil {
            return wrong("has a password and no user in \"url\"")
        }
        guard let (host, port) = Self.split(endpoint: String(rest), port: 3128), Self.isHost(host)
        else {
            return wrong("has no host name and port")
        }
        return LinkTarget.Proxy(host: host, port: port, credentials: credentials)
    }

    /// Percent-encoded octets (RFC 3986 section 2.1).
    private static func unescape(_ text: Substring) -> [UInt8]? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == 0x25 else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            else {
                return nil
            }
            rest.removeFirst(2)
            bytes.append(value)
        }
        return bytes
    }
}
