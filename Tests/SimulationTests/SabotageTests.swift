import Testing

/// An oracle that never objects proves nothing: each promise is broken once on purpose.
@Suite struct SabotageTests {
    static let wanted: [(Sabotage, String)] = [
        (.losesRecords, "on the disk twice with different content"),
        (.answersBeforeSync, "is sent and not durable"),
        (.forgesReplies, "the bus did not serve that count"),
        (.forgetsAttachment, "GATEWAY_DEVICE_NOT_FOUND"),
        (.staysSilent, "nothing that was read after"),
        (.wipesJournal, "no gap says so"),
    ]

    /// Whether a broken promise can show depends on what else happens in an hour: lost records, for
    /// one, only if the gateway was killed while they waited. So a few hours may pass until the
    /// oracle objects.
    @Test(arguments: wanted.indices) func theOracleObjectsToABrokenPromise(index: Int) throws {
        let (sabotage, words) = Self.wanted[index]
        var said: [String] = []
        for seed: UInt64 in 3...10 {
            let world = try SimulatedWorld.hour(seed: seed, sabotage: sabotage)
            if world.oracle.violations.contains(where: { $0.contains(words) }) { return }
            said += world.oracle.violations.prefix(3)
        }
        Issue.record("\(sabotage) went unnoticed in eight hours; the oracle said: \(said)")
    }

    @Test func everySabotageIsTried() {
        #expect(Set(Self.wanted.map(\.0)) == Set(Sabotage.allCases))
    }
}
