/// Durations and sizes as people write them: a number and a unit, "200ms", "1.5h", "64MiB".
package enum Quantity {
    private static let durationUnits: [(name: ByteString, nanoseconds: Double)] = [
        ("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("min", 60e9), ("m", 60e9),
        ("h", 3600e9),
        ("d", 86_400e9),
    ]
    private static let sizeUnits: [(name: ByteString, bytes: Double)] = [
        ("B", 1), ("KiB", 1024), ("MiB", 1_048_576), ("GiB", 1_073_741_824),
        ("TiB", 1_099_511_627_776),
        ("kB", 1e3), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12),
    ]

    package static let durationHint =
        "write a number and a unit: \"200ms\", \"5s\", \"10m\", \"1h\", \"7d\""
    package static let sizeHint = "write a number and a unit: \"500KiB\", \"64MiB\", \"1GiB\""

    /// Nil if it is no duration or longer than a century.
    package static func duration(_ text: String) -> Duration? { duration(ByteString(text)) }

    package static func duration(_ text: ByteString) -> Duration? {
        guard let (number, unit) = split(text),
            let scale = durationUnits.first(where: { $0.name == unit })?.nanoseconds
        else { return nil }
        let nanoseconds = (number * scale).rounded()
        return nanoseconds <= 36_525 * 86_400e9 ? .nanoseconds(Int64(nanoseconds)) : nil
    }

    /// Bytes; nil if it is no size or above 2⁵³.
    package static func size(_ text: String) -> Int? { size(ByteString(text)) }

    package static func size(_ text: ByteString) -> Int? {
        guard let (number, unit) = split(text),
            let scale = sizeUnits.first(where: { $0.name == unit })?.bytes
        else { return nil }
        let bytes = (number * scale).rounded()
        return bytes <= 9_007_199_254_740_992 ? Int(exactly: bytes) : nil
    }

    /// Digits with at most one point, white space allowed before the unit.
    private static func split(_ text: ByteString) -> (number: Double, unit: ByteString)? {
        guard text.count <= 64 else { return nil }
        let digits = text.utf8.prefix { (0x30...0x39).contains($0) || $0 == 0x2E }
        guard (1...18).contains(digits.count), let number = Double(String(Substring(digits))) else {
            return nil
        }
        return (number, ByteString(Substring(text.utf8[digits.endIndex...].drop { $0 == 0x20 })))
    }

    /// The largest unit that shows the duration exactly: "1500ms", "10s", "7d".
    package static func describe(_ duration: Duration) -> String {
        let value = duration.nanoseconds
        let units: [(String, Int64)] = [
            ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000),
            ("s", 1_000_000_000),
            ("ms", 1_000_000), ("us", 1000),
        ]
        for (name, scale) in units where value != 0 && value % scale == 0 {
            return "\(value / scale)\(name)"
        }
        return value == 0 ? "0s" : "\(value)ns"
    }

    /// The largest unit that shows the size exactly: "64KiB", "1000B".
    package static func describe(bytes: Int) -> String {
        let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        for (name, scale) in units where bytes != 0 && bytes % scale == 0 {
            return "\(bytes / scale)\(name)"
        }
        return "\(bytes)B"
    }
}
