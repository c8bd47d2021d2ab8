import Base
import Bridge

extension ConfigurationReader {
    mutating func readBridge(_ field: Field) -> Configuration.Bridge? {
        guard var cursor = ObjectCursor(field, "\"bridge\"", problems, BridgeKeys.bridge) else {
            return nil
        }
        isCloudIoT = ["project", "region", "registry"].contains { cursor.has($0) }
        let gateway = cursor.require("gateway").flatMap { readDeviceID($0, "the gateway's ID") }
        let endpoints = readEndpoints(&cursor)
        let dialect = readDialect(&cursor, gateway: gateway)
        let cloud = if case .cloudIoT = dialect { true } else { false }
        let keys = readKeys(&cursor, cloud: cloud)
        let lifetime = cursor.duration("tokenLifetime")
        let keepAlive = readKeepAlive(&cursor, cloud: cloud)
        let ackTimeout = cursor.duration("ackTimeout")
        let liveWithin = cursor.duration("liveWithin")
        let rate = cursor.take("rate").flatMap { readRate($0, cloud: cloud) }
        let inFlight = readInFlight(&cursor, cloud: cloud)
        let topics = readTopics(&cursor)
        var layout = readLayout(&cursor, gateway: gateway, cloud: cloud)
        let publish = PublishSection(&cursor, gateway: gateway, cloud: cloud)
        layout.latest = publish.latestTopic
        let attachMessages = cloud || cursor.bool("attachMessages")
        let batch = cursor.take("batch").flatMap { readBatch($0) }
        cursor.finish()
        guard let gateway else { return nil }
        var bridge = Configuration.Bridge(
            place: field.place, dialect: dialect, gateway: gateway, endpoints: endpoints,
            privateKeys: keys.privateKeys, ca: keys.ca, clientCertificate: keys.certificate,
            clientKey: keys.clientKey, tokenLifetime: lifetime,
            keepAlive: keepAlive, ackTimeout: ackTimeout,
            liveWithin: liveWithin, rate: rate ?? (cloud ? .cloudIoT : .unlimited),
            inFlight: inFlight, topics: topics, layout: layout, attachMessages: attachMessages,
            batch: batch)
        bridge.publish = publish.format
        return bridge
    }

    /// Cloud IoT ends a connection that is idle for 20 minutes; MQTT allows 1.5 times the keep
    /// alive.
    private static let keepAliveMostOfCloud = Duration.seconds(1200)

    private func readKeepAlive(_ cursor: inout ObjectCursor, cloud: Bool) -> Duration {
        let keepAlive = cursor.duration("keepAlive")
        guard cloud, keepAlive > Self.keepAliveMostOfCloud, let field = cursor.take("keepAlive")
        else { return keepAlive }
        problems.error(
            field.place,
            "\"keepAlive\" is \(Quantity.describe(keepAlive)); Cloud IoT ends a connection that is "
                + "idle for 20m, so it must be from 5s to 20m")
        return Self.keepAliveMostOfCloud
    }

    /// All of project, region and registry, or none.
    private mutating func readDialect(
        _ cursor: inout ObjectCursor, gateway: DeviceID?
    ) -> Configuration.Bridge.Dialect {
        let names: [ByteString] = ["project", "region", "registry"]
        let given = names.filter { cursor.has($0) }
        if given.isEmpty {
            names.forEach { _ = cursor.take($0) }
            let clientID = cursor.string("clientID")
            // Without a password and a certificate it can only be a token.
            let isToken = !cursor.has("password") && !cursor.has("clientCertificate")
            let username = cursor.take("username").flatMap {
                secrets.text($0, cursor, isPublic: !isToken)
            }
            let password = cursor.take("password").flatMap {
                secrets.text($0, cursor, mayBeEmpty: true)
            }
            if cursor.has("password"), !cursor.has("username"),
                let place = cursor.take("password")?.keyPlace
            {
                problems.error(
                    place, "\"password\" needs \"username\": MQTT 3.1.1 has no password without one"
                )
            }
            return .plain(
                clientID: clientID ?? ByteString(gateway?.text ?? ""), username: username,
                password: password)
        }
        let values = names.map { cursor.take($0).flatMap { topicSafe($0, cursor) } ?? "" }
        let absent = names.filter { !cursor.has($0) }.map { "\"\($0)\"" }
        if !absent.isEmpty, let first = cursor.take(given[0]) {
            let list = absent.joined(separator: " and ")
            problems.error(
                first.keyPlace,
                "\"project\", \"region\" and \"registry\" belong together: "
                    + "\(list) \(absent.count > 1 ? "are" : "is") missing (none of them: plain broker)"
            )
        }
        let plainOnly: [ByteString] = [
            "clientID", "username", "password", "clientCertificate", "clientKey",
        ]
        cursor.ignore(
            plainOnly, "is for a plain broker; Cloud IoT uses the private key and ignores it")
        return .cloudIoT(project: values[0], region: values[1], registry: values[2])
    }

    /// A part of the client id `projects/P/locations/R/registries/G/devices/D`.
    private func topicSafe(_ field: Field, _ cursor: ObjectCursor) -> ByteString? {
        guard let text = cursor.string(of: field) else { return nil }
        let allowed = text.utf8.allSatisfy { $0 < 0x80 && $0 > 32 && !"/#\"\\".utf8.contains($0) }
        guard allowed, text.count <= 255 else {
            problems.error(
                field.place,
                "\"\(field.name)\" is part of the client id: at most 255 characters, no spaces and none "
                    + "of / # \" \\")
            return nil
        }
        return text
    }

    private mutating func readKeys(
        _ cursor: inout ObjectCursor, cloud: Bool
    ) -> (
        privateKeys: [Located<String>], ca: Located<String>?, certificate: Located<String>?,
        clientKey: Located<String>?
    ) {
        if !cloud {
            cursor.ignore(
                ["privateKey", "tokenLifetime"],
                "is not used: without project, region and registry this is a plain broker")
        }
        let privateKeys = cloud ? readPrivateKeys(&cursor) : []
        let ca = file("ca", .certificateAuthority, &cursor)
        guard !cloud else { return (privateKeys, ca, nil, nil) }
        let certificate = file("clientCertificate", .clientCertificate, &cursor)
        let clientKey = cursor.take("clientKey").flatMap { key($0, .clientKey, cursor) }
        let pairs: [(ByteString, ByteString)] = [
            ("clientCertificate", "clientKey"), ("clientKey", "clientCertificate"),
        ]
        for (one, other) in pairs {
            if let field = cursor.take(one), !cursor.has(other) {
                problems.error(field.keyPlace, "\"\(one)\" needs \"\(other)\"")
            }
        }
        return ([], ca, certificate, clientKey)
    }

    /// One, or two of which the bridge knows at least one: the second is tried when it refuses the
    /// first.
    private mutating func readPrivateKeys(_ cursor: inout ObjectCursor) -> [Located<String>] {
        guard let field = cursor.require("privateKey") else { return [] }
        let items = cursor.items(of: field)
        if items.isEmpty || items.count > 2 {
            problems.error(
                field.place, "\"privateKey\" is one key or a list of two, not of \(items.count)")
        }
        return items.prefix(2).compactMap { item in
            key(item, .privateKey, cursor)
        }
    }

    private mutating func file(
        _ key: ByteString, _ role: Configuration.FileReference.Role, _ cursor: inout ObjectCursor,
        required: Bool = false
    ) -> Located<String>? {
        cursor.located(key, required: required).map { keep($0, role) }
    }

    /// Where a private key is: a path, a store URI, or what `PrivateKey.load` takes for a variable
    /// and a credential.
    mutating func key(
        _ field: Field, _ role: Configuration.FileReference.Role, _ cursor: ObjectCursor
    ) -> Located<String>? {
        guard field.json.members != nil else {
            guard let text = cursor.string(of: field) else { return nil }
            if text.string.lowercased().contains("pin-value=") { secrets.noteClear(field) }
            return keep(Located(text, at: field.place), role)
        }
        guard let source = secrets.source(field, resolves: false) else { return nil }
        let location: String
        switch source {
        case .file(let path): return keep(Located(ByteString(path), at: field.place), role)
        case .environment(let name): location = "env:\(name)"
        case .credential(let name): location = "credential:\(name)"
        }
        let place = Located(location, at: field.place)
        files.append(Configuration.FileReference(role, place))
        return place
    }

    /// The path as it is used; it is noted for checks against the file system.
    mutating func keep(
        _ text: Located<ByteString>, _ role: Configuration.FileReference.Role
    ) -> Located<String> {
        if role != .certificateAuthority, Configuration.isStoreURI(text.value.string) {
            return Located(text.value.string, at: text.place)
        }
        let path = resolve(text)
        files.append(Configuration.FileReference(role, path))
        return path
    }

    func readDeviceID(_ field: Field, _ what: String) -> DeviceID? {
        guard let text = field.json.string else {
            problems.error(field.place, "\(what) must be a string, not \(field.json.describe)")
            return nil
        }
        return deviceID(text, at: field.place, what)
    }

    func deviceID(_ text: ByteString, at place: FilePlace, _ what: String) -> DeviceID? {
        do throws(NameError) {
            let device = try DeviceID(text)
            if isCloudIoT, let refusal = device.cloudRefusal { throw refusal }
            return device
        } catch {
            problems.error(place, "\(what) \"\(Notice.printable(text))\" \(error.reason)")
            return nil
        }
    }
}
