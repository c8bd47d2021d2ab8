import Base
import Bridge
import Gateway
import TestKit
import Testing

/// A configuration of many ports while the gateway runs: what a reload compares, and what one
/// answer holds.
@Suite struct LargeConfigurationTests {
    /// - Parameter every: the interval of one port; the others have ten seconds.
    private static func settings(
        ports: Int, nodes: Int, points: Int, every: [Int: String] = [:]
    ) throws -> Gateway.Settings {
        let list = (0..<points).map { "p\($0): { holding: \($0) }" }.joined(separator: ", ")
        let all = (0..<ports).map { port in
            let devices = (1...nodes).map {
                "\"dev-\(port)-\($0)\": { unit: \($0), points: { \(list) } }"
            }
            return """
                "bus-\(port)": { device: "/dev/ttyS\(port)", driver: "modbus-rtu", baud: 115200,
                  every: "\(every[port] ?? "10s")", nodes: { \(devices.joined(separator: ", ")) } }
                """
        }
        let text = """
            { bridge: { host: "broker.test", gateway: "gw-7" }, spool: { directory: "spool" },
              ports: { \(all.joined(separator: ", ")) } }
            """
        let read = Configuration.read(Array(text.utf8), fileName: "x") { _ in
            .failure(ProfileFailure("none"))
        }
        return Gateway.Settings(
            try #require(read.0), keys: KeyAlgorithms(), floor: WallTime(milliseconds: 0),
            version: "test")
    }

    private static func storage(_ settings: Gateway.Settings, _ port: Int) -> UnsafeRawPointer? {
        settings.configured[port].nodes.withUnsafeBytes(\.baseAddress)
    }

    @Test func portsThatDoNotDifferShareTheStorageOfTheSettingsInForce() throws {
        let old = try Self.settings(ports: 3, nodes: 2, points: 2)
        let new = try Self.settings(ports: 3, nodes: 2, points: 2, every: [1: "20s"])
        let shared = new.sharing(old)
        for port in 0..<3 {
            #expect(Self.storage(new, port) != Self.storage(old, port))
            #expect((Self.storage(shared, port) == Self.storage(old, port)) == (port != 1))
        }
        #expect(shared.configured == new.configured)
        #expect(shared.bindings == new.bindings)
        #expect(shared.ports.map(\.driver) == new.ports.map(\.driver))
        #expect(shared.ports.map(\.line) == new.ports.map(\.line))
    }

    @Test func portsAreFoundByNameWhereverTheyStandInTheFile() throws {
        let old = try Self.settings(ports: 3, nodes: 1, points: 1)
        var new = try Self.settings(ports: 3, nodes: 1, points: 1)
        new.configured.reverse()
        new.ports.reverse()
        let shared = new.sharing(old)
        #expect(shared.configured.map(\.name) == new.configured.map(\.name))
        #expect(shared.ports.map(\.name) == new.ports.map(\.name))
        #expect(shared.bindings.map(\.device.text) == ["dev-2-1", "dev-1-1", "dev-0-1"])
        for port in 0..<3 { #expect(Self.storage(shared, port) == Self.storage(old, 2 - port)) }
    }

    @Test func aReloadTellsThePortThatDiffersAndNoOther() throws {
        let old = try Self.settings(ports: 4, nodes: 2, points: 2)
        let new = try Self.settings(ports: 4, nodes: 2, points: 2, every: [2: "20s"])
        for settings in [new, new.sharing(old)] {
            var world = QuietWorld(old)
            world.start()
            world.run(for: .seconds(1))
            world.notices = []
            world.receive(.reload(settings, needRestart: []))
            #expect(
                world.notices.map(\.message) == [
                    "the new configuration is in force: port changed: bus-2"
                ])
        }
    }

    @Test func valuesAreAnsweredInPagesThatHoldEveryDeviceOnce() throws {
        var world = QuietWorld(try Self.settings(ports: 8, nodes: 16, points: 60))
        world.start()
        var (from, pages, devices): (Int64?, Int, [String]) = (0, 0, [])
        while let first = from {
            let page = try world.ask(#"{"get":"values","from":\#(first)}"#)
            #expect(page.bytes.count < 80 << 10)
            devices += page.document["devices"]?.members?.map(\.name.string) ?? []
            from = page.document["next"]?.integer
            pages += 1
        }
        #expect(devices == (0..<8).flatMap { port in (1...16).map { "dev-\(port)-\($0)" } })
        #expect(pages > 1)
        #expect(
            try world.ask(#"{"get":"values","from":128}"#).document["devices"]?.members?.isEmpty
                == true)
        #expect(try world.ask(#"{"get":"values"}"#).document["devices"]?.members?.count == 128)
    }

    @Test func whatIsTooMuchForOneAnswerSaysHowItIsHad() throws {
        var world = QuietWorld(try Self.settings(ports: 8, nodes: 16, points: 70))
        world.start()
        let error = try world.ask(#"{"get":"values"}"#).document["error"]?.string?.string
        #expect(
            error?.hasPrefix("the values of 8960 points are too much for one answer") == true,
            "\(error ?? "")")
        for wrong in ["-1", "\"x\"", "0.5", "1e40", "null"] {
            let error = try world.ask(#"{"get":"values","from":\#(wrong)}"#).document["error"]?
                .string?.string
            #expect(
                error?.contains("\"from\" is how many devices") == true, "\(wrong): \(error ?? "")")
        }
        let both = try world.ask(#"{"get":"values","from":0,"device":"dev-0-1"}"#).document
        #expect(both["error"] != nil)
        #expect(
            try world.ask(#"{"get":"values","from":9223372036854775807}"#).document["next"] == nil)
    }
}

/// A composed gateway without a bridge and without lines.
private struct QuietWorld: ComposedWorld {
    var gateway: Gateway
    var now = Self.epoch
    var disk = VirtualDisk(capacity: 64 << 20)
    var notices: [Notice] = []
    var answers: [[UInt8]] = []

    init(_ settings: Gateway.Settings) {
        gateway = Gateway(settings, bootID: [UInt8](repeating: 1, count: 16), seed: 1)
    }

    mutating func carryOut(_ effect: Effect, _ events: inout [Event]) {
        switch effect {
        case .connect: events.append(.link(.failed(LinkFailure(.refused, "refused"))))
        case .notice(let notice): notices.append(notice)
        case .answer(_, let line): answers.append(line)
        default: break
        }
    }

    mutating func ask(_ request: String) throws -> (bytes: [UInt8], document: JSON) {
        answers = []
        receive(.control(ControlTicket(1), Array(request.utf8)))
        let answer = try #require(answers.last)
        return (answer, try JSONReader.parse(answer))
    }
}
