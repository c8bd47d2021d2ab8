import Base
import Gateway

/// A configuration with something of everything, and helpers to read snippets.
enum Samples {
    static let design = #"""
        {
          bridge: {
            host: "mqtt.plant.test", port: 8883, fallback: ["mqtt.plant.test:443"],
            project: "acme", region: "us-central1", registry: "plant", gateway: "gw-7",
            privateKey: "gw-7.pem",            // PEM, or an OpenSSL store URI (pkcs11:, handle:); RS256 or ES256 by key type
            ca: "roots.pem",                   // default: the system's store; serverName overrides the name that is verified
            tokenLifetime: "1h", keepAlive: "60s", ackTimeout: "10s", liveWithin: "5s",
            rate: { messages: 95, bytes: "500KiB" },       // per second, control packets count
            inFlight: { total: 64, perDevice: 1 },         // plain broker: { total: 1024 }
            topics: { health: "health", gaps: "gaps", commands: "commands" },   // subfolders
          },
          spool: { directory: "spool", maxBytes: "64MiB", minFree: "64MiB", maxAge: "30d", maxRecord: "64KiB", share: 0.25, priorityReserve: "4MiB", whenFull: "dropOldest", sync: "1s" },
          clock: "auto",                       // "trust": this machine's clock is right
          ports: {
            "bus-a": {
              device: "/dev/ttyAMA0",
              driver: "modbus-rtu", baud: 19200, parity: "even", stopBits: 1,
              rs485: { rts: "onSend", delayBeforeSend: "0ms", delayAfterSend: "0ms" },
              responseTimeout: "300ms", retries: 2, turnaround: "5ms", every: "10s", maxLoad: 0.9,
              nodes: {                          // keyed by device ID: this is the adapter's map
                "meter-1": { unit: 1, every: "1s", profile: "eastron-sdm120" },
                "tank-2": { unit: 17, every: "5s", points: {
                  level: { holding: 0x10, type: "float32", order: "CDAB", scale: 0.01, units: "m", deadband: 0.05, heartbeat: "15m" },
                  setpoint: { holding: 0x20, type: "int16", writable: { min: 0, max: 100, step: 1, perMinute: 6, perDay: 500 } },
                  alarm: { discrete: 3, priority: true, every: "500ms" },
                } },
              },
            },
            "dust": { device: "/dev/ttyUSB0", driver: "uart", baud: 9600, nodes: { "pm-1": {
              frame: { start: "hex:42 4D", length: { at: 2, bytes: 2, adds: 4 }, max: 64 }, checksum: { type: "sum16", from: 0, to: -2, at: -2 },
              fields: { pm25: { at: 12, type: "uint16" } } } } },
          },
        }
        """#

    static let profile = #"""
        { name: "Stub", every: "2s", points: {
            voltage: { input: 0, type: "float32", units: "V" },
            energy: { input: 0x156, type: "float32", units: "kWh", every: "1m" },
        } }
        """#

    static func read(
        _ text: String, fileName: String = "gw.json5",
        profiles: [String: String] = ["eastron-sdm120": profile]
    ) -> (Configuration?, [Diagnostic]) {
        Configuration.read(Array(text.utf8), fileName: fileName) { name in
            guard let text = profiles[name] else {
                return .failure(ProfileFailure("does not exist"))
            }
            return .success(ProfileFile(path: "profiles/\(name).json5", bytes: Array(text.utf8)))
        }
    }

    /// A file on a plain broker: line 1 is the bridge, so that a snippet begins on line 2.
    static func withPorts(_ ports: String) -> String {
        "{ bridge: { host: \"h\", gateway: \"gw-1\" }, ports: {\n\(ports)\n} }"
    }

    /// The snippet is on line 3, inside `nodes` of one Modbus port.
    static func withNodes(_ nodes: String) -> String {
        withPorts("a: { device: \"/dev/a\", nodes: {").replacing("\n} }", with: "")
            + "\n\(nodes)\n} } } }"
    }

    /// The snippet is on line 4, inside `points` of one node.
    static func withPoints(_ points: String) -> String {
        withNodes("\"dev-1\": { unit: 1, points: {").replacing("\n} } } }", with: "")
            + "\n\(points)\n} } } } } }"
    }

    /// The snippet is on line 2, inside `bridge` after host and gateway.
    static func withBridge(_ members: String) -> String {
        "{ ports: { a: { device: \"/dev/a\", nodes: { \"dev-1\": { unit: 1, points: { x: { holding: 0 } } } } } }, "
            + "bridge: { host: \"h\", gateway: \"gw-1\",\n\(members)\n} }"
    }
}
