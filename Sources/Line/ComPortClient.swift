import Base

/// The client's side of Telnet with COM-PORT-OPTION (RFC 2217): sets the line at the other end and
/// carries its bytes.
///
/// | step | sent | ends with |
/// |---|---|---|
/// | agreeing | WILL COM-PORT-OPTION, binary both ways, no go-ahead | DO COM-PORT-OPTION |
/// | setting | speed, data bits, parity, stop bits, no flow control | a confirmation of each |
/// | ready | data, purge, RTS | – |
package struct ComPortClient: Sendable {
    package enum Progress: Hashable, Sendable {
        case agreeing, setting, ready
        /// Why the line cannot be used.
        case refused(String)
    }

    private enum Telnet {
        static let (end, begin): (UInt8, UInt8) = (240, 250)
        static let (will, wont, please, dont): (UInt8, UInt8, UInt8, UInt8) = (251, 252, 253, 254)
        static let escape: UInt8 = 255
        static let (binary, noGoAhead, comPort): (UInt8, UInt8, UInt8) = (0, 3, 44)
    }

    private enum Command {
        static let (baud, dataBits, parity, stopBits, control):
            (UInt8, UInt8, UInt8, UInt8, UInt8) =
                (1, 2, 3, 4, 5)
        static let (lineMask, purge): (UInt8, UInt8) = (10, 12)
        /// Number that the server adds to that of a command in its answer.
        static let answer: UInt8 = 100
        static let lineState: UInt8 = 106
    }

    private enum State: Sendable { case data, escape, option(UInt8), command, commandEscape }

    /// Longest answer that is kept; the rest of a longer one is skipped.
    private static let answerMax = 64

    package private(set) var progress = Progress.agreeing
    private var state = State.data
    private var answer: [UInt8] = []
    private var reply: [UInt8] = []
    /// Options that were refused once; each is refused once.
    private var refused: Set<UInt8> = []
    /// Settings that the server has not confirmed, by command.
    private var open: [(command: UInt8, value: [UInt8])] = []
    private let wanted: String
    private var errors = LineErrors()

    /// A connection that begins.
    package init(_ settings: LineSettings) {
        wanted = settings.describe
        let parity: UInt8 =
            switch settings.parity {
            case .none: 1;
            case .odd: 2;
            case .even: 3
            }
        let baud = UInt32(clamping: settings.baud)
        open = [
            (Command.baud, (0..<4).map { UInt8(truncatingIfNeeded: baud >> (24 - 8 * $0)) }),
            (Command.dataBits, [UInt8(clamping: settings.dataBits)]),
            (Command.parity, [parity]),
            (Command.stopBits, [UInt8(clamping: settings.stopBits)]),
        ]
        for option in [Telnet.binary, Telnet.noGoAhead] {
            reply += [Telnet.escape, Telnet.please, option, Telnet.escape, Telnet.will, option]
        }
        reply += [Telnet.escape, Telnet.will, Telnet.comPort]
    }

    /// A connection on which everything has been agreed.
    package init(agreed settings: LineSettings) {
        self.init(settings)
        open = []
        reply = []
        progress = .ready
    }

    /// No command has been begun and not ended.
    package var isBetweenCommands: Bool { if case .data = state { true } else { false } }

    /// Bytes that are to be sent, in answer to what has come.
    package mutating func takeReply() -> [UInt8] {
        defer { reply = [] }
        return reply
    }

    /// Errors that the server has told since the last call; nil: none.
    package mutating func takeErrors() -> LineErrors? {
        defer { errors = LineErrors() }
        return errors == LineErrors() ? nil : errors
    }

    // MARK: sending

    /// Data as it goes over the connection.
    package static func encode(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.contains(Telnet.escape) else { return bytes }
        return bytes.flatMap { $0 == Telnet.escape ? [$0, $0] : [$0] }
    }

    private static func command(_ number: UInt8, _ value: [UInt8]) -> [UInt8] {
        [Telnet.escape, Telnet.begin, Telnet.comPort, number] + encode(value)
            + [Telnet.escape, Telnet.end]
    }

    /// Throws away what the server has received from the line.
    package static let purge = command(Command.purge, [1])

    package static func rts(_ isOn: Bool) -> [UInt8] { command(Command.control, [isOn ? 11 : 12]) }

    // MARK: receiving

    /// - Returns: data of the line.
    package mutating func receive(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        if case .data = state, !bytes.contains(Telnet.escape) { return Array(bytes) }
        var data: [UInt8] = []
        for byte in bytes { take(byte, &data) }
        return data
    }

    private mutating func take(_ byte: UInt8, _ data: inout [UInt8]) {
        switch state {
        case .data:
            if byte == Telnet.escape { state = .escape } else { data.append(byte) }
        case .escape:
            state = .data
            switch byte {
            case Telnet.escape: data.append(byte)
            case Telnet.will...Telnet.dont: state = .option(byte)
            case Telnet.begin:
                answer = []
                state = .command
            default: break
            }
        case .option(let verb):
            state = .data
            negotiate(verb, byte)
        case .command:
            if byte == Telnet.escape {
                state = .commandEscape
            } else if answer.count < Self.answerMax {
                answer.append(byte)
            }
        case .commandEscape:
            if byte == Telnet.escape {
                if answer.count < Self.answerMax { answer.append(byte) }
                state = .command
            } else {
                state = .data
                if byte == Telnet.end { heed() }
            }
        }
    }

    private mutating func negotiate(_ verb: UInt8, _ option: UInt8) {
        let isOurs = [Telnet.binary, Telnet.noGoAhead, Telnet.comPort].contains(option)
        switch verb {
        case Telnet.please where option == Telnet.comPort:
            if progress == .agreeing { beginSetting() }
        case Telnet.dont where option == Telnet.comPort:
            refuse("does not know RFC 2217: write tcp:// and set the line at the converter")
        case Telnet.dont where option == Telnet.binary, Telnet.wont where option == Telnet.binary:
            refuse(
                "refuses binary transmission (Telnet): set its port to RFC 2217, or write tcp://")
        case Telnet.please where !isOurs: deny(Telnet.wont, option)
        case Telnet.will where !isOurs || option == Telnet.comPort: deny(Telnet.dont, option)
        default: break
        }
    }

    private mutating func deny(_ verb: UInt8, _ option: UInt8) {
        if refused.insert(option).inserted { reply += [Telnet.escape, verb, option] }
    }

    private mutating func refuse(_ words: String) {
        if progress != .ready { progress = .refused(words) }
    }

    private mutating func beginSetting() {
        progress = .setting
        for (command, value) in open { reply += Self.command(command, value) }
        // No flow control; RTS and DTR on, as a port of this machine has them.
        for value: UInt8 in [1, 8, 11] { reply += Self.command(Command.control, [value]) }
        // Breaks, framing and parity errors, overruns.
        reply += Self.command(Command.lineMask, [0x1E])
        reply += Self.purge
    }

    /// An answer of the server is whole.
    private mutating func heed() {
        guard answer.count >= 3, answer[0] == Telnet.comPort else { return }
        let value = Array(answer[2...])
        if answer[1] == Command.lineState { return count(value[0]) }
        guard answer[1] > Command.answer,
            let index = open.firstIndex(where: { $0.command == answer[1] - Command.answer })
        else { return }
        let (command, asked) = open.remove(at: index)
        guard value == asked else {
            let what =
                switch command {
                case Command.baud: "speed"
                case Command.dataBits: "number of data bits"
                case Command.parity: "parity"
                default: "number of stop bits"
                }
            let number = value.reduce(0) { $0 << 8 | Int($1) }
            return refuse("cannot do \(wanted): the converter set its \(what) to \(number)")
        }
        if open.isEmpty, progress == .setting { progress = .ready }
    }

    private mutating func count(_ state: UInt8) {
        if state & 0x02 != 0 { errors.overruns += 1 }
        if state & 0x04 != 0 { errors.parity += 1 }
        if state & 0x08 != 0 { errors.framing += 1 }
        if state & 0x10 != 0 { errors.breaks += 1 }
    }
}
