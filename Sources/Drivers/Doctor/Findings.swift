import Base

/// Most probable troubles of a line and of the units on it.
package struct Findings: Hashable, Sendable {
    package var port: PortTrouble?
    package var units: [UnitID: UnitTrouble]

    package init(port: PortTrouble? = nil, units: [UnitID: UnitTrouble] = [:]) {
        self.port = port
        self.units = units
    }

    package var isEmpty: Bool { port == nil && units.isEmpty }
}

/// Troubles that are the line's, not one unit's.
package enum PortTrouble: Hashable, Sendable {
    /// No unit answers and not one byte comes.
    case nothingComes
    /// The same, but units have answered before.
    case fellSilent
    case onlyEcho
    /// No sound frame, and the UART counts damaged characters.
    case wrongSpeed(framing: Bool, parity: Bool)
    case heldLow
    case noSoundFrame
    /// Answers come, but all too late.
    case allLate
    case babble
    case collisions
    case overruns
    /// Every unit that answers has damaged replies.
    case allDamaged
    case damaged([UnitID])
    case badCharacters
    case silent([UnitID])

    /// One sentence: the symptom, then the likely cause.
    package var sentence: String {
        switch self {
        case .nothingComes:
            "no unit answers and not one byte comes: A and B swapped, units without power, or another port than"
                + " the one they are wired to"
        case .fellSilent:
            "every unit has fallen silent at once: the power of the bus, its cable or the adapter"
        case .onlyEcho:
            "only our own bytes come back and no unit answers: the transceiver hears itself, so look at the wires"
                + " and the power behind it"
        case .wrongSpeed(true, false):
            "every unit silent and framing errors: the baud rate is wrong"
        case .wrongSpeed(false, true): "every unit silent and parity errors: the parity is wrong"
        case .wrongSpeed:
            "every unit silent, framing and parity errors: baud rate or parity is wrong"
        case .heldLow:
            "every unit silent and breaks on the line: A and B swapped, a short, or a transmitter that stays on"
        case .noSoundFrame:
            "bytes come but never a sound frame: wrong baud rate, parity or stop bits, or units that speak"
                + " another protocol"
        case .allLate: "every answer comes after the response timeout: raise responseTimeout"
        case .babble:
            "the line does not fall silent: a transmitter that stays on, missing bias, or another master"
        case .collisions:
            "what is sent comes back changed: somebody sends at the same time, another master or two units with"
                + " one id"
        case .overruns:
            "received bytes are lost in this machine: the serial driver or a USB hub is too slow for the baud rate"
        case .allDamaged:
            "every unit answers with CRC errors: termination, bias, ground or the length of the cable"
        case .damaged(let units):
            "\(Self.list(units)) answer with CRC errors and the others do not: two devices share an id, or the"
                + " line to them lacks termination"
        case .badCharacters:
            "characters with framing or parity errors between good replies: noise, missing bias, or a baud rate"
                + " that is a little off"
        case .silent(let units):
            "\(Self.list(units)) are silent and the others answer: the cable to them may be cut or without power"
        }
    }

    /// "units 5, 6 and 7"
    static func list(_ units: [UnitID]) -> String {
        let most = 8
        var words = units.prefix(most).map(\.description)
        if units.count > most { words.append("\(units.count - most) more") }
        guard words.count > 1 else { return "unit \(words.first ?? "")" }
        return "units \(words.dropLast().joined(separator: ", ")) and \(words[words.count - 1])"
    }
}

/// Troubles of one unit among others that do better.
package enum UnitTrouble: Hashable, Sendable {
    case neverAnswers
    case stoppedAnswering
    case answersSometimes
    case late
    /// Its replies come again.
    case answersTwice
    case damaged
    case answeredBy(UInt8)
    case mismatched
    /// Its replies are sound and have another number of bytes than was asked for.
    case wrongLength
    case refuses(UInt8)

    var isSilence: Bool { self == .neverAnswers || self == .stoppedAnswering }

    /// Follows the unit's address: "answers after …".
    package var sentence: String {
        switch self {
        case .neverAnswers:
            "has never answered, others do: its id, its baud rate, its wires or its power"
        case .stoppedAnswering: "has stopped answering, others go on: its wires or its power"
        case .answersSometimes:
            "leaves some requests unanswered: a loose contact, a weak supply, or a response timeout too short for it"
        case .answersTwice:
            "answers twice: a repeater or converter sends its replies again, or two devices have this id; other"
                + " requests go between its reads, so that no reply is taken for the next"
        case .late: "answers after the response timeout: raise responseTimeout for it"
        case .damaged:
            "alone answers with CRC errors: two devices with this id, or its stub of the cable"
        case .answeredBy(0):
            "answers as unit 0: `answersAs: 0` of its node takes such replies"
        case .answeredBy(let other):
            "is answered for by unit \(other): an id that was set wrongly, or another master that asks at the same"
                + " time"
        case .mismatched:
            "answers something else than it is asked: another master on the line, or not the device that is"
                + " configured"
        case .wrongLength:
            "answers with another number of bytes than it is asked for: a device that counts"
                + " wrongly, or whose values are not registers of 16 bits"
        case .refuses(1):
            "does not know the function it is asked for (exception 1): another table or device type"
        case .refuses(2):
            "refuses an address (exception 2): the register map does not fit this device"
        case .refuses(3): "refuses a value or a count (exception 3): smaller maxRegisters may help"
        case .refuses(4): "reports a failure of its own (exception 4): look at the device"
        case .refuses(5), .refuses(6): "says that it is busy (exception 5 or 6): ask it less often"
        case .refuses(10), .refuses(11):
            "is a gateway that does not reach what is behind it (exception 10 or 11): look at the line behind it"
        case .refuses(let code): "answers with exception \(code): see its manual"
        }
    }
}
