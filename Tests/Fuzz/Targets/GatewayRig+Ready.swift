import Base
import FuzzKit
import Gateway

/// The configurations of the rigs, and rigs that are connected and poll.
extension GatewayRig {
    static let modbus = PortName("bus")
    static let scale = PortName("scale")

    /// - Parameter bridge: members of that section beside host and gateway.
    static func settings(
        _ bridge: String, spool: String = "maxBytes: \"1MiB\"", batch: Bool = false
    ) -> Gateway.Settings {
        let text = """
            { bridge: { host: "h", gateway: "gw-7", \(batch ? "batch: { maxDelay: \"1s\" }," : "") \(bridge) },
              spool: { \(spool) }, http: { listen: "127.0.0.1:8420", token: "0123456789", actions: true },
              scanAdapters: true, logLevel: "debug",
              ports: {
                bus: { device: "/dev/bus", baud: 19200, parity: "even", every: "1s",
                  responseTimeout: "100ms",
                  serve: { listen: "127.0.0.1:1502", allow: { "*": "write", "9": "raw" } },
                  nodes: {
                  "meter-1": { unit: 1, points: {
                    a: { holding: 0, type: "float32", deadband: 0.5, heartbeat: "10s" }, b: { holding: 2, scale: 0.1, units: "V" },
                    c: { coil: 3, writable: { perMinute: 4 } }, sf: { holding: 4, type: "int16", hidden: true },
                    d: { holding: 5, scaleFrom: "sf" }, e: { discrete: 9, priority: true, every: "200ms" } } },
                  "tank-2": { unit: 2, identify: { vendor: "x" }, setup: [{ "holding:16": 3 }], points: {
                    level: { holding: 0x10, map: { 0: "off" }, min: 0, max: 100, onChange: true },
                    set: { holding: 0x20, type: "int16", scale: 0.5, writable: { min: -5, max: 100, step: 0.5, perDay: 9 },
                      safe: { value: 1, after: "5s" } },
                    name: { input: 0, type: "string", length: 4 }, flags: { holding: 8, type: "bits", bits: { x: 3, mode: [4, 6] } },
                    go: { custom: { function: 66, data: "hex:01" }, writable: true } } },
                  "all-4": { unit: 0, broadcast: true, points: { out: { holding: 7, writable: {} } } },
                } },
                scale: { device: "/dev/scale", driver: "uart", baud: 9600, every: "2s", nodes: { "scale-3": {
                  request: "Q\\r\\n", frame: { end: "\\r\\n", max: 32 },
                  fields: { weight: { template: ",{value:number}", validIf: { index: 0, equals: ["ST", "US"] } } } } } },
              } }
            """
        let (configuration, problems) = Configuration.read(Array(text.utf8), fileName: "gw.json5") {
            _ in
            .failure(ProfileFailure("is none"))
        }
        guard let configuration else { fatalError("\(problems.map(\.description))") }
        return Gateway.Settings(
            configuration, keys: KeyAlgorithms(gateway: [.es256]),
            floor: WallTime(milliseconds: 1_760_000_000_000),
            version: "9.9")
    }

    static let cloud =
        "project: \"acme\", region: \"us-central1\", registry: \"plant\", privateKey: \"k\""
    static let plain = "username: \"u\", password: \"p\""

    /// Connected and polling, on a plain broker and on a bridge.
    static let ready: [GatewayRig] = [
        settings(plain), settings(cloud), settings(plain, batch: true),
    ].map { settings in
        var rig = GatewayRig(settings)
        rig.receive(.clock(ClockFacts(synchronised: true, hasRTC: true)))
        rig.wait(.seconds(4))
        demand(rig.published > 5, "the rig does not publish: \(rig.published)")
        rig.tryDoors()
        return rig
    }
}
