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

extension WallTime {
    /// Reads RFC 3339: `2026-11-22T09:00:00Z`, any fraction of a second (cut to milliseconds), any
    /// offset. Nil for anything else, and for dates that do not exist.
    package init?(timestamp text: some StringProtocol) {
        var rest = Array(text.utf8)[...]
        func digits(_ count: Int) -> Int? {
            guard rest.count >= count else { return nil }
            var value = 0
            for byte in rest.prefix(count) {
                guard (0x30...0x39).contains(byte) else { return nil }
                value = value * 10 + Int(byte - 0x30)
            }
            rest = rest.dropFirst(count)
            return value
        }
        func mark(_ wanted: String) -> Bool {
            guard let byte = rest.first, wanted.utf8.contains(byte) else { return false }
            rest = rest.dropFirst()
            return true
        }
        guard let year = digits(4), mark("-"), let month = digits(2), mark("-"),
            let day = digits(2), mark("Tt "),
            let hour = digits(2), mark(":"), let minute = digits(2), mark(":"),
            let second = digits(2),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60
        else { return nil }
        var milliseconds = 0
        if mark(".") {
            let fraction = rest.prefix { (0x30...0x39).contains($0) }
            guard !fraction.isEmpty else { return nil }
            for position in 0..<3 {
                let digit =
                    position < fraction.count
                    ? Int(fraction[fraction.startIndex + position] - 0x30) : 0
                milliseconds = milliseconds * 10 + digit
            }
            rest = rest.dropFirst(fraction.count)
        }
        var offset = 0
        if !mark("Zz") {
            let isNegative = rest.first == 0x2D
            guard mark("+-"), let hours = digits(2), mark(":"), let minutes = digits(2), hours < 24,
                minutes < 60
            else { return nil }
            offset = (hours * 60 + minutes) * (isNegative ? -60 : 60)
        }
        guard rest.isEmpty else { return nil }
        let days = WallTime.days(year: year, month: month, day: day)
        guard WallTime.civil(days: days) == (year, month, day) else { return nil }
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset
        self.init(milliseconds: Int64(seconds) * 1000 + Int64(milliseconds))
    }

    /// Days from 1970-01-01 to a proleptic Gregorian date; the inverse of `civil`.
    static func days(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
            - 719_468
    }
}
