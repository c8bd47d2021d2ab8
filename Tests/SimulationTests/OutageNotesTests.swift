import Base
import Gateway
import Simulators
import Testing

/// Lines of the log about the end of an outage.
@Suite struct OutageNotesTests {
    @Test func aReconnectSaysHowLongItWasAwayAndWhenWhatWaitedIsDelivered() throws {
        let world = try SimulatedWorld(seed: 3)
        var told: [String] = []
        world.onNotice = { notice in
            let words = notice.message
            if words.hasPrefix("back after") || words.hasPrefix("what waited") {
                told.append(words)
            }
        }
        world.boot()
        world.run(for: .seconds(120))
        #expect(told == [], "the first connection is no return")
        world.befall(.weather(.refused))
        world.befall(.cut)
        world.run(for: .seconds(300))
        let waiting = try #require(world.status("spool", "waiting")?.integer)
        world.befall(.weather(.fair))
        world.run(for: .seconds(240))
        #expect(told.count == 2, "\(told)")
        let first = try #require(told.first).split(separator: " ")
        let seconds = try #require(Int(first[2]))
        #expect((300...370).contains(seconds) && told[0].hasSuffix(" waiting"), "\(told)")
        let records = try #require(Int64(first[4]))
        #expect(records >= waiting && records < waiting + 80, "\(told), \(waiting)")
        #expect(told[1].hasPrefix("what waited is delivered: \(records) records in "), "\(told)")

        world.run(for: .seconds(3600))
        #expect(told.count == 2, "a new token is no outage: \(told)")
    }
}
