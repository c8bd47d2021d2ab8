import Base

/// How long things take on a serial line (MODBUS over Serial Line V1.02, section 2.5.1.1).
package struct RTUTiming: Hashable, Sendable {
    /// One character with start, parity and stop bits, as it really is on this line.
    package let character: Duration
    /// The silence that separates frames: 3.5 characters up to 19,200 baud, 1.750 ms above.
    package let silence: Duration
    /// The longest pause inside a frame: 1.5 characters up to 19,200 baud, 750 µs above.
    package let pause: Duration
    /// Longest pause inside a reply, beside what its bytes take.
    package let patience: Duration

    private let characterNanoseconds: Int64

    /// Wait for the rest of a reply on a serial line.
    private static let serialPatience = Duration.milliseconds(50)
    /// The same with Modbus ASCII, which allows a second between two characters (section 2.5.2).
    private static let asciiPatience = Duration.seconds(1)
    /// The same on TCP: a segment that was lost is sent again after a second or two.
    private static let networkPatience = Duration.seconds(2)

    /// - A line whose speed is not known takes no time.
    /// - Modbus TCP has no silences: whoever passes the frames on keeps those of his line.
    /// - Bytes that are sent as they are have t3.5 also at the other end of a connection, where its
    ///   speed is known: a converter passes them on as they come.
    /// - A byte of a frame is two characters of Modbus ASCII, where a colon ends the silence.
    package init(_ line: LineSettings) {
        let isKnown = line.baud != LineSettings.baudUnknown
        let characters = line.framing == .ascii ? 2 : 1
        let bits = line.bitsPerCharacter * characters
        let plain = RTUTiming(
            baud: isKnown ? line.baud : .max, bitsPerCharacter: bits)
        characterNanoseconds = isKnown ? plain.characterNanoseconds : 0
        character = isKnown ? plain.character : .zero
        let hasSilence = isKnown && line.framing != .mbap
        silence = hasSilence ? plain.silence / Int64(characters) : .zero
        pause = hasSilence ? plain.pause / Int64(characters) : .zero
        patience =
            line.isNetwork
            ? Self.networkPatience
            : line.framing == .ascii ? Self.asciiPatience : Self.serialPatience
    }

    /// Settings that no line has are brought into range; times are rounded up to whole nanoseconds.
    package init(baud: Int, bitsPerCharacter: Int) {
        let bits = Int64(max(1, min(bitsPerCharacter, 64)))
        let rate = Int64(max(1, min(baud, 1_000_000_000)))
        func up(_ halfCharacters: Int64) -> Int64 {
            (halfCharacters * bits * 500_000_000 + rate - 1) / rate
        }
        patience = Self.serialPatience
        characterNanoseconds = up(2)
        character = .nanoseconds(up(2))
        if rate <= 19_200 {
            silence = .nanoseconds(up(7))
            pause = .nanoseconds(up(3))
        } else {
            silence = .nanoseconds(1_750_000)
            pause = .nanoseconds(750_000)
        }
    }

    /// The time `count` bytes need on the wire.
    package func time(of count: Int) -> Duration {
        .nanoseconds(characterNanoseconds * Int64(count))
    }
}
