import Drivers
import Foundation
import Gateway
import Testing

/// The register maps of real meters, planned at 9600 baud 8N1, each read once a second.
@Suite struct PublishedMapTests {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("board/profiles").path

    /// Nil for a profile of a plain serial device.
    private func plan(_ profile: String) -> ReadPlan? {
        let text = """
            { bridge: { host: "localhost", gateway: "gw-1" }, ports: { a: { device: "/dev/null", driver: "modbus-rtu", every: "1s",
              nodes: { "node-1": { unit: 1, profile: "\(profile)" } } } } }
            """
        return Configuration.read(Array(text.utf8), fileName: "test") { name in
            guard let data = FileManager.default.contents(atPath: "\(Self.folder)/\(name).json5")
            else {
                return .failure(ProfileFailure("is not in board/profiles"))
            }
            return .success(ProfileFile(path: name, bytes: Array(data)))
        }.0?.ports.first?.readPlan
    }

    @Test func thePlanSavesMostOfTheLineOnPublishedMeterMaps() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder)
            .filter { $0.hasSuffix(".json5") }.map { String($0.dropLast(".json5".count)) }.sorted()
        var saved: [String: (single: Double, adjacent: Double)] = [:]
        for name in names {
            guard let plan = plan(name), !plan.reads.isEmpty else { continue }
            let compared = PlanComparison(plan)
            let (single, adjacent) = (
                compared.saving(of: compared.single), compared.saving(of: compared.adjacent)
            )
            print(
                "\(name): \(Int(compared.planned * 1000)) ms a second; saves \(Int(single * 100)) % of one request a point, "
                    + "\(Int(adjacent * 100)) % of neighbours only")
            #expect(
                compared.planned <= compared.adjacent + 1e-12
                    && compared.adjacent <= compared.single + 1e-12, "\(name)")
            saved[name] = (single, adjacent)
        }
        // The values of an SDM120 lie four registers apart: nothing touches, and half a hole is
        // cheap.
        for (meter, single, adjacent) in [
            ("eastron-sdm120", 0.37, 0.37), ("eastron-sdm630", 0.6, 0.16),
            ("schneider-iem3155", 0.55, 0.23),
            ("carlo-gavazzi-em340", 0.7, 0.22), ("pzem-016", 0.75, 0),
        ] {
            let share = try #require(saved[meter], "\(meter) is not in board/profiles")
            #expect(share.single >= single && share.adjacent >= adjacent, "\(meter) saves \(share)")
        }
    }
}
