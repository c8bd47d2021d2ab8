import Foundation
import Platform
import Testing

/// As many ports as people have at one machine.
@Suite(.serialized) struct UnitLimitTests {
    /// There was a thread for each port: 64 of them needed 70, and the unit allows 64.
    @Test func sixtyFourPortsNeedFewThreadsAndDescriptors() throws {
        var lines: [Int: PseudoTerminalBox] = [:]
        for index in 0..<64 { lines[index] = PseudoTerminalBox(terminal: try PseudoTerminal()) }
        let workspace = try Workspace()
        let ports = lines.map { index, line in
            """
            "bus-\(index)": { device: "\(line.path)", driver: "modbus-rtu", baud: 115200, nodes: {
              "dev-\(index)": { unit: 1, every: "1s", points: { a: { holding: 3 } } } } },
            """
        }
        let file = try workspace.write(
            "gateway.json5",
            """
            {
              bridge: { host: "127.0.0.1", port: \(try Tools.freePort()), tls: false, gateway: "gw-peer" },
              spool: { directory: "spool" }, state: "state", clock: "trust",
              ports: { \(ports.joined(separator: "\n")) },
            }
            """)
        let gateway = try Peer(try Tools.fieldgw(), ["run", "--config", file], quiet: true)
        defer { gateway.stop() }
        var most = 0
        try Tools.until("all lines are open") {
            most = max(most, Self.count(gateway.processID, "task"))
            let answer = try Peer(try Tools.fieldgw(), ["status", "--json", "--config", file])
                .finish()
            most = max(most, Self.count(gateway.processID, "task"))
            return answer.output.components(separatedBy: "\"state\":\"open\"").count == 65
        }
        // The numbers of `ServiceLimits`, which a pure test compares with the unit.
        #expect((3...26).contains(most), "\(most) threads")
        #expect(
            Self.count(gateway.processID, "task") <= 10, "no port has anything to do for a helper")
        let descriptors = Self.count(gateway.processID, "fd")
        #expect((64...64 + 128).contains(descriptors), "\(descriptors) descriptors")
    }

    private final class PseudoTerminalBox {
        private let terminal: PseudoTerminal
        var path: String { terminal.path }

        init(terminal: consuming PseudoTerminal) { self.terminal = terminal }
    }

    private static func count(_ process: Int32, _ folder: String) -> Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/\(folder)").count)
            ?? 0
    }
}
