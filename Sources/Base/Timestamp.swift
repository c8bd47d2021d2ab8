extension WallTime {
    /// RFC 3339 in UTC with milliseconds, as every payload carries it: `2026-11-22T09:00:00.123Z`.
    /// Years outside 0000–9999 are clamped to those ends.
    package var timestamp: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(24)
        appendTimestamp(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    package func appendTimestamp(to bytes: inout [UInt8]) {
        let clamped = min(max(milliseconds, -62_167_219_200_000), 253_402_300_799_999)
        let days = (clamped >= 0 ? clamped : clamped - 86_399_999) / 86_400_000
        let inDay = Int(clamped - days * 86_400_000)
        let (year, month, day) = WallTime.civil(days: Int(days))
        func digits(_ value: Int, _ width: Int) {
            var divisor = 1
            for _ in 1..<width { divisor *= 10 }
            while divisor > 0 {
                bytes.append(UInt8(48 + value / divisor % 10))
                divisor /= 10
            }
        }
        digits(year, 4); bytes.append(0x2D); digits(month, 2); bytes.append(0x2D); digits(day, 2)
        bytes.append(0x54)
        digits(inDay / 3_600_000, 2); bytes.append(0x3A)
        digits(inDay / 60_000 % 60, 2); bytes.append(0x3A)
        digits(inDay / 1000 % 60, 2); bytes.append(0x2E)
        digits(inDay % 1000, 3); bytes.append(0x5A)
    }

    /// Proleptic Gregorian date of a day counted from 1970-01-01.
    static func civil(days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
