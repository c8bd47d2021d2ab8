import Base
import Drivers
import Modbus
import Simulators
import Testing

/// `scan` against simulated lines: who is found, at what price, and what is said about trouble.
@Suite struct ScannerTests {
    private static let matrix = [9600, 19_200, 38_400].flatMap { baud in
        [LineSettings.Parity.none, .even].map { LineSettings.test(baud, $0) }
    }

    private func scan(
        _ settings: ScanSettings, on bus: BusDescription, impossible: Set<Int> = [],
        seed: UInt64 = 7
    ) -> ToolRig<Scanner> {
        var rig = ToolRig(Scanner(settings), on: bus, line: settings.lines[0], seed: seed)
        rig.impossible = impossible
        rig.run()
        return rig
    }

    private func bus(
        _ units: [UInt8], baud: Int = 19_200, _ parity: LineSettings.Parity = .even
    ) -> BusDescription {
        let sample = BusDescription.sample(units: 247, registers: 4, baud: baud, parity: parity)
        var bus = sample
        bus.units = sample.units.filter { units.contains($0.key) }
        return bus
    }

    @Test func findsEveryUnitOfALine() {
        let rig = scan(ScanSettings(lines: [.test()]), on: bus([1, 2, 17, 100, 247]))
        #expect(rig.tool.findings.map(\.unit).sorted() == [1, 2, 17, 100, 247])
        #expect(rig.tool.notes.garbled.isEmpty && rig.tool.hints.isEmpty)
        #expect(rig.bus.statistics.earlyStarts == 0 && rig.bus.statistics.collisions == 0)
    }

    /// Once somebody has answered in 5 ms, nobody is waited for 200 ms: the whole line in a quarter
    /// of the time.
    @Test func learnsHowSoonSilenceCanBeBelieved() {
        let quick = scan(ScanSettings(lines: [.test()]), on: bus([1]))
        let deaf = scan(ScanSettings(lines: [.test()]), on: bus([]))
        #expect(deaf.tool.findings.isEmpty)
        #expect((quick.now.instant - .zero) * 3 < deaf.now.instant - .zero)
    }

    /// The learned patience must not cost a slow unit: its late answer is noticed and it is asked
    /// again.
    @Test(arguments: [60, 100, 150, 190, 400])
    func aSlowUnitBehindAQuickOneIsFoundToo(milliseconds: Int) {
        var bus = bus([1, 5, 6, 40])
        bus.units[5]?.turnaround = .milliseconds(milliseconds)
        let rig = scan(ScanSettings(lines: [.test()]), on: bus)
        #expect(rig.tool.findings.map(\.unit).sorted() == [1, 5, 6, 40])
        #expect(rig.tool.findings.filter(\.answersTwice).isEmpty, "late is not twice")
    }

    @Test func findsTheSettingAndLeavesTheOthersOut() {
        let rig = scan(ScanSettings(lines: Self.matrix), on: bus([3, 200], baud: 19_200, .even))
        #expect(rig.tool.findings.map(\.unit).sorted() == [3, 200])
        #expect(rig.tool.findings.allSatisfy { $0.line == .test(19_200, .even) })
        #expect(!rig.settings.contains(.test(38_400, .none)), "tried after the answer")
    }

    @Test func aHighIdIsFoundInTheSecondRound() {
        let rig = scan(ScanSettings(lines: Self.matrix), on: bus([200], baud: 38_400, .even))
        #expect(rig.tool.findings.map(\.unit) == [200])
    }

    @Test func allGoesOnAfterAnAnswer() {
        let rig = scan(ScanSettings(lines: Self.matrix, all: true), on: bus([3], baud: 9600, .none))
        #expect(rig.tool.findings.map(\.unit) == [3])
        #expect(Set(rig.settings) == Set(Self.matrix))
    }

    @Test func firstStopsAtTheFirst() {
        let rig = scan(ScanSettings(lines: [.test()], first: true), on: bus([4, 5]))
        #expect(rig.tool.findings.map(\.unit) == [4])
        // Three silent ones, the probe, and its identification objects: no more.
        #expect(rig.sent.count == 5)
    }

    /// Harmless: whatever is on the line, only reads and questions after the identity go out.
    @Test func sendsNothingButReads() {
        let rig = scan(ScanSettings(lines: Self.matrix, all: true), on: bus([1, 7, 60]))
        let harmless: Set<UInt8> = [1, 2, 3, 4, 17, 43]
        #expect(rig.sent.allSatisfy { harmless.contains($0.bytes[1]) && $0.bytes[0] != 0 })
        #expect(rig.bus.served.allSatisfy { !$0.content.isWrite })
    }

    @Test func aUnitThatRefusesIsFound() {
        var bus = bus([8])
        bus.units[8]?.faults.refusals = [BusFaults.Refusal(addresses: 0...65_535, code: 2)]
        let rig = scan(ScanSettings(lines: [.test()], units: [8]), on: bus)
        #expect(rig.tool.findings.first?.exception == .illegalDataAddress)
    }

    @Test func theNextProbeIsAskedWhereTheFirstIsNotAnswered() {
        var bus = bus([8])
        bus.units[8]?.faults.refusals = []
        let probes: [Request] = [
            .read(.readHoldingRegisters, address: 0, count: 1),
            .read(.readInputRegisters, address: 0, count: 1),
        ]
        let rig = scan(ScanSettings(lines: [.test()], units: [7, 8], probes: probes), on: bus)
        #expect(rig.tool.findings.map(\.unit) == [8])
        #expect(rig.sent.filter { $0.bytes[0] == 7 }.map { $0.bytes[1] } == [3, 4])
    }

    /// What tells devices apart is read of whoever is found, and who is silent there is left alone
    /// soon.
    @Test func furtherReadsAreKeptWithTheFinding() {
        var bus = bus([2, 3])
        bus.units[3]?.faults.silence = 1
        let here = Request.read(.readInputRegisters, address: 1, count: 2)
        let nowhere = (0..<9).map {
            Request.read(.readHoldingRegisters, address: UInt16(500 + $0), count: 1)
        }
        let rig = scan(
            ScanSettings(lines: [.test()], units: [2], followUps: [here] + nowhere), on: bus)
        #expect(rig.tool.findings.first?.reads.keys.map { $0 } == [here])
        #expect(rig.tool.findings.first?.reads[here]?.count == 4)
        // The probe, the names, and every further read, all refused but one. Between two refusals
        // that are the same to the bit function 8 tells whether the second one is a repeat.
        #expect(rig.sent.count { $0.bytes[1] != 8 } == 2 + 10)
    }

    @Test func damagedAnswersAtOneIdAmongSoundOnesHintAtACollision() {
        var bus = bus([1, 2, 3])
        bus.units[2]?.faults.noise = 1
        let rig = scan(ScanSettings(lines: [.test()], units: Array(1...10)), on: bus)
        #expect(rig.tool.findings.map(\.unit) == [1, 3])
        #expect(rig.tool.notes.garbled.map(\.unit) == [2])
        #expect(
            rig.tool.hints.contains {
                $0.contains("unit 2") && $0.contains("two devices have this id")
            })
    }

    /// Noise now and then is not a reason to miss a unit.
    @Test(arguments: 1...8) func aNoisyLineIsScannedPatiently(seed: Int) {
        var bus = bus([1, 2, 3, 9])
        for unit in bus.units.keys { bus.units[unit]?.faults.noise = 0.03 }
        let rig = scan(
            ScanSettings(lines: [.test()], units: Array(1...20)), on: bus, seed: UInt64(seed))
        #expect(
            Set(rig.tool.findings.map(\.unit)).union(rig.tool.notes.garbled.map(\.unit)) == [
                1, 2, 3, 9,
            ])
    }

    @Test func twoSoundAnswersToOneQuestionAreTwoDevices() {
        let line = LineSettings.test()
        var rig = ToolRig(
            Scanner(ScanSettings(lines: [line], units: Array(1...6), identifies: false)),
            on: bus([1, 2, 5]), line: line)
        // The twin of unit 2 answers 120 ms later, whatever the first one has said by then.
        let twin = RTUFrame.encode(unit: 2, Response.read(.readHoldingRegisters, [0, 9]).pdu)
        rig.intruder = [(Instant.zero + .milliseconds(60), twin)]
        rig.run()
        #expect(rig.tool.findings.map(\.unit) == [1, 2, 5])
        #expect(rig.tool.findings.filter(\.answersTwice).map(\.unit) == [2])
        #expect(rig.tool.hints.contains { $0.contains("unit 2 answered one question twice") })
    }

    @Test func aSettingThatThePortCannotDoIsLeftOut() {
        let rig = scan(
            ScanSettings(lines: Self.matrix), on: bus([3], baud: 38_400, .even),
            impossible: [19_200])
        #expect(rig.tool.findings.map(\.unit) == [3])
        #expect(!rig.settings.contains { $0.baud == 19_200 })
        #expect(rig.tool.hints.contains { $0.contains("19200") })
    }

    @Test func stoppedItKeepsWhatItHas() {
        var rig = ToolRig(
            Scanner(ScanSettings(lines: [.test()])), on: bus([1, 2, 100]), line: .test())
        rig.run(until: .zero + .seconds(1))
        rig.tool.stop(at: rig.now)
        #expect(rig.tool.isDone && rig.tool.findings.map(\.unit) == [1, 2])
    }

    /// Whatever is heard, a scan ends, and in bounded time.
    @Test(arguments: 0..<12) func noiseCannotHoldItUp(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let line = LineSettings.test()
        var rig = ToolRig(
            Scanner(ScanSettings(lines: [line], units: Array(1...30))), on: bus([1, 20]), line: line
        )
        var at = Instant.zero
        for _ in 0..<4000 {
            at += .nanoseconds(Int64(random.next() % 8_000_000))
            rig.intruder.append(
                (
                    at,
                    (0..<Int(random.next() % 40)).map { _ in
                        UInt8(truncatingIfNeeded: random.next())
                    }
                ))
        }
        rig.run()
        #expect(rig.tool.isDone)
        #expect(rig.now.instant < .zero + .seconds(300))
    }
}
