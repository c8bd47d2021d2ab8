import Base

/// What configurations are made of.
enum ConfigSamples {
    static func parsed(_ text: String) -> JSON {
        guard let json = try? JSONReader.parse(text, .json5) else {
            fatalError("a sample is no JSON5")
        }
        return json
    }

    static let files: [JSON] = [cloud, plain, uart].map(parsed)

    private static let cloud = """
        { bridge: { host: "h", port: 8883, fallback: ["f:443"], project: "acme", region: "us-central1", registry: "plant",
            gateway: "gw-7", privateKey: "k.pem", ca: "r.pem", tokenLifetime: "1h", keepAlive: "60s", ackTimeout: "10s",
            liveWithin: "5s", rate: { messages: 95, bytes: "500KiB" }, inFlight: { total: 64, perDevice: 1 },
            topics: { health: "health", gaps: "gaps", commands: false } },
          spool: { directory: "s", maxBytes: "64MiB", minFree: "1MiB", maxAge: "30d", maxRecord: "64KiB", share: 0.25,
            priorityReserve: "4MiB", whenFull: "dropOldest", sync: "1s" },
          clock: "auto", state: "st", control: "c.sock", logLevel: "info", scanAdapters: true,
          ports: { a: { device: "/dev/a", driver: "modbus-rtu", baud: 19200, parity: "even", stopBits: 1,
            rs485: { rts: "onSend", delayBeforeSend: "1ms", delayAfterSend: "0ms", receiveDuringSend: false, terminate: true },
            echo: "auto", trim: true, responseTimeout: "300ms", retries: 2, turnaround: "5ms", every: "10s", maxLoad: 0.9,
            detachAfter: "10m", nodes: {
              "m-1": { unit: 1, every: "1s", profile: "p", share: true },
              "t-2": { unit: 17, maxRegisters: 20, maxBits: 100, noMerge: true, ranges: { holding: [[0, 99], [200, 299]] },
                base: 1, delay: "5ms", setup: [{ "holding:16": 3 }, { set: 1 }], identify: [{ vendor: "v", product: "q" }, { serverId: "hex:41" }],
                points: { l: { holding: 16, type: "float32", order: "CDAB", invalid: ["nan"], scale: 0.01, offset: 1, units: "m", deadband: 0.05, heartbeat: "15m" },
                  set: { holding: 32, type: "int16", writable: { min: 0, max: 100, step: 1, perMinute: 6, perDay: 500, readback: true, compare: true, tolerance: 1, function: 16 },
                    safe: { value: 0, after: "5m" } },
                  al: { discrete: 3, priority: true, every: "500ms" }, f: { holding: 40, type: "bits", bits: { x: 3, m: [4, 6] } },
                  sf: { holding: 41, type: "int16", hidden: true }, w: { input: 42, scaleFrom: "sf", invalid: [32768], min: 0, max: 9, clamp: true },
                  st: { input: 50, type: "string", length: 4 }, e: { holding: 60, map: { 0: "off", 1: "on" }, onChange: true },
                  b: { holding: 61, type: "int8", byte: "high" }, go: { custom: { function: 66, data: "hex:01 02" }, writable: true } } },
              "all": { unit: 0, broadcast: true, points: { o: { holding: 7, writable: { values: [1, 2] } } } } } } } }
        """

    private static let plain = """
        { bridge: { host: "h", gateway: "gw-7", clientID: "c", username: "u", password: "w", tls: false, serverName: "n",
            telemetryTopic: "p/{gateway}/{device}/data", stateTopic: "s/{device}", configTopic: "c/{device}",
            commandTopic: "k/{device}", attachTopic: "a/{device}", detachTopic: "d/{device}", attachMessages: true,
            availabilityTopic: "av", proxy: "http://u:p@x:3128", batch: { maxDelay: "1s", maxBytes: "64KiB" } },
          ports: { b: { match: { serial: "s", path: "p", vendor: "0403", product: "6001", interface: "01" },
            nodes: { "d-1": { unit: 1, points: { x: { holding: 0 }, y: { coil: 1, writable: {} }, z: { input: 3, type: "uint64" },
              d: { holding: 1, type: "datetime", layout: "YYMM DDhh mm--", encoding: "bcd", utcOffset: "+01:00" }, r: { holding: [4, 6], type: "uint32" },
              n: { registers: [4, 6], table: "input", type: "int32", sign: "magnitude", negativeIf: { point: "y", equals: true } },
              v: { holding: 9, type: "version", parts: [8, 8] }, g: { holding: 9, digits: 4, hex: true, as: "text" },
              w: { holding: 9, scale: 0.1, writable: { exact: true, together: true } } } } } } } }
        """

    private static let uart = """
        { bridge: { host: "h", gateway: "gw-7", clientCertificate: "c.pem", clientKey: "k.pem" },
          ports: { u: { device: "/dev/u", driver: "uart", baud: 9600, every: "200ms", nodes: {
            "pm-1": { frame: { start: "hex:42 4D", length: { at: 2, bytes: 2, adds: 4, order: "big" }, max: 64 },
              checksum: { type: "sum16", from: 0, to: -2, at: -2, order: "big" }, fields: { v: { at: 12, type: "uint16" } } },
            "sc-2": { request: { send: "Q", checksum: "xor8", end: "\\r\\n" }, frame: { end: "\\r\\n", max: 32 }, id: "2",
              address: { index: 0, split: ",", equals: "ST" },
              fields: { w: { template: ",{value:number}", validIf: { index: 0, equals: ["ST", "US"] }, units: "g" },
                i: { index: 1, split: ",", decimal: ".", negativeIf: { at: 0, equals: "-" } }, h: { index: 2, hex: true, type: "uint16" },
                g: { index: 3, angle: "ddmm" } } },
            "si-3": { request: "R{id}", id: "7", frame: { silence: "20ms", max: 16 }, fields: { a: { at: 0, type: "int8" } } },
            "fx-4": { frame: { fixed: 9, start: "hex:FF 86" }, checksum: { type: "twos-complement", from: 1 }, fields: { c: { at: 2, type: "uint16", order: "BA" } } } } } } }
        """

    static let profile = """
        { name: "P", every: "2s", identify: { input: 0, type: "float32", between: [90, 280] }, points: {
            v: { input: 0, type: "float32", units: "V" }, e: { input: 342, type: "float32", units: "kWh", every: "1m" },
            s: { holding: 3, writable: { min: 1, max: 5 } } } }
        """

    /// Every object, array and value that stands in a sample.
    static let parts: [JSON] = files.flatMap { parts(of: $0, depth: 0) }

    private static func parts(of value: JSON, depth: Int) -> [JSON] {
        let inner = (value.array ?? []) + (value.members ?? []).map(\.value)
        return (depth > 0 ? [value] : []) + inner.flatMap { parts(of: $0, depth: depth + 1) }
    }

    static let keys: [ByteString] = Set((files + [parsed(profile)]).flatMap(keys)).sorted()

    private static func keys(of value: JSON) -> [ByteString] {
        (value.members ?? []).flatMap { [$0.name] + keys(of: $0.value) }
            + (value.array ?? []).flatMap(keys)
    }

    static let words: [ByteString] = [
        "1ms", "10ms", "1s", "5m", "1h", "7d", "1KiB", "64KiB", "1MiB", "0", "-1", "1e9", "auto",
        "trust", "unlimited", "uint16",
        "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64", "bcd16",
        "bcd32", "uint24", "int48", "bcd8", "m10k", "int24e8", "hex", "version", "datetime",
        "epoch", "mbus-f", "utf-16", "string", "bits", "bool",
        "AB", "BA", "ABCD", "CDAB", "BADC", "DCBA", "ABCDEFGH", "HGFEDCBA", "high", "low", "even",
        "odd", "none", "software",
        "afterSend", "little", "blanks", "signs", "hex:", "hex:00", "{id}", "{device}", "{gateway}",
        "a/+/#", "", "nmea", "sdi12",
        "crc16-modbus", "crc8", "p", "debug", "error", "modbus-rtu", "uart", "holding:1",
        "e\u{301}", "\u{e9}", "gw-7", "h:99999",
        "[::1]:8883", "T={value:number}", "{value:hex}", "{value:text}", "{x}", "goog-x", "a b",
    ]
}
