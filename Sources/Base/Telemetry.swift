/// Output of the adapter for one device and one reading, ready for the journal. It is the
/// `"values":{…},"bad":{…}` fragment of a payload (board/docs/payloads.md), without braces, `ts`,
/// `seq` or `clock`.
package struct Telemetry: Hashable, Sendable {
    package var device: DeviceID
    package var body: [UInt8]
    /// When the last good answer came; the time of the failure if none did.
    package var at: Moment
    package var priority: Bool
    /// How many values it holds and how many points are bad: for the counters people see.
    package var good: Int
    package var bad: Int

    package init(
        device: DeviceID, body: [UInt8], at: Moment, priority: Bool = false, good: Int = 0,
        bad: Int = 0
    ) {
        self.device = device
        self.body = body
        self.at = at
        self.priority = priority
        self.good = good
        self.bad = bad
    }
}

/// A line for the log, made by a machine and written by the shell. Repeats are folded there.
/// No secrets; text from the wire goes through `Notice.printable`.
package struct Notice: Hashable, Sendable {
    package enum Level: Int, Hashable, Sendable, Comparable, CustomStringConvertible {
        case error = 3, warning = 4, info = 6, debug = 7  // syslog's numbers

        package var description: String {
            switch self {
            case .error: "error"
            case .warning: "warning"
            case .info: "info"
            case .debug: "debug"
            }
        }

        package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    /// The cause of the notice, which decides how many of its kind may be written.
    package enum Kind: Hashable, Sendable {
        /// This machine's, its lines' and its connection's.
        case plain
        /// A command or a person's request that was carried out or refused.
        case audit
        /// A peer's, who may send as many as it likes.
        case peer
    }

    package var level: Level
    package var kind: Kind
    /// "line", "unit", "bridge", "spool", "adapter", "control", "gateway".
    package var subsystem: String
    /// The device or port it is about; empty if none.
    package var subject: String
    package var message: String

    package init(
        _ level: Level, _ subsystem: String, _ subject: String = "", _ message: String,
        kind: Kind = .plain
    ) {
        self.level = level
        self.kind = kind
        self.subsystem = subsystem
        self.subject = subject
        self.message = message
    }

    /// At most 256 characters of UTF-8. Bytes that are none, and characters that move the cursor or
    /// cannot be seen, are shown as escapes.
    package static func printable(_ bytes: some Collection<UInt8>) -> String {
        var out = ""
        var rest = bytes.prefix(4 * printableMax + 1)[...]
        for _ in 0..<printableMax {
            guard let first = rest.first else { return out }
            let scalar = Unicode.Scalar(leading: rest.prefix(4))
            if let scalar {
                out += scalar.shown
                rest = rest.dropFirst(UTF8.width(scalar))
            } else {
                out += "\\x" + Hex.encode([first])
                rest = rest.dropFirst()
            }
        }
        return rest.isEmpty ? out : out + "…"
    }

    private static let printableMax = 256

    package static func printable(_ text: String) -> String { printable(text.utf8) }
    package static func printable(_ text: ByteString) -> String { printable(text.utf8) }
}

extension Unicode.Scalar {
    /// The first scalar of UTF-8; nil where the bytes are none.
    fileprivate init?(leading bytes: some Collection<UInt8>) {
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        guard case .scalarValue(let scalar) = decoder.decode(&iterator) else { return nil }
        self = scalar
    }

    /// Itself, or an escape where it would move the cursor, reorder the text or not be seen:
    /// nothing from a wire can start a line of its own or talk to the terminal.
    package var shown: String {
        if isASCII, (0x20..<0x7F).contains(value) { return String(self) }
        if value < 0xA0 { return "\\x" + Hex.encode([UInt8(value)]) }
        return switch properties.generalCategory {
        case .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator:
            "\\u{\(String(value, radix: 16))}"
        default: String(self)
        }
    }
}
