import Base

/// How long things take on a serial line (MODBUS over Serial Line V1.02, section 2.5.1.1).
package struct RTUTiming: Hashable, Sendable {
    /// One character with start, parity and stop bits, as it really is on this line.
    package let character: Duration
    /// The silence that separates frames: 3.5 characters up to 19,200 baud, 1.750 ms above.
    package let silence: Duration
    /// The longest pause inside a frame: 1.5 characters up to 19,200 baud, 750 µs above.
    package let pause: Duration

    private let characterNanoseconds: Int64

    package init(_ line: LineSettings) {
        self.init(baud: line.baud, bitsPerCharacter: line.bitsPerCharacter)
    }

    /// Settings that no line has are brought into range; times are rounded up to whole nanoseconds.
    package init(baud: Int, bitsPerCharacter: Int) {
        let bits = Int64(max(1, min(bitsPerCharacter, 64)))
        let rate = Int64(max(1, min(baud, 1_000_000_000)))
        func up(_ halfCharacters: Int64) -> Int64 {
            (halfCharacters * bits * 500_000_000 + rate - 1) / rate
        }
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
