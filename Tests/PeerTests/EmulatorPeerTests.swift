import Foundation
import Testing

/// The bridge emulator and people who know nothing of us: Google's API client library provisions
/// it, paho-mqtt connects to it, and our gateway works with what they have set up.
@Suite(.serialized) struct EmulatorPeerTests {
    /// `fieldsim bridge`, provisioned over HTTP alone.
    private struct Bridge {
        let process: Peer
        let port: Int
        let admin: String

        init(in workspace: Workspace) throws {
            process = try Peer(
                try Tools.fieldsim(),
                [
                    "bridge", "--make-certificates", workspace.path("certs"), "--port", "0",
                    "--admin-port", "0",
                    "--activity-log", workspace.path("activity.jsonl"),
                ])
            guard let first = process.complaint(), let second = process.complaint(),
                let port = first.split(separator: ":").last.flatMap({ Int($0) }),
                second.hasSuffix("/v1")
            else { throw MissingPeer(description: "fieldsim bridge does not say where it listens") }
            self.port = port
            admin = String(second.dropLast(3).drop { $0 != "h" })
        }
    }

    private func key(in workspace: Workspace) throws -> (file: String, publicFile: String) {
        let file = workspace.path("gateway.pem")
        let (code, publicKey, errors) = try Peer(
            try Tools.fieldgw(), ["key", "generate", "--type", "ec", file]
        ).finish()
        guard code == 0 else { throw MissingPeer(description: "fieldgw key generate: \(errors)") }
        return (file, try workspace.write("gateway.pub.pem", publicKey))
    }

    @Test(.timeLimit(.minutes(2))) func strangersProvisionAndUseItWithTheirOwnLibraries() throws {
        let workspace = try Workspace()
        let bridge = try Bridge(in: workspace)
        let (file, publicFile) = try key(in: workspace)
        let stranger = try Peer(
            try Tools.python(),
            [
                Tools.peer("emulator-client.py"), "alone", bridge.admin, "\(bridge.port)",
                workspace.path("certs/ca.pem"), file, publicFile,
            ])
        let (code, output, errors) = stranger.finish()
        #expect(code == 0, "\(output)\(errors)")
        #expect(output.contains("ok: five readings arrived in order"))
        #expect(bridge.process.stop() == 0)
        let activity = try String(contentsOfFile: workspace.path("activity.jsonl"), encoding: .utf8)
        let kinds = try activity.split(separator: "\n").map { line -> String in
            let entry = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            return (entry?["jsonPayload"] as? [String: Any])?["eventType"] as? String ?? "?"
        }
        #expect(kinds.contains("ATTACH_TO_GATEWAY") && kinds.last == "DISCONNECT", "\(kinds)")
    }

    @Test(.timeLimit(.minutes(2))) func ourGatewayPublishesToWhatStrangersProvisioned() throws {
        let workspace = try Workspace()
        let bridge = try Bridge(in: workspace)
        defer { bridge.process.stop() }
        let (_, publicFile) = try key(in: workspace)
        let bus = try Peer(
            try Tools.fieldsim(),
            [
                "bus", "--units", "2", "--baud", "115200", "--parity", "none", "--link",
                workspace.path("bus"),
            ])
        defer { bus.stop() }
        let stranger = try Peer(
            try Tools.python(),
            [
                Tools.peer("emulator-client.py"), "gateway", bridge.admin, publicFile, "unit-1",
                "unit-2",
            ])
        #expect(stranger.line() == "provisioned")
        let configuration = try workspace.write(
            "gateway.json5",
            """
            {
              bridge: { host: "localhost", port: \(bridge.port), ca: "certs/ca.pem", project: "acme", region: "us-central1",
                registry: "strangers", gateway: "gw-py", privateKey: "gateway.pem" },
              spool: { directory: "spool" }, state: "state", clock: "trust",
              ports: { line: { device: "\(workspace.path("bus"))", driver: "modbus-rtu", baud: 115200, every: "300ms", nodes: {
                "unit-1": { unit: 1, points: { a: { holding: 0 } } }, "unit-2": { unit: 2, points: { a: { holding: 0 } } },
              } } },
            }
            """)
        let gateway = try Peer(try Tools.fieldgw(), ["run", "--config", configuration])
        let (code, output, errors) = stranger.finish()
        #expect(code == 0, "\(output)\(errors)")
        #expect(gateway.stop() == 0)
    }
}
