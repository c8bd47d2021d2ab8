import Foundation
import Glibc
import Testing

/// SIGHUP to a gateway between pymodbus and mosquitto, with a service manager's socket beside it.
@Suite(.serialized) struct ReloadPeerTests {
    /// What systemd would hear: the datagrams of sd_notify(3).
    private final class NotifySocket {
        let path: String
        private let descriptor: Int32

        init(_ path: String) throws {
            self.path = path
            descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
            let bound = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            guard bound == 0 else { throw MissingPeer(description: "no notify socket at \(path)") }
        }

        deinit { close(descriptor) }

        /// Messages until one begins like this; nil after 20 s of silence.
        func message(_ prefix: String) -> String? {
            while true {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                guard poll(&waiting, 1, 20_000) > 0 else { return nil }
                var bytes = [UInt8](repeating: 0, count: 4096)
                let count = recv(descriptor, &bytes, bytes.count, 0)
                let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
                if text.hasPrefix(prefix) { return text }
            }
        }

        /// A status that is right, told within five seconds: every ten it would be told anyhow.
        func status(_ isRight: (String) -> Bool) -> Bool {
            let end = ContinuousClock.now + .seconds(5)
            while ContinuousClock.now < end, let status = message("STATUS=") {
                if isRight(status) { return true }
            }
            return false
        }
    }

    private func slave(_ line: String, _ units: [String]) throws -> Peer {
        let slave = try Peer(
            try Tools.python(), [Tools.peer("pymodbus-slave.py"), line, "115200", "N"] + units)
        #expect(slave.line() == "ready")
        return slave
    }

    @Test(.timeLimit(.minutes(5))) func aChangedFileIsTakenUpAndABadOneIsRefused() throws {
        let workspace = try Workspace()
        let other = try Workspace()
        let port = try Tools.freePort()
        let conf = try workspace.write(
            "mosquitto.conf",
            "listener \(port) 127.0.0.1\nallow_anonymous true\nuser root\npersistence false\n")
        let broker = try Peer(try Tools.find("mosquitto", package: "mosquitto"), ["-c", conf])
        let (firstPair, lineA, slaveA) = try Tools.serialPair(in: workspace)
        let (secondPair, lineB, slaveB) = try Tools.serialPair(in: other)
        let slaves = [try slave(slaveA, ["1", "2"]), try slave(slaveB, ["3"])]
        func busA(_ nodes: [String]) -> String {
            """
            "bus-a": { device: "\(lineA)", driver: "modbus-rtu", baud: 115200, every: "50ms", responseTimeout: "300ms",
              nodes: { \(nodes.joined(separator: ", ")) } },
            """
        }
        func write(keepAlive: String = "60s", _ ports: String) throws {
            try workspace.write(
                "gateway.json5",
                """
                {
                  bridge: { host: "127.0.0.1", port: \(port), tls: false, gateway: "gw-hup", keepAlive: "\(keepAlive)" },
                  spool: { directory: "spool" }, state: "state", clock: "trust",
                  ports: { \(ports) },
                }
                """)
        }
        let pump = "\"pump-1\": { unit: 1, points: { a: { holding: 3 } } }"
        let tank = "\"tank-2\": { unit: 2, points: { a: { holding: 3 } } }"
        let meter = """
            "bus-b": { device: "\(lineB)", driver: "modbus-rtu", baud: 115200, every: "50ms", nodes: {
              "meter-3": { unit: 3, points: { b: { holding: 7 } } } } },
            """
        try write(busA([pump, tank]))
        let file = workspace.path("gateway.json5")
        let manager = try NotifySocket(workspace.path("notify"))
        let gateway = try Peer(
            try Tools.fieldgw(), ["run", "--config", file],
            environment: [
                "NOTIFY_SOCKET=\(manager.path)",
                "PATH=\(ProcessInfo.processInfo.environment["PATH"] ?? "")",
            ])
        #expect(manager.message("READY=1") != nil)
        #expect(
            manager.status {
                $0.contains("connected to 127.0.0.1") && $0.contains("1 of 1 port open")
            })
        func watch() throws -> String {
            try Peer(try Tools.fieldgw(), ["watch", "--once", "--config", file]).finish().output
        }
        try Tools.until("both units are read") {
            let values = try watch()
            return values.contains("103") && values.contains("203")
        }

        // One port more, one node less: the port that stays is not opened again.
        try write(busA([pump]) + meter)
        gateway.hangUp()
        #expect(manager.message("RELOADING=1\nMONOTONIC_USEC=") != nil)
        #expect(manager.message("READY=1") != nil)
        let told = try #require(gateway.complaint { $0.contains("is in force") })
        #expect(
            told.contains("port added: bus-b") && told.contains("port changed: bus-a"), "\(told)")
        #expect(
            told.contains("device added: meter-3") && told.contains("device removed: tank-2"),
            "\(told)")
        try Tools.until("the new port is read") {
            let values = try watch()
            return values.contains("307") && values.contains("103") && !values.contains("tank-2")
        }

        // What cannot work is refused, with the place; everything goes on.
        try workspace.write("gateway.json5", "{ bridge: { hots: \"x\" }, ports: {} }")
        gateway.hangUp()
        #expect(manager.message("RELOADING=1") != nil)
        let refusal = try #require(
            gateway.complaint { $0.contains("refused, the one before stays in force") })
        #expect(refusal.contains("gateway.json5:1:11: error"), "\(refusal)")
        #expect(manager.message("READY=1") != nil)

        // Another bridge section: a new connection; another journal: told to need a restart.
        try write(keepAlive: "30s", busA([pump]) + meter)
        try Data(
            String(contentsOfFile: file, encoding: .utf8).replacingOccurrences(
                of: "\"spool\"", with: "\"spool-2\""
            ).utf8
        )
        .write(to: URL(fileURLWithPath: file))
        gateway.hangUp()
        #expect(gateway.complaint { $0.contains("the bridge is connected again") } != nil)
        #expect(
            gateway.complaint {
                $0.contains("spool.directory: changed in the file, in force only after a restart")
            } != nil)
        #expect(gateway.complaint { $0.contains("connected to 127.0.0.1") } != nil)
        #expect(manager.message("READY=1") != nil)
        try Tools.until("all is read") { try watch().contains("307") }
        broker.stop()
        #expect(manager.status { !$0.contains("connected to 127.0.0.1") })
        #expect(gateway.stop() == 0)
        let rest = gateway.finish().errors
        #expect(!rest.contains("opened"), "no line was opened again: \(rest)")
        for slave in slaves { slave.stop() }
        firstPair.stop()
        secondPair.stop()
    }
}
