import Base
import Modbus

/// Cost of an exchange on the wire: request, the unit's turnaround, reply and silence. The silence
/// must follow before the next request. If the unit wants a longer one before its own request, that
/// one counts.
struct WireCost: Sendable {
    let timing: RTUTiming
    let turnaround: Duration

    private let character: Int64
    private let fixed: Int64

    /// Unit, function, address, count, checksum.
    static let requestBytes = 8
    /// Cost of a byte where the speed of the line is not known, so that requests do not span every
    /// hole: as at 100,000 baud.
    private static let unknownCharacter = Duration.microseconds(100)
    /// Unit, function, byte count, checksum.
    static let replyBytes = 5

    init(_ timing: RTUTiming, turnaround: Duration, delay: Duration = .zero) {
        self.timing = timing
        self.turnaround = turnaround
        let isKnown = timing.character > .zero
        character = (isKnown ? timing.character : Self.unknownCharacter).nanoseconds
        fixed =
            timing.time(of: Self.requestBytes + Self.replyBytes).nanoseconds
            + max(0, turnaround.nanoseconds) + max(timing.silence, delay).nanoseconds
    }

    /// The cost of reading `count` items of `table` with one request, in nanoseconds.
    func nanoseconds(_ table: Table, _ count: Int) -> Int64 {
        let bytes = table.isBits ? (count + 7) / 8 : 2 * count
        return fixed + character * Int64(bytes)
    }

    func time(_ table: Table, _ count: Int) -> Duration { .nanoseconds(nanoseconds(table, count)) }
}
