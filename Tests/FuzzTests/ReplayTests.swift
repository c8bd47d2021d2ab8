import Foundation
import FuzzKit
import FuzzTargets
import TestKit
import Testing

/// What the fuzzers have found worth keeping, tried again in every run of the tests.
@Suite struct ReplayTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
        .appendingPathComponent("Fuzz")

    static let targets: [String: any FuzzTarget.Type] = [
        "adapter": AdapterFuzz.self, "bridge": BridgeFuzz.self, "client": ClientFuzz.self,
        "config": ConfigFuzz.self,
        "control": ControlFuzz.self, "documents": DocumentsFuzz.self, "driver": DriverFuzz.self,
        "gateway": GatewayFuzz.self, "http": HTTPFuzz.self, "json": JSONFuzz.self,
        "modbus": ModbusFuzz.self,
        "packet": PacketFuzz.self, "recovery": RecoveryFuzz.self, "segment": SegmentFuzz.self,
        "server": ServerFuzz.self,
        "session": SessionFuzz.self, "tools": ToolsFuzz.self, "uart": UARTFuzz.self,
    ]

    /// A debug build is slow: an input in so many is enough there, and every one when FIELDGW_LONG
    /// is set.
    static let step = ProcessInfo.processInfo.environment["FIELDGW_LONG"] == "1" ? 1 : 8

    @Test func everyTargetIsInTheTable() throws {
        let files = try FileManager.default.contentsOfDirectory(
            atPath: Self.folder.appendingPathComponent("Targets").path)
        let names = files.filter { $0.hasSuffix("Fuzz.swift") }.map { $0.dropLast(10).lowercased() }
        #expect(Set(names) == Set(Self.targets.keys))
    }

    @Test(arguments: targets.keys.sorted()) func corpusBreaksNothing(_ name: String) throws {
        let folder = Self.folder.appendingPathComponent("corpus/\(name)")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        let target = try #require(Self.targets[name])
        #expect(files.count < 400, "\(files.count) files; board/fuzz --keep merges them")
        for file in files.indices where file % Self.step == 0 {
            target.run([UInt8](try Data(contentsOf: folder.appendingPathComponent(files[file]))))
        }
    }
}
