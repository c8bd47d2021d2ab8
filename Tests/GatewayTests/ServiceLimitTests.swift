import Foundation
import Gateway
import Testing

/// What `check` accepts fits into the bounds of the systemd unit.
@Suite struct ServiceLimitTests {
    private static let unit = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("board/debian/fieldgw.service")

    private static func bound(_ name: String) throws -> Int {
        let text = try String(contentsOf: unit, encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(name + "=") })
        let value = line.dropFirst(name.count + 1)
        if value.hasSuffix("M") { return try #require(Int(value.dropLast())) << 20 }
        return try #require(Int(value))
    }

    @Test func theUnitHasRoomForAllThatAConfigurationMayAsk() throws {
        #expect(try Self.bound("TasksMax") >= ServiceLimits.tasks)
        #expect(try Self.bound("LimitNOFILE") >= ServiceLimits.descriptors)
        #expect(try Self.bound("MemoryMax") >= ServiceLimits.memory)
    }

    private static func ports(_ count: Int, nodes: Int) -> String {
        (0..<count).map { port in
            let own = (1...nodes).map {
                "\"d-\(port)-\($0)\": { unit: \($0), points: { x: { holding: 0 } } }"
            }
            return
                "\"p\(port)\": { device: \"/dev/x\(port)\", driver: \"modbus-rtu\", nodes: { \(own.joined(separator: ", ")) } },"
        }.joined(separator: "\n")
    }

    /// A profile of a thousand points for each of 4096 devices took gigabytes.
    @Test func morePointsThanOneGatewayServesAreToldOnceAndNotRead() {
        let points = (0..<5000).map { "p\($0): { holding: \($0) }" }.joined(separator: ", ")
        let profile = "{ driver: \"modbus-rtu\", points: { \(points) } }"
        let nodes = (1...200).map { "\"d-\($0)\": { unit: \($0), profile: \"big\" }" }.joined(
            separator: ",\n")
        let file = Samples.withPorts(
            "\"a\": { device: \"/dev/x\", driver: \"modbus-rtu\", nodes: {\n\(nodes) } },")
        let problems = Samples.read(file, profiles: ["big": profile]).1.map(\.message)
        #expect(
            problems.filter { $0.contains("more than 131072 points with this device's") }.count
                == 1, "\(problems.prefix(3))")
    }

    @Test func morePortsOrDevicesThanOneGatewayServesAreAnError() {
        func problems(_ ports: String) -> [String] {
            Samples.read(Samples.withPorts(ports)).1.map(\.message)
        }
        #expect(problems(Self.ports(ServiceLimits.portsMax, nodes: 1)).isEmpty)
        let tooMany = problems(Self.ports(ServiceLimits.portsMax + 1, nodes: 1))
        #expect(tooMany.contains { $0.contains("one gateway serves 256") }, "\(tooMany)")
    }
}
