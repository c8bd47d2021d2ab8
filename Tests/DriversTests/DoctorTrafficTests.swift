import Base
import Drivers
import Line
import Modbus
import Testing

/// Each sentence of the doctor with traffic that must cause it, and traffic near it that must not.
@Suite struct DoctorTrafficTests {
    typealias Script = @Sendable (UInt8, Request, Int) -> Behaviour

    struct Case: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var port: PortTrouble?
        var unit: UnitTrouble?
        var units = 4
        var echo: Rig.Echo?
        /// What the UART counts in a minute.
        var errors: LineErrors?
        /// Once a minute bytes come for a second.
        var babbles = false
        /// Minutes in which every unit answers well before `script` begins.
        var good = 0
        var script: Script

        init(
            _ name: String, port: PortTrouble? = nil, unit: UnitTrouble? = nil, units: Int = 4,
            echo: Rig.Echo? = nil, errors: LineErrors? = nil, babbles: Bool = false, good: Int = 0,
            _ script: @escaping Script
        ) {
            testDescription = name
            (self.port, self.unit, self.units, self.echo) = (port, unit, units, echo)
            (self.errors, self.babbles, self.good) = (errors, babbles, good)
            self.script = script
        }
    }

    private static let well = Behaviour.answer(.milliseconds(5))

    /// Unit 2 alone behaves like that.
    private static func two(_ behaviour: @escaping @Sendable (Request, Int) -> Behaviour) -> Script
    {
        { unit, request, count in unit == 2 ? behaviour(request, count) : well }
    }

    /// A sound reply to the read with so many bytes more, or of another function or unit.
    private static func reply(
        _ request: Request, unit: UInt8 = 2, function: UInt8? = nil, more: Int = 0
    ) -> Behaviour {
        guard case .read = request else { return well }
        let size = max(0, (request.replyLength ?? 4) - 2) + more
        let pdu =
            [function ?? request.function.rawValue, UInt8(size)]
            + [UInt8](repeating: 1, count: size)
        return .say(RTUFrame.encode(unit: unit, pdu), .milliseconds(5))
    }

    static let lines: [Case] = [
        Case("nobody answers", port: .nothingComes) { _, _, _ in .silent },
        Case("three of four answer", unit: .neverAnswers, two { _, _ in .silent }),
        Case("all fall silent", port: .fellSilent, good: 4) { _, _, _ in .silent },
        Case("one falls silent", unit: .stoppedAnswering, good: 4, two { _, _ in .silent }),
        Case("an echo alone", port: .onlyEcho, echo: .faithful) { _, _, _ in .silent },
        Case("an echo and answers", echo: .faithful) { _, _, _ in well },
        Case(
            "framing errors, no answer", port: .wrongSpeed(framing: true, parity: false),
            errors: LineErrors(framing: 40)
        ) { _, _, _ in .silent },
        Case(
            "parity errors, no answer", port: .wrongSpeed(framing: false, parity: true),
            errors: LineErrors(parity: 40)
        ) { _, _, _ in .silent },
        Case(
            "both, no answer", port: .wrongSpeed(framing: true, parity: true),
            errors: LineErrors(framing: 4, parity: 4)
        ) { _, _, _ in .silent },
        Case(
            "framing errors beside answers", port: .badCharacters, errors: LineErrors(framing: 9)
        ) { _, _, _ in well },
        Case("breaks, no answer", port: .heldLow, errors: LineErrors(breaks: 9)) { _, _, _ in
            .silent
        },
        Case("breaks beside answers", errors: LineErrors(breaks: 9)) { _, _, _ in well },
        Case("overruns", port: .overruns, errors: LineErrors(overruns: 9)) { _, _, _ in well },
        Case("bytes of another protocol", port: .noSoundFrame) { _, _, _ in
            .say([0x13, 0x9C, 0xE0, 0x7F, 0x31], .milliseconds(5))
        },
        Case("a line that goes on and on", port: .babble, babbles: true) { _, _, _ in well },
        Case("an echo that is changed", port: .collisions, echo: .changed(every: 5)) { _, _, _ in
            well
        },
        Case("one reply in five damaged", port: .allDamaged) { _, _, count in
            count % 5 == 3 ? .flip(21, .milliseconds(5)) : well
        },
        Case("one reply in two hundred damaged") { _, _, count in
            count % 200 == 3 ? .flip(21, .milliseconds(5)) : well
        },
        Case(
            "three of six silent", port: .silent([unit(2), unit(4), unit(6)]), units: 6
        ) { unit, _, _ in unit % 2 == 0 ? .silent : well },
    ]

    static let units: [Case] = [
        Case("never", unit: .neverAnswers, two { _, _ in .silent }),
        Case("now and then not", unit: .answersSometimes, two { $1 % 8 == 3 ? .silent : well }),
        Case("once in two hundred not", two { $1 % 200 == 3 ? .silent : well }),
        Case("late", unit: .late, two { _, _ in .answer(.milliseconds(450)) }),
        Case("slow, in time", two { _, _ in .answer(.milliseconds(150)) }),
        Case(
            "every reply twice", unit: .answersTwice,
            two { _, _ in .copies(.milliseconds(5), [.milliseconds(4)], inOrder: false) }),
        Case("damaged", unit: .damaged, two { $1 % 6 == 3 ? .flip(21, .milliseconds(5)) : well }),
        Case("as unit 9", unit: .answeredBy(9), two { request, _ in reply(request, unit: 9) }),
        Case(
            "noise of the direction before each reply",
            two { request, _ in
                guard case .say(let frame, let time) = reply(request) else { return well }
                return .say([0, 0xFF, 0] + frame, time)
            }),
        Case("as unit 0", unit: .answeredBy(0), two { request, _ in reply(request, unit: 0) }),
        Case(
            "another function", unit: .mismatched, two { request, _ in reply(request, function: 4) }
        ),
        Case("too many bytes", unit: .wrongLength, two { request, _ in reply(request, more: 2) }),
        Case("too few bytes", unit: .wrongLength, two { request, _ in reply(request, more: -2) }),
        Case(
            "a wrong length once in two hundred",
            two { request, count in count % 200 == 3 ? reply(request, more: 2) : well }),
    ]

    static let refusals: [Case] = [1, 2, 3, 4, 5, 6, 8, 10, 11].flatMap { code in
        [
            Case(
                "exception \(code)", unit: .refuses(code),
                two { _, _ in .refuse(ExceptionCode(rawValue: code), .milliseconds(5)) }),
            Case(
                "exception \(code), seldom",
                two {
                    $1 % 100 == 3 ? .refuse(ExceptionCode(rawValue: code), .milliseconds(5)) : well
                }),
        ]
    }

    @Test(arguments: lines + units + refusals) func whatIsSaidFitsTheTraffic(_ one: Case) {
        let isGood = one.good > 0
        var begins = !isGood
        var ward = DoctorTests.Ward(
            DoctorTests.rig(one.units) { unit, request, count in
                begins ? one.script(unit, request, count) : Self.well
            })
        if let echo = one.echo { ward.rig.echo = echo }
        if isGood { ward.watch(for: .seconds(one.good * 60)) }
        begins = true
        // Until nothing that went well before is in the window any more.
        for _ in 0..<12 {
            if let errors = one.errors {
                ward.rig.driver.receive(.errors(errors), at: ward.rig.now)
            }
            if one.babbles {
                for piece in 0..<1000 as Range<Int64> {
                    let bytes = [UInt8](repeating: 0x55, count: 2)
                    ward.rig.inject(bytes, after: .milliseconds(piece))
                }
            }
            ward.watch(for: .seconds(60))
        }
        let found = ward.doctor.findings
        #expect(found.port == one.port, "\(found), told \(ward.told)")
        if one.port == nil {
            let expected = one.unit.map { [unit(2): $0] } ?? [:]
            #expect(found.units == expected, "\(found), told \(ward.told)")
        }
    }
}
