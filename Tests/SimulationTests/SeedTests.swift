import Foundation
import TestKit
import Testing

/// Which hours are simulated: FIELDGW_SEED=17 is that one alone, FIELDGW_LONG=1 is thousands.
/// FIELDGW_TRACE=1 prints what happens in them.
enum Seeds {
    private static let environment = ProcessInfo.processInfo.environment

    static let traces = environment["FIELDGW_TRACE"] == "1"

    /// A state document left right behind a re-sent one, and the bridge detached the device for it.
    private static let onceFailed: [UInt64] = [51, 62]

    static let all: [UInt64] = {
        if let one = environment["FIELDGW_SEED"].flatMap({ UInt64($0) }) { return [one] }
        let count = environment["FIELDGW_LONG"] == "1" ? 3000 : 50
        return Effort.cases(count).map { UInt64($0 + 1) } + (count > 62 ? [] : onceFailed)
    }()
}

@Suite struct SeedTests {
    @Test(arguments: Seeds.all) func anHourOfFaultsLosesNothingAndInventsNothing(
        seed: UInt64
    ) throws {
        let world = try SimulatedWorld.hour(seed: seed, traces: Seeds.traces)
        for violation in world.oracle.violations {
            Issue.record(
                "\(violation); again with: FIELDGW_SEED=\(seed) board/test --filter SimulationTests"
            )
        }
        #expect(world.oracle.received.count > 500, "seed \(seed): hardly anything was simulated")
    }

    /// Or the hours would prove nothing of them.
    @Test func readsGoInBursts() throws {
        let world = try SimulatedWorld.hour(seed: 1)
        #expect(world.burstsEnded > 20 && world.exchangesInBursts > world.burstsEnded)
    }
}
