import Base
import Bridge
import Gateway
import TestKit
import Testing

/// What a reload does with each key of the `bridge` section.
@Suite struct BridgeReloadTests {
    enum Effect: String, Sendable {
        /// In force from the next message on; the connection stays.
        case atOnce
        /// Connected again, after an orderly end.
        case reconnect
        /// Another gateway or registry: refused as a whole.
        case refused
    }

    private static let cloud = [
        "host": "\"bridge.test\"", "project": "\"acme\"", "region": "\"us\"",
        "registry": "\"plant\"", "gateway": "\"gw-7\"",
        "privateKey": "\"gw.pem\"",
    ]
    private static let plain = [
        "host": "\"broker.test\"", "gateway": "\"gw-7\"", "username": "\"u\"", "password": "\"p\"",
        "clientCertificate": "\"c.pem\"", "clientKey": "\"k.pem\"",
    ]

    /// On Cloud IoT.
    private static let cloudKeys: [(String, String, Effect)] = [
        ("host", "\"other.test\"", .reconnect), ("port", "443", .reconnect),
        ("fallback", "[\"b.test:443\"]", .reconnect),
        ("serverName", "\"c.test\"", .reconnect), ("alpn", "\"mqtt\"", .reconnect),
        ("proxy", "\"http://p.test:3128\"", .reconnect),
        ("tls", "false", .reconnect), ("ca", "\"ca.pem\"", .reconnect),
        ("privateKey", "\"other.pem\"", .reconnect),
        ("project", "\"other\"", .refused), ("registry", "\"other\"", .refused),
        ("gateway", "\"gw-8\"", .refused),
        ("region", "\"eu\"", .reconnect), ("tokenLifetime", "\"30m\"", .reconnect),
        ("keepAlive", "\"90s\"", .reconnect),
        ("ackTimeout", "\"20s\"", .reconnect), ("rate", "{ messages: 20 }", .reconnect),
        ("inFlight", "{ total: 8 }", .reconnect), ("liveWithin", "\"9s\"", .atOnce),
        ("batch", "{ maxDelay: \"2s\" }", .atOnce), ("topics", "{ health: false }", .atOnce),
        ("topics", "{ health: \"h\", gaps: \"g\", commands: \"c\" }", .atOnce),
        ("topics", "{ gaps: false }", .atOnce),
    ]
    /// On a plain broker.
    private static let plainKeys: [(String, String, Effect)] = [
        ("clientID", "\"other\"", .reconnect), ("username", "\"v\"", .reconnect),
        ("password", "\"q\"", .reconnect),
        ("clientCertificate", "\"d.pem\"", .reconnect), ("clientKey", "\"l.pem\"", .reconnect),
        ("telemetryTopic", "\"a/{device}\"", .reconnect),
        ("stateTopic", "\"b/{device}\"", .reconnect),
        ("configTopic", "\"c/{device}\"", .reconnect),
        ("commandTopic", "\"d/{device}\"", .reconnect),
        ("attachTopic", "\"e/{device}\"", .reconnect),
        ("detachTopic", "\"f/{device}\"", .reconnect),
        ("attachMessages", "true", .reconnect),
        ("availabilityTopic", "\"g/{gateway}\"", .reconnect), ("stateTopic", "false", .reconnect),
        ("setTopic", "\"h/{device}/{point}\"", .reconnect),
        ("publish", "{ format: \"flat\" }", .atOnce),
        ("publish", "{ latestTopic: \"i/{device}/{point}\" }", .reconnect),
    ]

    private static func read(_ bridge: [String: String]) -> (Configuration?, [Diagnostic]) {
        let members = bridge.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(
            separator: ", ")
        let text = """
            { bridge: { \(members) }, spool: { directory: "spool" },
              ports: { "bus-a": { device: "/dev/ttyS0", driver: "modbus-rtu", baud: 9600, nodes: {
                "dev-1": { unit: 1, points: { x: { input: 0 } } } } } } }
            """
        return Configuration.read(Array(text.utf8), fileName: "x") { _ in
            .failure(ProfileFailure("none"))
        }
    }

    private static func settings(_ bridge: [String: String]) throws -> Gateway.Settings {
        let (configuration, diagnostics) = read(bridge)
        let errors = diagnostics.filter { $0.severity == .error }
        #expect(errors.isEmpty, "\(errors)")
        return Gateway.Settings(
            try #require(configuration), keys: KeyAlgorithms(gateway: [.es256]),
            floor: WallTime(milliseconds: 0),
            version: "test")
    }

    private static func effect(from old: Gateway.Settings, to new: Gateway.Settings) -> Effect? {
        var world = ReloadWorld(old)
        world.start()
        world.run(for: .seconds(1))
        world.notices = []
        world.receive(.reload(new, needRestart: []))
        if world.says("is refused, the one before stays in force") { return .refused }
        guard world.says("the new configuration is in force"), !world.says("only after a restart")
        else { return nil }
        return world.says("the bridge is connected again") ? .reconnect : .atOnce
    }

    @Test func eachKeyHasTheEffectThatIsWrittenHere() throws {
        for (base, keys) in [(Self.cloud, Self.cloudKeys), (Self.plain, Self.plainKeys)] {
            for (key, value, expected) in keys {
                var changed = base
                changed[key] = value
                let effect = try Self.effect(from: Self.settings(base), to: Self.settings(changed))
                #expect(effect == expected, "\(key): \(value)")
            }
        }
        let same = try Self.effect(from: Self.settings(Self.cloud), to: Self.settings(Self.cloud))
        #expect(same == .atOnce)
    }

    /// A key that is added to the section must be given a place above.
    @Test func everyKeyOfTheBridgeIsCovered() throws {
        let covered = Set((Self.cloudKeys + Self.plainKeys).map(\.0))
        for base in [Self.cloud, Self.plain] {
            var wrong = base
            wrong["zzzzzzzz"] = "1"
            let diagnostics = Self.read(wrong).1.map(\.message)
            let message = try #require(diagnostics.first { $0.contains("zzzzzzzz") })
            let list = try #require(message.split(separator: "known here: ").last)
            let known = list.split(separator: ",").map { String($0.drop { $0 == " " }) }
            #expect(known.count > 15 && Set(known).subtracting(covered) == [])
        }
    }
}

/// A composed gateway whose bridge cannot be reached.
private struct ReloadWorld: ComposedWorld {
    var gateway: Gateway
    var now = Self.epoch
    var disk = VirtualDisk(capacity: 64 << 20)
    var notices: [Notice] = []

    init(_ settings: Gateway.Settings) {
        gateway = Gateway(settings, bootID: [UInt8](repeating: 1, count: 16), seed: 1)
    }

    mutating func carryOut(_ effect: Effect, _ events: inout [Event]) {
        switch effect {
        case .connect: events.append(.link(.failed(LinkFailure(.refused, "refused"))))
        case .notice(let notice): notices.append(notice)
        default: break
        }
    }

    func says(_ words: String) -> Bool { notices.contains { $0.message.contains(words) } }
}
