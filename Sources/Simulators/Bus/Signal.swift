import Base

/// How the value of a simulated register changes with time.
package enum Signal: Hashable, Sendable {
    case constant(Double)
    /// One more `step` each `every`, wrapping around in its type.
    case counter(start: Double, step: Double, every: Duration)
    /// From one end to the other, then at once back to the first.
    case ramp(from: Double, to: Double, period: Duration)
    case sine(mean: Double, amplitude: Double, period: Duration)
    /// Each `every` a step of up to `step` in either direction, between `low` and `high`.
    case walk(start: Double, step: Double, every: Duration, low: Double, high: Double)
    /// How often it has been read: no two readings are alike, and a repeated one shows.
    case reads
}

/// One simulated value: a signal and its form in registers.
package struct CellDescription: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        case uint16, int16, uint32, int32, float32, float64

        package var words: Int {
            switch self {
            case .uint16, .int16: 1
            case .uint32, .int32, .float32: 2
            case .float64: 4
            }
        }
    }

    package var signal: Signal
    package var type: Kind
    /// The less significant register first ("CDAB").
    package var swapped: Bool

    package init(_ signal: Signal, type: Kind = .uint16, swapped: Bool = false) {
        self.signal = signal
        self.type = type
        self.swapped = swapped
    }
}

/// A cell at work.
struct Cell: Sendable {
    let description: CellDescription
    private var random: RandomSource
    private var walked: Double
    private var steps: Int64 = 0
    private var reads: UInt64 = 0

    init(_ description: CellDescription, seed: UInt64) {
        self.description = description
        random = RandomSource(seed: seed)
        if case .walk(let start, _, _, _, _) = description.signal {
            walked = start
        } else {
            walked = 0
        }
    }

    /// The registers as they are at this moment, in wire order.
    mutating func words(at now: Instant) -> [UInt16] {
        let value = value(at: now)
        let words: [UInt16]
        switch description.type {
        case .uint16, .int16: words = [UInt16(truncatingIfNeeded: Cell.whole(value))]
        case .uint32, .int32: words = Cell.split(UInt64(bitPattern: Cell.whole(value)), 2)
        case .float32: words = Cell.split(UInt64(Float(value).bitPattern), 2)
        case .float64: words = Cell.split(value.bitPattern, 4)
        }
        return description.swapped ? words.reversed() : words
    }

    mutating func bit(at now: Instant) -> Bool { Cell.whole(value(at: now)) & 1 == 1 }

    private static func split(_ pattern: UInt64, _ count: Int) -> [UInt16] {
        (0..<count).reversed().map { UInt16(truncatingIfNeeded: pattern >> UInt64(16 * $0)) }
    }

    private static func whole(_ value: Double) -> Int64 {
        value.magnitude < 9e18 ? Int64(value.rounded()) : 0
    }

    private mutating func value(at now: Instant) -> Double {
        switch description.signal {
        case .constant(let value): return value
        case .counter(let start, let step, let every):
            return start + step * Double(now.nanoseconds / max(1, every.nanoseconds))
        case .ramp(let from, let to, let period):
            return from + (to - from) * Cell.phase(now, period)
        case .sine(let mean, let amplitude, let period):
            return mean + amplitude * Cell.sine(Cell.phase(now, period))
        case .walk(_, let step, let every, let low, let high):
            let wanted = now.nanoseconds / max(1, every.nanoseconds)
            for _ in 0..<min(max(0, wanted - steps), 1000) {
                walked = min(max(walked + random.uniform(-step, step), low), high)
            }
            steps = max(steps, wanted)
            return walked
        case .reads:
            reads &+= 1
            return Double(reads)
        }
    }

    /// Where in its period a moment is, 0 to 1.
    private static func phase(_ now: Instant, _ period: Duration) -> Double {
        let length = max(1, period.nanoseconds)
        let rest = now.nanoseconds % length
        return Double(rest < 0 ? rest + length : rest) / Double(length)
    }

    /// A sine by two parabolas, within 0.1 %: `turn` is 0 to 1.
    private static func sine(_ turn: Double) -> Double {
        let x = turn <= 0.5 ? 2 * turn : 2 * turn - 2
        let rough = 4 * x * (1 - x.magnitude)
        return 0.225 * (rough * rough.magnitude - rough) + rough
    }
}
