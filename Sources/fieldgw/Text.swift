import Base

/// Figures as people read them.
enum Text {
    static func duration(_ value: Duration) -> String {
        let seconds = value.secondsValue
        switch seconds {
        case ..<0.001: return "\(decimal(seconds * 1e6, 0)) µs"
        case ..<1: return "\(decimal(seconds * 1000, 1)) ms"
        case ..<120: return "\(decimal(seconds, 1)) s"
        case ..<7200: return "\(decimal(seconds / 60, 0)) min"
        case ..<172_800: return "\(decimal(seconds / 3600, 0)) h"
        default: return "\(decimal(seconds / 86_400, 0)) days"
        }
    }

    /// Tells who has the line of a port in a status document, and until when; nil if the gateway
    /// has it.
    static func pause(of port: JSON) -> String? {
        var reasons = port["pausedUntil"]?.string.map { ["paused until \($0)"] } ?? []
        reasons += (port["lentTo"]?.array ?? []).map { "lent to process \($0.text)" }
        return reasons.isEmpty ? nil : reasons.joined(separator: ", ")
    }

    /// For documents: milliseconds to the microsecond.
    static func milliseconds(_ value: Duration) -> Double {
        (value.secondsValue * 1e6).rounded() / 1000
    }

    static func percent(_ share: Double) -> String { decimal(share * 100, 1) + " %" }

    static func bytes(_ count: Int) -> String {
        switch count {
        case ..<1024: "\(count) B"
        case ..<(1 << 20): "\(decimal(Double(count) / 1024, 1)) KiB"
        default: "\(decimal(Double(count) / 1_048_576, 1)) MiB"
        }
    }

    /// Exactly so many decimals, for numbers that stand below each other.
    static func fixed(_ value: Double, _ places: Int) -> String {
        let text = decimal(value, places)
        guard places > 0, text.allSatisfy({ "-0123456789.".contains($0) }) else { return text }
        let parts = text.split(separator: ".", maxSplits: 1)
        let digits = parts.count > 1 ? String(parts[1]) : ""
        return "\(parts[0]).\(digits)"
            + String(repeating: "0", count: max(0, places - digits.count))
    }

    /// At most so many decimals, without trailing zeros.
    static func decimal(_ value: Double, _ places: Int) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
        var factor = 1.0
        for _ in 0..<places { factor *= 10 }
        return JSONWriter.number((value * factor).rounded() / factor)
    }
}
