/// A length of time in whole nanoseconds, up to 292 years either way; beyond that it saturates and
/// never traps.
///
/// It takes the place of the standard library's type of this name wherever this module is imported.
/// That one counts attoseconds in 128 bits behind calls that cannot be inlined, and a deadline is
/// compared or moved some hundred times in each exchange on a line: it was a tenth of what an
/// exchange cost.
public struct Duration: Hashable, Comparable, Sendable {
    public var nanoseconds: Int64

    @inlinable init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// `count` times `unit` nanoseconds.
    @inlinable init(_ count: Int64, times unit: Int64) {
        let (product, overflow) = count.multipliedReportingOverflow(by: unit)
        nanoseconds = overflow ? ((count < 0) == (unit < 0) ? .max : .min) : product
    }

    @inlinable public static var zero: Duration { Duration(nanoseconds: 0) }

    @inlinable public static func seconds(_ count: some BinaryInteger) -> Duration {
        Duration(Int64(clamping: count), times: 1_000_000_000)
    }

    @inlinable public static func milliseconds(_ count: some BinaryInteger) -> Duration {
        Duration(Int64(clamping: count), times: 1_000_000)
    }

    @inlinable public static func microseconds(_ count: some BinaryInteger) -> Duration {
        Duration(Int64(clamping: count), times: 1000)
    }

    @inlinable public static func nanoseconds(_ count: some BinaryInteger) -> Duration {
        Duration(nanoseconds: Int64(clamping: count))
    }

    /// Whole nanoseconds towards zero, saturating; not a number is zero.
    @inlinable public static func seconds(fraction value: Double) -> Duration {
        let nanoseconds = value * 1e9
        if let exact = Int64(exactly: nanoseconds.rounded(.towardZero)) {
            return .nanoseconds(exact)
        }
        return .nanoseconds(nanoseconds.isNaN ? 0 : nanoseconds < 0 ? Int64.min : .max)
    }

    /// Whole milliseconds, towards zero.
    @inlinable public var milliseconds: Int64 { nanoseconds / 1_000_000 }

    /// Whole seconds, towards zero.
    @inlinable public var seconds: Int64 { nanoseconds / 1_000_000_000 }

    @inlinable public var secondsValue: Double { Double(nanoseconds) / 1e9 }

    @inlinable public static func < (left: Duration, right: Duration) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    @inlinable public static func + (left: Duration, right: Duration) -> Duration {
        let (sum, overflow) = left.nanoseconds.addingReportingOverflow(right.nanoseconds)
        return Duration(nanoseconds: overflow ? (right.nanoseconds < 0 ? .min : .max) : sum)
    }

    @inlinable public static func - (left: Duration, right: Duration) -> Duration {
        let (difference, overflow) = left.nanoseconds.subtractingReportingOverflow(
            right.nanoseconds)
        return Duration(nanoseconds: overflow ? (right.nanoseconds < 0 ? .max : .min) : difference)
    }

    @inlinable public static func += (left: inout Duration, right: Duration) { left = left + right }
    @inlinable public static func -= (left: inout Duration, right: Duration) { left = left - right }

    @inlinable public static func * (left: Duration, right: some BinaryInteger) -> Duration {
        Duration(left.nanoseconds, times: Int64(clamping: right))
    }

    /// Towards zero. By zero: as far as can be said.
    @inlinable public static func / (left: Duration, right: some BinaryInteger) -> Duration {
        let divisor = Int64(clamping: right)
        let (quotient, overflow) = left.nanoseconds.dividedReportingOverflow(by: divisor)
        guard overflow else { return Duration(nanoseconds: quotient) }
        return left == .zero
            ? .zero : Duration(nanoseconds: (left < .zero) == (divisor < 0) ? .max : .min)
    }

    /// How many times the one is in the other.
    @inlinable public static func / (left: Duration, right: Duration) -> Double {
        left.secondsValue / right.secondsValue
    }
}

extension Duration: CustomStringConvertible {
    public var description: String { "\(secondsValue) seconds" }
}
