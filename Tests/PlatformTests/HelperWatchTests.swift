import Base
import Platform
import Testing

/// A helper that hangs is an alarm, told once, and never an end.
@Suite struct HelperWatchTests {
    private func at(_ seconds: Int) -> Instant { .zero + .seconds(seconds) }

    @Test func aCallOfFiveMinutesIsToldOnceAndSoIsItsReturn() {
        var watch = HelperWatch()
        #expect(watch.look([("disk", at(10)), ("bus-a", nil)], at: at(309)).isEmpty)
        let alarm = watch.look([("disk", at(10)), ("bus-a", nil)], at: at(310))
        #expect(alarm.count == 1 && alarm.first?.level == .error && alarm.first?.subject == "disk")
        #expect(watch.late == ["disk"])
        #expect(watch.look([("disk", at(10))], at: at(900)).isEmpty, "told already")
        let over = watch.look([("disk", at(905))], at: at(910))
        #expect(over.map(\.level) == [.info] && watch.late.isEmpty)
    }

    @Test func anotherCallThatHangsIsNewsAgain() {
        var watch = HelperWatch()
        _ = watch.look([("disk", at(0))], at: at(300))
        #expect(watch.look([("disk", at(301))], at: at(700)).count == 1)
    }

    @Test func aPortThatIsGoneFromTheConfigurationIsForgotten() {
        var watch = HelperWatch()
        _ = watch.look([("bus-a", at(0))], at: at(300))
        #expect(watch.look([], at: at(310)).count == 1 && watch.late.isEmpty)
    }

    @Test func aWorkerSaysSinceWhenItIsBusy() throws {
        let worker = try Worker("test")
        let begun = try Mailbox<Bool>()
        let release = try Mailbox<Bool>()
        #expect(worker.busySince == nil)
        let before = Clock.instant
        worker.submit {
            begun.post(true)
            _ = release.take()
        }
        _ = begun.take()
        let since = try #require(worker.busySince)
        #expect(before <= since && since <= Clock.instant)
        release.post(true)
        worker.stop()
        #expect(worker.busySince == nil)
    }
}
