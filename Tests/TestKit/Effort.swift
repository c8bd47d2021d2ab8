import Foundation

/// How often what only differs in its random numbers is done. FIELDGW_EMULATED=1, which
/// `board/cross-build --test` sets: an eighth of it, for under qemu-user a second takes fifty, and
/// another processor is no other luck.
package enum Effort {
    package static let isEmulated = ProcessInfo.processInfo.environment["FIELDGW_EMULATED"] == "1"

    /// FIELDGW_LONG=1, which `board/test --long` sets: the bounds of a range of counts are for
    /// without and with it.
    package static func long(_ counts: ClosedRange<Int>) -> Range<Int> {
        let isLong = ProcessInfo.processInfo.environment["FIELDGW_LONG"] == "1"
        return cases(isLong ? counts.upperBound : counts.lowerBound)
    }

    package static func cases(_ count: Int) -> Range<Int> {
        0..<(isEmulated ? max(1, count / 8) : count)
    }
}
