import Base
import Simulators
import Testing

@Suite struct BridgeRegistryTests {
    @Test func aRegistryFileIsRead() throws {
        let registry = try BridgeRegistry(
            json5: Array(
                """
                { project: "acme", region: "us-central1", registry: "plant",   // a comment
                  gateways: {
                    "gw-7": { keys: ["gw-7.pub.pem",
                                     { key: "-----BEGIN PUBLIC KEY-----x", expires: 1900000000 }],
                              authMethod: "DEVICE_AUTH_TOKEN_ONLY", bound: ["meter-1"], blocked: false },
                  },
                  devices: { "meter-1": { config: '{"every":"5s"}', blocked: true }, "meter-2": {} } }
                """.utf8))
        #expect(
            registry.clientIDPrefix
                == "projects/acme/locations/us-central1/registries/plant/devices/")
        #expect(registry.devices.count == 3)
        #expect(
            registry.devices["gw-7"]?.gateway
                == .init(authMethod: .deviceTokenOnly, bound: ["meter-1"]))
        #expect(registry.devices["meter-1"]?.config.bytes == Array("{\"every\":\"5s\"}".utf8))
        #expect(registry.devices["meter-1"]?.blocked == true)
        #expect(registry.keyFiles == ["gw-7.pub.pem"])
        var resolved = registry
        resolved.resolve("gw-7.pub.pem", pem: "-----BEGIN PUBLIC KEY-----y")
        #expect(resolved.keyFiles.isEmpty)
        #expect(resolved.devices["gw-7"]?.keys.map(\.expires) == [nil, 1_900_000_000])
    }

    @Test func everyProblemIsReportedWithItsPlace() {
        let text = """
            { project: "acme", region: 7, regstry: "plant",
              gateways: { "gw-7": { bound: ["ghost"], authMethod: "NONE", keys: "x" } },
              devices: { x: {}, "meter-1": { keys: [1], bound: [] }, "meter-1": {}, "gw-7": { blocked: 1 } } }
            """
        do {
            _ = try BridgeRegistry(json5: Array(text.utf8))
            Issue.record("accepted")
        } catch {
            let found = error.problems.map { "\($0.position.line): \($0.message)" }
            for expected in [
                "1: region must be a string, not a number", "1: registry is missing",
                "2: \"ghost\" is bound here but is not among the devices",
                "2: keys must be an array, not a string",
                "3: \"x\" is not a device ID", "3: the device \"meter-1\" is given twice",
                "3: the device \"gw-7\" is given twice",
                "3: blocked must be true or false, not a number",
            ] { #expect(found.contains(expected), "\(expected)") }
            #expect(found.contains { $0.hasPrefix("1: unknown key \"regstry\"") })
            #expect(found.contains { $0.hasPrefix("2: authMethod \"NONE\"") })
            #expect(found.contains { $0.hasPrefix("3: unknown key \"bound\"") })
            #expect(error.problems.first?.description.hasPrefix("1:") == true)
        }
    }

    @Test(arguments: ["", "[]", "{", "null", "{project: 1, project: 2}"])
    func nonsenseIsAnErrorNotACrash(
        _ text: String
    ) {
        do {
            _ = try BridgeRegistry(json5: Array(text.utf8))
            Issue.record("accepted")
        } catch {
            #expect(!error.problems.isEmpty)
        }
    }
}
