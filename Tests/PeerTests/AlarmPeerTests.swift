import Foundation
import Testing

/// Alarm records of the real daemon, received through mosquitto.
@Suite(.serialized) struct AlarmPeerTests {
    @Test(.timeLimit(.minutes(5))) func alarmsArriveOnceEachThroughABroker() throws {
        let workspace = try Workspace()
        let port = try Tools.freePort()
        let conf = try workspace.write(
            "mosquitto.conf",
            """
            listener \(port) 127.0.0.1
            allow_anonymous true
            user root
            persistence true
            persistence_location \(workspace.url.path)/

            """
        )
        let mosquitto = try Tools.find("mosquitto", package: "mosquitto")
        var broker = try Peer(mosquitto, ["-c", conf], quiet: true)
        try Tools.until("the broker listens") { Tools.accepts(port) }
        let bus = try Peer(
            try Tools.fieldsim(),
            [
                "bus", "--units", "2", "--baud", "115200", "--parity", "none", "--link",
                workspace.path("bus"),
            ], quiet: true)
        try Tools.until("the bus is there") {
            FileManager.default.fileExists(atPath: workspace.path("bus"))
        }
        let subscriber = try Peer(
            try Tools.find("stdbuf", package: "coreutils"),
            [
                "-oL", try Tools.find("mosquitto_sub", package: "mosquitto-clients"), "-h",
                "127.0.0.1", "-p", "\(port)", "-q", "1", "-i", "watcher", "-c", "-t",
                "/devices/gw-alarm/events/alarms", "-F", "%p",
            ])
        let file = try workspace.write(
            "gateway.json5",
            """
            {
              bridge: { host: "127.0.0.1", port: \(port), tls: false, gateway: "gw-alarm" },
              spool: { directory: "spool" }, state: "state", clock: "trust",
              alarms: { bridgeAway: "10s" },
              ports: {
                "bus-a": { device: "\(workspace.path("bus"))", driver: "modbus-rtu", baud: 115200,
                  parity: "none", every: "500ms", responseTimeout: "100ms", nodes: {
                    "meter-1": { unit: 1, points: { count: { holding: 0 } } },
                    "dead-9": { unit: 9, points: { count: { holding: 0 } } },
                  } },
                "bus-b": { device: "\(workspace.path("nothing"))", driver: "modbus-rtu", nodes: {
                    "meter-2": { unit: 2, points: { count: { holding: 0 } } },
                  } },
              },
            }
            """)
        let gateway = try Peer(try Tools.fieldgw(), ["run", "--config", file], quiet: true)
        func next() throws -> [String: Any] {
            let line = try #require(subscriber.line(within: .seconds(60)))
            return try #require(
                try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
        func name(_ record: [String: Any]) -> String {
            let sign = record["active"] as? Bool == true ? "+" : "-"
            return "\(sign)\(record["alarm"] ?? "?") \(record["device"] as? String ?? "")"
        }
        let first = [try name(next()), try name(next())].sorted()
        #expect(first == ["+device-offline dead-9", "+port-gone:bus-b "])

        let check = try Peer(try Tools.fieldgw(), ["status", "--check", "--config", file]).finish()
        #expect(check.code == 2 && check.output.contains("bus-b"), "\(check)")
        let status = try Peer(try Tools.fieldgw(), ["status", "--config", file]).finish()
        #expect(status.output.contains("alarm port-gone:bus-b"), "\(status)")

        let output = try Peer(try Tools.fieldgw(), ["status", "--json", "--config", file]).finish()
            .output
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
        let host = try #require(document["host"] as? [String: Any])
        for key in ["memoryBytes", "memoryAvailableBytes", "residentBytes", "diskFreeBytes"] {
            #expect(host[key] as? Int ?? 0 > 1 << 20, "\(host)")
        }
        #expect((host["load"] as? [Double])?.count == 3)
        #expect((document["configuration"] as? String)?.count == 16)
        #expect((document["start"] as? [String: Any])?["reason"] as? String == "first")

        broker.stop()
        sleep(15)  // The outage must last longer than `bridgeAway`.
        broker = try Peer(mosquitto, ["-c", conf], quiet: true)
        var outage: [[String: Any]] = []
        for _ in 0..<2 { outage.append(try next()) }
        #expect(outage.map(name) == ["+bridge-away ", "-bridge-away "])
        #expect(outage[0]["since"] as? String == outage[1]["since"] as? String)
        #expect(
            Set(outage[0].keys) == ["ts", "seq", "alarm", "device", "since", "active", "text"])
        #expect(outage[0]["device"] is NSNull)
        #expect(gateway.end().code == 0)
        subscriber.stop()
        bus.stop()
        broker.stop()
    }
}
