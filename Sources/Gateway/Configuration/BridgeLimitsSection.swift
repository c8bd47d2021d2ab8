import Base
import Bridge

/// The parts of `bridge` that have their own objects: where to, how fast, under which topics.
extension ConfigurationReader {
    mutating func readEndpoints(_ cursor: inout ObjectCursor) -> [LinkTarget] {
        let tls = cursor.bool("tls")
        if !tls, let place = cursor.take("tls")?.keyPlace {
            problems.warning(
                place,
                "\"tls: false\": readings and passwords travel in the clear, and nobody checks who the "
                    + "broker is")
        }
        let host = cursor.require("host").flatMap { field in
            readHost(field, cursor).map { host in
                warn(about: host, at: field.place)
                return host
            }
        }
        let port = cursor.givenInteger("port") ?? (tls ? 8883 : 1883)
        if tls, port == 1883, let place = cursor.take("port")?.place {
            problems.warning(
                place,
                "port 1883 is for MQTT without TLS, and this connection has TLS: write port: 8883, "
                    + "or tls: false if the broker has no TLS")
        } else if !tls, port == 8883, let place = cursor.take("port")?.place {
            problems.warning(
                place, "port 8883 is for MQTT with TLS, and \"tls: false\" is written: use 1883")
        }
        let serverName = cursor.take("serverName").flatMap { readHost($0, cursor) }
        if !tls {
            cursor.ignore(
                ["ca", "serverName", "clientCertificate", "alpn"], "is not used with \"tls: false\""
            )
        }
        let proxy = readProxy(&cursor)
        let alpn = tls ? readProtocol(&cursor) : ""
        func target(_ host: String, _ port: Int) -> LinkTarget {
            var target = LinkTarget(
                host: host, port: port, serverName: serverName, tls: tls, proxy: proxy)
            target.alpn = alpn
            return target
        }
        var endpoints: [LinkTarget] = []
        if let host { endpoints.append(target(host, port)) }
        guard let fallback = cursor.take("fallback") else { return endpoints }
        for item in cursor.items(of: fallback) {
            guard let text = cursor.string(of: item) else { continue }
            guard let (name, number) = Self.split(endpoint: text.string, port: port),
                Self.isHost(name)
            else {
                problems.error(
                    item.place,
                    "\"\(Self.withoutUser(text.string))\" is no endpoint; write \"host:port\" or \"[ipv6]:port\""
                )
                continue
            }
            endpoints.append(target(name, number))
            if name != host { warn(about: name, at: item.place) }
        }
        if endpoints.count > 8 {
            problems.error(fallback.place, "\"fallback\" may have 7 entries at most")
        }
        return endpoints
    }

    /// A name of the TLS registry of protocols, such as "mqtt" or "x-amzn-mqtt-ca".
    private func readProtocol(_ cursor: inout ObjectCursor) -> String {
        guard let field = cursor.take("alpn"), let text = cursor.string(of: field) else {
            return ""
        }
        guard text.count <= 255, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            problems.error(
                field.place,
                "\"alpn\" must be one protocol name of at most 255 printable characters, "
                    + "as in \"mqtt\""
            )
            return ""
        }
        return text.string
    }

    private func warn(about host: String, at place: FilePlace) {
        if let words = KnownHosts.warning(host) { problems.warning(place, "\"\(host)\" \(words)") }
    }

    private func readHost(_ field: Field, _ cursor: ObjectCursor) -> String? {
        guard let text = cursor.string(of: field)?.string else { return nil }
        if Self.isHost(text) { return text }
        var hint = ""
        if text.contains("://") {
            hint = "; write the name alone, without \"mqtts://\""
        } else if let (name, port) = Self.split(endpoint: text, port: 0), port > 0,
            Self.isHost(name)
        {
            hint = "; write host: \"\(name)\", port: \(port)"
        }
        problems.error(
            field.place, "\"\(Self.withoutUser(text))\" is no host name or IP address\(hint)")
        return nil
    }

    /// The beginning of an address for a message; user and password before an @ are not shown.
    private static func withoutUser(_ text: String) -> String {
        guard let at = text.lastIndex(of: "@") else { return String(text.prefix(80)) }
        return "…@" + text[text.index(after: at)...].prefix(80)
    }

    /// A DNS name, an IPv4 address or an IPv6 address without brackets: by its characters only.
    static func isHost(_ text: String) -> Bool {
        guard (1...253).contains(text.utf8.count) else { return false }
        if text.utf8.filter({ $0 == 0x3A }).count >= 2 {
            return text.utf8.allSatisfy { byte in
                Character(Unicode.Scalar(byte)).isHexDigit || byte == 0x3A || byte == 0x2E
            }
        }
        return text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.unicodeScalars.allSatisfy {
                    $0.isASCII
                        && ($0.properties.isAlphabetic || ("0"..."9").contains($0) || $0 == "-"
                            || $0 == "_")
                }
        }
    }

    /// `host`, `host:port`, `[ipv6]`, `[ipv6]:port`; nil if the port is no port.
    static func split(endpoint text: String, port: Int) -> (host: String, port: Int)? {
        func number(_ digits: Substring) -> Int? {
            guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(digits)
            else {
                return nil
            }
            return (1...65_535).contains(value) ? value : nil
        }
        if text.hasPrefix("["), let close = text.firstIndex(of: "]") {
            let host = String(text[text.index(after: text.startIndex)..<close])
            let rest = text[text.index(after: close)...]
            if rest.isEmpty { return (host, port) }
            guard rest.hasPrefix(":"), let value = number(rest.dropFirst()) else { return nil }
            return (host, value)
        }
        guard let colon = text.firstIndex(of: ":"), text.lastIndex(of: ":") == colon else {
            return (text, port)
        }
        guard let value = number(text[text.index(after: colon)...]) else { return nil }
        return (String(text[..<colon]), value)
    }

    func readRate(_ field: Field, cloud: Bool) -> Configuration.Bridge.Rate? {
        if field.json.string == "unlimited" { return .unlimited }
        guard field.json.members != nil else {
            problems.error(
                field.place,
                "\"rate\" must be \"unlimited\" or { messages, bytes } per second, not \(field.json.describe)"
            )
            return nil
        }
        guard var cursor = ObjectCursor(field, "\"rate\"", problems, BridgeKeys.rate) else {
            return nil
        }
        var rate = cloud ? Configuration.Bridge.Rate.cloudIoT : .unlimited
        rate.messages = cursor.givenInteger("messages") ?? rate.messages
        rate.bytes = cursor.givenSize("bytes") ?? rate.bytes
        if cloud, rate.messages ?? 0 > 100 || rate.bytes ?? 0 > 512_000 {
            problems.warning(
                field.place,
                "\"rate\" is above the bridge's limits, 100 messages and 512 KB a second: it may close the "
                    + "connection")
        }
        cursor.finish()
        return rate
    }

    func readInFlight(_ cursor: inout ObjectCursor, cloud: Bool) -> Configuration.Bridge.InFlight {
        let standard = cloud ? 64 : 1024
        guard var object = cursor.object("inFlight") else {
            return Configuration.Bridge.InFlight(total: standard, perDevice: cloud ? 1 : standard)
        }
        let total = object.givenInteger("total") ?? standard
        let perDevice = object.givenInteger("perDevice") ?? (cloud ? 1 : total)
        if cloud, perDevice > 1, let place = object.take("perDevice")?.place {
            problems.warning(
                place,
                "\"perDevice\" above 1: the bridge may drop a message silently, which breaks the order"
            )
        }
        object.finish()
        return Configuration.Bridge.InFlight(total: total, perDevice: min(perDevice, total))
    }

    func readTopics(_ cursor: inout ObjectCursor) -> Configuration.Bridge.Topics {
        var topics = Configuration.Bridge.Topics()
        guard var object = cursor.object("topics") else { return topics }
        topics.health = readSubfolder("health", &object, default: topics.health)
        topics.gaps = readSubfolder("gaps", &object, default: topics.gaps)
        topics.commands = readSubfolder("commands", &object, default: topics.commands)
        topics.alarms = readSubfolder("alarms", &object, default: topics.alarms)
        object.finish()
        return topics
    }

    private func readSubfolder(
        _ key: ByteString, _ cursor: inout ObjectCursor, default standard: String?
    )
        -> String?
    {
        guard let field = cursor.take(key) else { return standard }
        if field.json.bool == false { return nil }
        guard let text = field.json.string else {
            problems.error(
                field.place,
                "\"\(key)\" must be a subfolder, \"\" for plain events or false for off, not "
                    + field.json.describe)
            return standard
        }
        guard let complaint = Self.subfolderProblem(text) else { return text.string }
        problems.error(field.place, "\"\(key)\" is no subfolder: it \(complaint)")
        return standard
    }

    /// Letters, digits and `-._~%`, parts divided by `/`, at most 256 bytes.
    static func subfolderProblem(_ text: ByteString) -> String? {
        if text.isEmpty { return nil }
        if text.count > 256 { return "is longer than 256 bytes" }
        if text.split(0x2F).contains("") {
            return "has an empty part"
        }
        let allowed = text.isEmpty || Topics.isSubfolder(text.string)
        return allowed ? nil : "may have letters, digits and - . _ ~ % only, parts divided by /"
    }

    func readBatch(_ field: Field) -> Configuration.Bridge.Batch? {
        if field.json.bool == false { return nil }
        guard var cursor = ObjectCursor(field, "\"batch\"", problems, BridgeKeys.batch) else {
            return nil
        }
        let maxDelay = cursor.duration("maxDelay")
        let maxBytes = cursor.size("maxBytes")
        cursor.finish()
        return Configuration.Bridge.Batch(maxDelay: maxDelay, maxBytes: maxBytes)
    }
}
