import Base
import Line
import Testing

/// RTS driven by this program: on before the first bit, off after the last, whatever the driver
/// says.
@Suite struct DirectionSwitchTests {
    /// One character takes 1 ms.
    static let line = LineSettings(device: .path("/dev/x"), baud: 10_000)

    static func make(before: Duration = .zero, after: Duration = .zero) -> DirectionSwitch {
        DirectionSwitch(
            line, LineSettings.RS485(rts: .software, delayBeforeSend: before, delayAfterSend: after)
        )
    }

    static func at(_ milliseconds: Int64) -> Instant {
        Instant(nanoseconds: milliseconds * 1_000_000)
    }

    @Test func withoutDelaysRTSIsOnWithTheFrameAndOffWhenTheDriverIsEmpty() {
        var direction = Self.make()
        #expect(direction.deadline == nil)
        #expect(direction.send(8, at: Self.at(0)) == [.drive(true), .write])
        #expect(direction.deadline == Self.at(8))
        #expect(direction.timeout(at: Self.at(7)) == nil)
        #expect(direction.timeout(at: Self.at(8)) == .ask)
        #expect(direction.answered(false, at: Self.at(8)) == nil)
        #expect(direction.deadline == Self.at(8) + .microseconds(500))
        #expect(direction.timeout(at: Self.at(9)) == .ask)
        #expect(direction.answered(true, at: Self.at(9)) == .drive(false))
        #expect(direction.deadline == nil)
    }

    @Test func theDelaysAreKept() {
        var direction = Self.make(before: .milliseconds(2), after: .milliseconds(3))
        #expect(direction.send(8, at: Self.at(0)) == [.drive(true)])
        #expect(direction.deadline == Self.at(2))
        #expect(direction.timeout(at: Self.at(2)) == .write)
        #expect(direction.deadline == Self.at(10))
        #expect(direction.timeout(at: Self.at(10)) == .ask)
        #expect(direction.answered(true, at: Self.at(10)) == nil)
        #expect(direction.deadline == Self.at(13))
        #expect(direction.timeout(at: Self.at(13)) == .drive(false))
    }

    @Test func aDriverThatCannotTellIsTrustedToBeOnTime() {
        var direction = Self.make()
        _ = direction.send(8, at: Self.at(0))
        #expect(direction.timeout(at: Self.at(8)) == .ask)
        #expect(direction.answered(nil, at: Self.at(8)) == .drive(false))
    }

    @Test func aDriverThatIsNeverEmptyDoesNotJamTheBus() {
        var direction = Self.make()
        _ = direction.send(8, at: Self.at(0))
        for _ in 0..<10_000 {
            guard let due = direction.deadline else { break }
            switch direction.timeout(at: due) {
            case .ask: #expect(direction.answered(false, at: due) == nil)
            case .drive(false):
                #expect(due >= Self.at(1008) && due < Self.at(1020))
                #expect(direction.deadline == nil)
                return
            default: break
            }
        }
        Issue.record("never switched off")
    }

    @Test func bytesThatFollowExtendTheTransmission() {
        var direction = Self.make()
        _ = direction.send(8, at: Self.at(0))
        #expect(direction.send(2, at: Self.at(4)) == [.write])
        #expect(direction.deadline == Self.at(10))
        var waiting = Self.make(before: .milliseconds(2))
        _ = waiting.send(8, at: Self.at(0))
        #expect(waiting.send(2, at: Self.at(1)) == [])
        #expect(waiting.timeout(at: Self.at(2)) == .write)
        #expect(waiting.deadline == Self.at(12))
    }
}
