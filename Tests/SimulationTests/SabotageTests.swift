import Testing

/// An oracle that never objects proves nothing: each promise is broken once on purpose.
@Suite struct SabotageTests {
    static let wanted: [(Sabotage, String)] = [
        (.losesRecords, "on the disk twice with different content"),
        (.answersBeforeSync, "is sent and not durable"),
        (.forgesReplies, "the bus did not serve that count"),
        (.forgetsAttachment, "GATEWAY_DEVICE_NOT_FOUND"),
        (.staysSilent, "nothing that was read after"),
        (.wipesJournal, "never arrived"),
    ]

    @Test(arguments: wanted.indices) func theOracleObjectsToABrokenPromise(index: Int) throws {
        let (sabotage, words) = Self.wanted[index]
        let world = try SimulatedWorld.hour(seed: 3, sabotage: sabotage)
        #expect(
            world.oracle.violations.contains { $0.contains(words) },
            "\(sabotage) went unnoticed; the oracle said: \(world.oracle.violations)")
    }

    @Test func everySabotageIsTried() {
        #expect(Set(Self.wanted.map(\.0)) == Set(Sabotage.allCases))
    }
}
