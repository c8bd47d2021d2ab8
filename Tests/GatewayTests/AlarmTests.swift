import Base
import Gateway
import Testing

/// The machine of the alarms alone: each is told once when it begins and once when it is over.
@Suite struct AlarmTests {
    private struct World {
        var alarms = Alarms()
        var now = Moment(.zero, WallTime(milliseconds: 1_800_000_000_000))
        /// As `name` with `+` before what was raised and `-` before what was cleared.
        var told: [String] = []
        var texts: [String] = []

        /// Looks as often as the gateway does.
        mutating func run(
            for seconds: Int, _ conditions: [Alarm.Source: Alarm.Condition] = [:],
            unknown: Set<Alarm.Source> = []
        ) {
            for _ in 0..<(seconds / 2) {
                now = now + Alarms.interval
                let changes = alarms.look(at: conditions, unknown: unknown, at: now)
                for change in changes {
                    told.append((change.isActive ? "+" : "-") + change.alarm.name)
                    texts.append(change.text)
                }
                for violation in alarms.invariants() { Issue.record("\(violation)") }
            }
        }
    }

    private static func device(_ name: String) throws -> Alarm.Source {
        .device(try DeviceID(name))
    }

    private static func offline(_ patience: Duration = .zero) -> Alarm.Condition {
        Alarm.Condition(word: .offline, text: "offline (timeout)", patience: patience)
    }

    @Test func anAlarmIsRaisedOnceAndClearedOnce() throws {
        var world = World()
        let source = try Self.device("meter-1")
        world.run(for: 3600, [source: Self.offline()])
        #expect(world.told == ["+device-offline"])
        #expect(world.alarms.active.map(\.name) == ["device-offline"])
        world.run(for: 3600)
        #expect(world.told == ["+device-offline", "-device-offline"])
        #expect(world.texts == ["offline (timeout)", "over after 3630 s: offline (timeout)"])
        #expect(world.alarms.active.isEmpty && world.alarms.document(at: world.now) == nil)
    }

    /// The two clocks are never read at the same nanosecond. A clock that was set is another
    /// matter.
    @Test(arguments: [(-1, 0), (1, 0), (999, 0), (3_600_000, 3_600_000)])
    func theBeginningIsToldAlikeUntilTheClockIsSet(_ moved: Int, _ told: Int) throws {
        var world = World()
        let source = try Self.device("meter-1")
        world.run(for: 60, [source: Self.offline()])
        let alarm = try #require(world.alarms.active.first)
        let since = alarm.since.wall(at: world.now)
        let later = Moment(world.now.instant, world.now.wall + .milliseconds(moved))
        #expect(alarm.since.wall(at: later) == since + .milliseconds(told))
    }

    @Test func whatIsOverBeforeItsTimeIsNoAlarm() throws {
        var world = World()
        let source = try Self.device("meter-1")
        for _ in 0..<5 {
            world.run(for: 18, [source: Self.offline(.seconds(20))])
            world.run(for: 400)
        }
        #expect(world.told.isEmpty)
        world.run(for: 24, [source: Self.offline(.seconds(20))])
        #expect(world.told == ["+device-offline"])
    }

    @Test func aTroubleThatIsOverForAMomentIsTheSameOne() {
        var world = World()
        let gone = Alarm.Condition(word: .gone, text: "no such file")
        world.run(for: 100, [.port(PortName("bus-a")): gone])
        world.run(for: 20)
        world.run(for: 100, [.port(PortName("bus-a")): gone])
        #expect(world.told == ["+port-gone:bus-a"])
    }

    /// The period of a unit that comes and goes, in seconds; for an hour each.
    @Test(arguments: [4, 20, 60, 120, 280])
    func whatComesAndGoesIsOneAlarmThatSaysSo(_ period: Int) throws {
        var world = World()
        let source = try Self.device("meter-1")
        for _ in 0..<(3600 / period) {
            world.run(for: period / 2, [source: Self.offline()])
            world.run(for: period / 2)
        }
        #expect(world.told.last == "+device-flapping", "\(world.told)")
        #expect(world.told.count <= 7, "\(world.told)")
        #expect(world.texts.last?.contains("comes and goes") == true)
        let before = world.told.count
        world.run(for: 1800)
        #expect(Array(world.told.dropFirst(before)) == ["-device-flapping"])
    }

    @Test func whatStaysBadAfterComingAndGoingIsThePlainAlarmAgain() throws {
        var world = World()
        let source = try Self.device("meter-1")
        for _ in 0..<30 {
            world.run(for: 20, [source: Self.offline()])
            world.run(for: 20)
        }
        world.run(for: 1800, [source: Self.offline()])
        #expect(world.told.suffix(2) == ["-device-flapping", "+device-offline"], "\(world.told)")
    }

    @Test func aWorseTroubleTakesThePlaceOfALesserOne() throws {
        var world = World()
        let source = try Self.device("meter-1")
        let degraded = Alarm.Condition(
            word: .degraded, text: "degraded", patience: .seconds(30))
        world.run(for: 60, [source: degraded])
        world.run(for: 60, [source: Self.offline(.seconds(5))])
        world.run(for: 60)
        #expect(
            world.told == [
                "+device-degraded", "-device-degraded", "+device-offline", "-device-offline",
            ])
    }

    @Test func whatNothingCanBeSaidOfStaysAsItIs() throws {
        var world = World()
        let source = try Self.device("meter-1")
        world.run(for: 60, [source: Self.offline()])
        world.run(for: 3600, unknown: [source])
        #expect(world.told == ["+device-offline"] && world.alarms.active.count == 1)
        world.run(for: 60)
        #expect(world.told == ["+device-offline", "-device-offline"])
    }

    /// A line loses power: many units fall silent at once, and are back after a minute.
    @Test func manyAtOnceAreToldBitByBit() throws {
        var world = World()
        var all: [Alarm.Source: Alarm.Condition] = [:]
        for number in 0..<120 { all[try Self.device("meter-\(number)")] = Self.offline() }
        world.run(for: 2, all)
        #expect(world.told.count == Alarms.burstMax)
        world.run(for: 60, all)
        #expect(world.told.count <= Alarms.burstMax + 31)
        let raised = world.told.count
        world.run(for: 960)
        #expect(world.told.count == 2 * raised, "what was not told as raised is not cleared")
        #expect(world.alarms.active.isEmpty)
        world.run(for: 300, all)
        #expect(world.told.count == 2 * raised + 120, "in the end each is told")
    }

    // MARK: Names and restarts

    private static let names: [(Alarm.Source, Alarm.Word, String)] = [
        (.device(try! DeviceID("tank 2")), .offline, "device-offline"),
        (.device(try! DeviceID("tank 2")), .degraded, "device-degraded"),
        (.device(try! DeviceID("tank 2")), .flapping, "device-flapping"),
        (.port(PortName("bus:a-b")), .gone, "port-gone:bus:a-b"),
        (.line(PortName("bus-a")), .overloaded, "line-overloaded:bus-a"),
        (.journal, .full, "journal-full"), (.records, .lost, "records-lost"),
        (.disk, .failing, "disk-failing"), (.bridge, .away, "bridge-away"),
        (.clock, .untrusted, "clock-untrusted"),
        (.certificate("ca"), .days30, "certificate-30-days:ca"),
        (.certificate("client"), .days7, "certificate-7-days:client"),
        (.certificate("key"), .day1, "certificate-1-day:key"),
        (.certificate("door"), .ended, "certificate-ended:door"),
        (.helper("disk"), .hangs, "helper-hangs:disk"),
        (.configuration(nil), .refused, "configuration-refused"),
        (.configuration(try! DeviceID("gw-7")), .refused, "configuration-refused"),
    ]

    @Test(arguments: names.indices)
    func namesAreAContractAndOutliveTheProcess(_ index: Int) throws {
        let (source, word, name) = Self.names[index]
        let condition = Alarm.Condition(word: word, text: "\"x\"\n")
        var world = World()
        world.run(for: 2, [source: condition])
        #expect(world.told == ["+\(name)"])
        let document = try #require(world.alarms.document(at: world.now))

        var next = World()
        next.alarms.restore(document)
        #expect(next.alarms.active.map(\.name) == [name])
        #expect(next.alarms.active.first?.since.wall == world.alarms.active.first?.since.wall)
        guard word != .flapping else { return }
        next.run(for: 600, [source: condition])
        #expect(next.told.isEmpty, "it was raised by the run before")
        next.run(for: 60)
        #expect(next.told == ["-\(name)"])
    }

    private static func document(_ name: String, _ since: String) -> String {
        "{\"alarms\":[{\"alarm\":\"\(name)\",\"device\":null,\"since\":\"\(since)\"}]}"
    }

    @Test func aDocumentThatIsNoneIsNoAlarm() {
        let texts = [
            "", "[]", "{}", #"{"alarms":7}"#, #"{"alarms":[{}]}"#,
            Self.document("device-offline", "2026-01-01T00:00:00Z"),
            Self.document("nothing-offline", "2026-01-01T00:00:00Z"),
            Self.document("disk-failing", "yesterday"),
        ]
        for text in texts {
            var alarms = Alarms()
            alarms.restore(Array(text.utf8))
            #expect(alarms.active.isEmpty, "\(text)")
        }
    }

    @Test(
        arguments: [
            (-1, "ended"), (0, "1-day"), (1, "7-days"), (6, "7-days"), (7, "30-days"),
            (29, "30-days"), (30, nil),
        ] as [(Int64, String?)])
    func aCertificateIsTalkedOfThirtySevenAndOneDaysBefore(_ days: Int64, _ word: String?) {
        let now = WallTime(milliseconds: 1_800_000_000_000)
        let end = now + .seconds(days * 86_400 + 3600)
        let certificate = CertificateEnd(name: "ca", what: "the CA file (`ca`)", end: end)
        #expect(certificate.word(at: now)?.rawValue == word)
        #expect(certificate.endsSoon(at: now) == (word != nil))
    }
}
