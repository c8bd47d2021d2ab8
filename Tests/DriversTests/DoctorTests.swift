import Base
import Drivers
import Modbus
import Testing

/// Symptoms → cause.
@Suite struct DoctorTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var port: PortTrouble?
        var units: [Int: UnitTrouble] = [:]
        var statistics: @Sendable () -> PortStatistics
    }

    /// Three units with 100 good exchanges each, then what a case changes.
    static func counted(
        _ change: (inout PortStatistics) -> Void, _ each: (inout UnitStatistics) -> Void = { _ in }
    ) -> PortStatistics {
        var all = PortStatistics()
        for number in 1...3 {
            var one = UnitStatistics(unit(number))
            one.requests = 100
            one.replies = 100
            one.state = .online
            one.lastGood = Instant(nanoseconds: 1)
            each(&one)
            all.units.append(one)
        }
        all.bytesReceived = 7500
        change(&all)
        all.requests = all.units.map(\.requests).reduce(0, +)
        all.replies = all.units.map(\.replies).reduce(0, +)
        all.timeouts = all.units.map(\.timeouts).reduce(0, +)
        all.checksumErrors = all.units.map(\.checksumErrors).reduce(0, +)
        all.lateReplies += all.units.map(\.lateReplies).reduce(0, +)
        all.wrongUnit += all.units.map(\.wrongUnit).reduce(0, +)
        return all
    }

    static func silent(_ one: inout UnitStatistics) {
        (one.replies, one.timeouts, one.state, one.lastGood) = (0, 10, .offline, nil)
    }

    static func damaged(_ one: inout UnitStatistics, _ count: Int = 20) {
        one.replies -= count
        one.checksumErrors = count
    }

    static let cases: [Case] = [
        Case(testDescription: "all well", port: nil) { counted { _ in } },
        Case(testDescription: "not a byte", port: .nothingComes) {
            counted({ $0.bytesReceived = 0 }, silent)
        },
        Case(testDescription: "only noise of the driver", port: .nothingComes) {
            counted(
                {
                    $0.bytesReceived = 30; $0.noiseBytes = 30
                }, silent)
        },
        Case(testDescription: "only echo", port: .onlyEcho) {
            counted(
                {
                    $0.bytesReceived = 240; $0.echoes = 30; $0.echoBytes = 240
                }, silent)
        },
        Case(testDescription: "framing errors", port: .wrongSpeed(framing: true, parity: false)) {
            counted({ $0.line.framing = 12 }, silent)
        },
        Case(testDescription: "parity errors", port: .wrongSpeed(framing: false, parity: true)) {
            counted({ $0.line.parity = 12 }, { damaged(&$0, 100) })
        },
        Case(testDescription: "breaks", port: .heldLow) {
            counted({ $0.line.breaks = 12 }, silent)
        },
        Case(testDescription: "bytes without frame", port: .noSoundFrame) {
            counted({ _ in }, { damaged(&$0, 100) })
        },
        Case(testDescription: "all late", port: .allLate) {
            counted(
                { _ in },
                {
                    silent(&$0); $0.lateReplies = 10
                })
        },
        Case(testDescription: "babble", port: .babble) { counted { $0.babbles = 3 } },
        Case(testDescription: "collisions", port: .collisions) { counted { $0.collisions = 3 } },
        Case(testDescription: "overruns", port: .overruns) { counted { $0.line.overruns = 5 } },
        Case(testDescription: "all with CRC errors", port: .allDamaged) {
            counted({ _ in }, { damaged(&$0) })
        },
        Case(testDescription: "two with CRC errors", port: .damaged([unit(1), unit(3)])) {
            counted {
                damaged(&$0.units[0]); damaged(&$0.units[2])
            }
        },
        Case(testDescription: "bad characters", port: .badCharacters) {
            counted { $0.line.framing = 4 }
        },
        Case(testDescription: "one CRC error is nothing", port: nil) {
            counted { damaged(&$0.units[0], 1) }
        },
        Case(testDescription: "one with CRC errors", port: nil, units: [2: .damaged]) {
            counted { damaged(&$0.units[1]) }
        },
        Case(testDescription: "one silent", port: nil, units: [2: .neverAnswers]) {
            counted { silent(&$0.units[1]) }
        },
        Case(testDescription: "one fell silent", port: nil, units: [2: .stoppedAnswering]) {
            counted {
                silent(&$0.units[1])
                $0.units[1].lastGood = Instant(nanoseconds: 1)
            }
        },
        Case(testDescription: "one late", port: nil, units: [3: .late]) {
            counted {
                $0.units[2].replies = 50; $0.units[2].timeouts = 50; $0.units[2].lateReplies = 40
            }
        },
        Case(testDescription: "one sometimes silent", port: nil, units: [3: .answersSometimes]) {
            counted {
                $0.units[2].replies = 90; $0.units[2].timeouts = 10
            }
        },
        Case(testDescription: "another answers", port: nil, units: [3: .answeredBy(9)]) {
            counted {
                silent(&$0.units[2])
                $0.units[2].wrongUnit = 10
                $0.units[2].answeredBy = 9
            }
        },
        Case(testDescription: "something else answers", port: nil, units: [1: .mismatched]) {
            counted {
                damaged(&$0.units[0]); $0.units[0].mismatches = 20
            }
        },
        Case(testDescription: "exception 2", port: nil, units: [1: .refuses(2)]) {
            counted {
                $0.units[0].exceptions = 50; $0.units[0].exceptionCodes = [2: 48, 6: 2]
            }
        },
    ]

    @Test(arguments: cases) func aSymptomHasACause(_ one: Case) {
        let found = Findings.diagnose(one.statistics(), earlier: PortStatistics())
        #expect(found.port == one.port)
        #expect(
            found.units
                == Dictionary(uniqueKeysWithValues: one.units.map { (unit($0.key), $0.value) }))
    }

    @Test func aLineThatWorkedBeforeHasFallenSilent() {
        var earlier = PortStatistics()
        earlier.replies = 50
        let seen = Self.counted({ $0.bytesReceived = 0 }, Self.silent)
        #expect(Findings.diagnose(seen, earlier: earlier).port == .fellSilent)
    }

    @Test func theSentencesNameTheUnits() {
        #expect(
            PortTrouble.damaged([unit(5), unit(6)]).sentence.hasPrefix(
                "units 5 and 6 answer with CRC errors"))
        #expect(
            PortTrouble.silent([unit(5), unit(6), unit(9)]).sentence.hasPrefix(
                "units 5, 6 and 9 are silent"))
        #expect(
            PortTrouble.silent((1...20).map { unit($0) }).sentence.contains("7, 8 and 12 more are"))
        #expect(PortTrouble.wrongSpeed(framing: true, parity: false).sentence.contains("baud"))
    }

    // MARK: the same through a driver on a simulated line

    struct Ward {
        var rig: Rig
        var doctor = LineDoctor()
        var told: [String] = []

        init(_ rig: Rig) {
            self.rig = rig
            self.rig.open()
            doctor.begin(rig.driver.statistics, at: rig.now.instant)
        }

        mutating func watch(for time: Duration) {
            let end = rig.now.instant + time
            while rig.now.instant < end, let due = doctor.due {
                rig.run(for: due - rig.now.instant)
                for change in doctor.examine(rig.driver.statistics, at: rig.now.instant) {
                    told.append(
                        "\(change.unit.map { "unit \($0) " } ?? "")\(change.sentence ?? "well")")
                }
            }
        }
    }

    static func rig(_ units: Int = 4, _ script: @escaping (UInt8, Request, Int) -> Behaviour) -> Rig
    {
        Rig(
            .init(
                port: PortName("bus"), line: line(19_200), responseTimeout: .milliseconds(300),
                retries: 2,
                nodes: (1...units).map { node($0) }), script: script)
    }

    @Test func aHealthyLineIsNotDiagnosed() {
        var ward = Ward(
            Self.rig { _, _, count in count % 97 == 5 ? .flip(99, .zero) : .answer(.milliseconds(5))
            })
        ward.watch(for: .seconds(600))
        #expect(ward.told.isEmpty && ward.doctor.findings.isEmpty)
    }

    @Test func oneDeadUnitIsToldOnceAndItsReturnToo() {
        var isDead = true
        var ward = Ward(
            Self.rig { unit, _, _ in unit == 3 && isDead ? .silent : .answer(.milliseconds(5)) })
        ward.watch(for: .seconds(900))
        #expect(ward.told == ["unit 3 " + UnitTrouble.neverAnswers.sentence])
        isDead = false
        ward.watch(for: .seconds(900))
        #expect(ward.told.count == 2 && ward.told.last == "unit 3 well")
    }

    @Test func aLineThatIsAllSilentHasOneTroubleNotFour() {
        var ward = Ward(Self.rig { _, _, _ in .silent })
        ward.watch(for: .seconds(300))
        #expect(ward.told == [PortTrouble.nothingComes.sentence])
    }

    @Test func anEchoAndNothingElse() {
        var ward = Ward(Self.rig { _, _, _ in .silent })
        ward.rig.echo = .faithful
        ward.watch(for: .seconds(300))
        #expect(ward.told == [PortTrouble.onlyEcho.sentence])
    }

    @Test func rubbishFromEveryoneIsTheBaudRate() {
        for counts in [true, false] {
            var ward = Ward(
                Self.rig { _, _, _ in .say([0x13, 0x9C, 0xE0, 0x7F, 0x31], .milliseconds(5)) })
            ward.watch(for: .seconds(5))
            if counts {
                ward.rig.driver.receive(.errors(LineErrors(framing: 40)), at: ward.rig.now)
            }
            ward.watch(for: .seconds(300))
            let expected: PortTrouble =
                counts ? .wrongSpeed(framing: true, parity: false) : .noSoundFrame
            #expect(ward.told == [expected.sentence])
        }
    }

    @Test func damageAtTwoUnitsAndAtOne() {
        for units in [[2, 3], [2]] {
            var random = RandomSource(seed: 5)
            var ward = Ward(
                Self.rig { unit, _, _ in
                    units.contains(Int(unit)) && random.chance(0.2)
                        ? .flip(99, .zero) : .answer(.milliseconds(5))
                })
            ward.watch(for: .seconds(600))
            let expected =
                units.count == 2
                ? PortTrouble.damaged([unit(2), unit(3)]).sentence
                : "unit 2 " + UnitTrouble.damaged.sentence
            // While few were counted, one of the two may stand alone for a moment.
            #expect(ward.told.contains(expected))
            #expect(
                ward.doctor.findings.port
                    == (units.count == 2 ? .damaged([unit(2), unit(3)]) : nil))
        }
    }

    @Test func aSlowUnitAnswersLate() {
        var ward = Ward(
            Self.rig { unit, _, _ in .answer(unit == 4 ? .milliseconds(450) : .milliseconds(5)) })
        ward.watch(for: .seconds(600))
        #expect(ward.doctor.findings.units == [unit(4): .late])
    }

    @Test func aUnitWithAnotherIdAnswers() {
        var ward = Ward(
            Self.rig { unit, request, _ in
                guard unit == 4 else { return .answer(.milliseconds(5)) }
                return .say(
                    RTUFrame.encode(
                        unit: 9, Response.exception(request.function, .illegalFunction).pdu), .zero)
            })
        ward.watch(for: .seconds(300))
        #expect(ward.doctor.findings.units == [unit(4): .answeredBy(9)])
    }

    @Test func aMapThatDoesNotFit() {
        var ward = Ward(
            Self.rig { unit, _, _ in
                unit == 1 ? .refuse(.illegalFunction, .milliseconds(5)) : .answer(.milliseconds(5))
            })
        ward.watch(for: .seconds(60))
        #expect(ward.told == ["unit 1 " + UnitTrouble.refuses(1).sentence])
    }

    @Test func closingTheLineForgetsWhatWasFound() {
        var ward = Ward(Self.rig { _, _, _ in .silent })
        ward.watch(for: .seconds(60))
        ward.doctor.end()
        #expect(ward.doctor.findings.isEmpty && ward.doctor.due == nil)
    }
}
