import Foundation
import Testing

/// Which hours are simulated: FIELDGW_SEED=17 is that one alone, FIELDGW_LONG=1 is thousands.
enum Seeds {
    static let all: [UInt64] = {
        let environment = ProcessInfo.processInfo.environment
        if let one = environment["FIELDGW_SEED"].flatMap({ UInt64($0) }) { return [one] }
        return Array(1...(environment["FIELDGW_LONG"] == "1" ? 3000 : 50))
    }()
}

@Suite struct SeedTests {
    @Test(arguments: Seeds.all) func anHourOfFaultsLosesNothingAndInventsNothing(seed: UInt64) throws {
        let world = try SimulatedWorld.hour(seed: seed)
        for violation in world.oracle.violations {
            Issue.record(
                "\(violation); again with: FIELDGW_SEED=\(seed) board/test --filter SimulationTests")
        }
        #expect(world.oracle.received.count > 500, "seed \(seed): hardly anything was simulated")
    }
}
