/// How a line is to be set: what the machines ask for and the shell carries out.
package struct LineSettings: Hashable, Sendable {
    package enum Parity: String, Hashable, Sendable { case none, even, odd }

    package enum Device: Hashable, Sendable {
        case path(String)
        /// udev identity; every given key must match, and exactly one port may.
        case match(
            serial: String?, path: String?, vendor: String?, product: String?, interface: String?)
        /// At the other end of a TCP connection.
        case network(NetworkAddress)

        /// The path or the address as it is written; nil for a device that is looked for.
        package var text: String? {
            switch self {
            case .path(let path): path
            case .network(let address): address.text
            case .match: nil
            }
        }
    }

    /// Form of the frames on the wire. Drivers and tools know only one, unit, PDU and CRC-16.
    package enum Framing: Hashable, Sendable {
        /// As the drivers make them.
        case plain
        /// Modbus TCP: an MBAP header with a transaction id, and no checksum.
        case mbap
        /// Modbus ASCII: a colon, hexadecimal digits, a checksum byte, CR and LF.
        case ascii
    }

    package struct RS485: Hashable, Sendable {
        package enum RTS: String, Hashable, Sendable { case onSend, afterSend, software }
        package var rts: RTS
        package var delayBeforeSend: Duration
        package var delayAfterSend: Duration
        package var receiveDuringSend: Bool
        package var terminate: Bool

        package init(
            rts: RTS = .onSend, delayBeforeSend: Duration = .zero, delayAfterSend: Duration = .zero,
            receiveDuringSend: Bool = false, terminate: Bool = false
        ) {
            self.rts = rts
            self.delayBeforeSend = delayBeforeSend
            self.delayAfterSend = delayAfterSend
            self.receiveDuringSend = receiveDuringSend
            self.terminate = terminate
        }
    }

    /// Whether the bytes that are sent come back: some two-wire transceivers hear themselves.
    /// `learn`: found out from the first exchanges after opening.
    package enum Echo: Hashable, Sendable { case learn, always, never }

    package var device: Device
    package var framing: Framing
    /// Bits in a second; `baudUnknown` at the other end of a connection, where nobody has said it.
    package var baud: Int
    package var parity: Parity
    package var dataBits: Int
    package var stopBits: Int
    package var rs485: RS485?
    package var echo: Echo
    /// Bytes 00 and FF around a reply are what drivers make of switching direction: they are taken
    /// away.
    package var trim: Bool
    /// Opened for reading only: not a single byte can be sent.
    package var listensOnly = false

    package init(
        device: Device, baud: Int = 9600, parity: Parity = .none, dataBits: Int = 8,
        stopBits: Int = 1,
        rs485: RS485? = nil, echo: Echo = .learn, trim: Bool = true, framing: Framing = .plain
    ) {
        self.device = device
        self.framing = framing
        self.baud = baud
        self.parity = parity
        self.dataBits = dataBits
        self.stopBits = stopBits
        self.rs485 = rs485
        self.echo = echo
        self.trim = trim
    }

    /// From handing a frame over to its first bit.
    package var lead: Duration { rs485?.delayBeforeSend ?? .zero }

    /// Start, data, parity and stop bits: what one character costs on the wire.
    package var bitsPerCharacter: Int { 1 + dataBits + (parity == .none ? 0 : 1) + stopBits }

    /// Speed of a line of which only the far end of the connection knows it: its bytes count for
    /// nothing.
    package static let baudUnknown = 0

    /// At the other end of a TCP connection.
    package var isNetwork: Bool { if case .network = device { true } else { false } }

    /// Whether requests go out by themselves at their time: the bytes of the frames are those of
    /// the wire, and their time is known.
    package var carriesFrames: Bool { !isNetwork && framing == .plain }

    /// Whether speed and parity are this program's to set.
    package var isSet: Bool {
        if case .network(let address) = device { address.scheme == .rfc2217 } else { true }
    }

    /// "19200 8E1"; "ASCII 9600 7E1"; "Modbus TCP", with the speed of the line behind it if that is
    /// known.
    package var describe: String {
        let speed = baud == Self.baudUnknown ? "" : speedAndFormat
        if isSet { return framing == .ascii ? "ASCII \(speed)" : speed }
        let kind =
            switch framing {
            case .plain: "raw TCP"
            case .mbap: "Modbus TCP"
            case .ascii: "ASCII over TCP"
            }
        return speed.isEmpty ? kind : "\(kind), \(speed)"
    }

    private var speedAndFormat: String {
        let letter =
            switch parity {
            case .none: "N";
            case .even: "E";
            case .odd: "O"
            }
        return "\(baud) \(dataBits)\(letter)\(stopBits)"
    }
}

/// Facts that were found when a line was opened.
package struct LineFacts: Hashable, Sendable {
    /// The device node that was opened, after matching; or the address that was connected to.
    package var path: String
    /// A pseudo-terminal drops parity and character size and has no line errors.
    package var isPseudoTerminal: Bool
    /// At the other end of a TCP connection.
    package var isNetwork: Bool
    /// Things to tell once: an option that the driver does not support.
    package var remarks: [String]

    package init(
        path: String, isPseudoTerminal: Bool, isNetwork: Bool = false, remarks: [String] = []
    ) {
        self.path = path
        self.isPseudoTerminal = isPseudoTerminal
        self.isNetwork = isNetwork
        self.remarks = remarks
    }

    /// Bytes take the time that the line's speed says.
    package var isTimed: Bool { !isPseudoTerminal && !isNetwork }
}

/// Why a line could not be opened or was lost: one sentence for a person, what to do included.
package struct LineFailure: Error, Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case missing, denied, busy, ambiguous, settings, lost, other
    }
    package var kind: Kind
    package var message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
}

/// Errors on the wire that a UART noticed and that the decoding of frames cannot see (TIOCGICOUNT):
/// counts, or the increase of counts.
package struct LineErrors: Hashable, Sendable {
    /// Characters without a stop bit: mostly a wrong baud rate.
    package var framing: Int
    package var parity: Int
    /// Characters that this machine was too slow to take.
    package var overruns: Int
    /// The line was held low for longer than a character.
    package var breaks: Int

    package init(framing: Int = 0, parity: Int = 0, overruns: Int = 0, breaks: Int = 0) {
        self.framing = framing
        self.parity = parity
        self.overruns = overruns
        self.breaks = breaks
    }

    package var total: Int { framing &+ parity &+ overruns &+ breaks }

    package static func += (left: inout LineErrors, right: LineErrors) {
        left.framing &+= right.framing
        left.parity &+= right.parity
        left.overruns &+= right.overruns
        left.breaks &+= right.breaks
    }

    package static func - (left: LineErrors, right: LineErrors) -> LineErrors {
        LineErrors(
            framing: left.framing &- right.framing, parity: left.parity &- right.parity,
            overruns: left.overruns &- right.overruns, breaks: left.breaks &- right.breaks)
    }
}
