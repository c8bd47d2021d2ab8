import Base

/// From RFC 3339 to bytes.
extension TimeLayout {
    private var hasDate: Bool { has(.year) }
    private var hasTime: Bool { has(.hour) }

    private func has(_ unit: Unit) -> Bool {
        switch fields {
        case .slots(let slots, _): slots.contains { $0.unit == unit }
        case .named(.minutes): unit == .hour || unit == .minute
        case .named(.seconds): unit == .hour || unit == .minute || unit == .second
        case .named(.mbusG): unit == .year || unit == .month || unit == .day
        case .named: unit != .ignored
        }
    }

    /// Example of a value's text.
    var example: String {
        guard hasDate else { return has(.second) ? "13:30:00" : "13:30" }
        return hasTime ? "2026-11-29T13:30:00" + suffix : "2026-11-29"
    }

    /// The date and time that a text names, as this layout's clock shows them; nil for what is
    /// none, or has more than the layout, or less.
    func civil(_ text: ByteString) -> CivilTime? {
        guard text.count <= 40, text.isASCII else { return nil }
        let text = text.string
        if hasDate, hasTime {
            guard case .offset(let minutes) = zone else {
                return CivilTime(local: text + "Z", plus: 0)
            }
            return CivilTime(local: text, plus: Int64(minutes))
        }
        if hasDate {
            return CivilTime(local: text + "T00:00:00Z", plus: 0).map { $0.only(date: true) }
        }
        let isShort = text.utf8.count == 5
        guard has(.second) || isShort || text.hasSuffix(":00"), text.utf8.count <= 12 else {
            return nil
        }
        let whole = "2000-01-01T" + text + (isShort ? ":00" : "") + "Z"
        return CivilTime(local: whole, plus: 0).map { $0.only(date: false) }
    }

    /// The bytes of the fields, and ones where a byte is the layout's; nil for layouts that are one
    /// number and for what does not fit.
    func bytes(of civil: CivilTime) -> (bytes: [UInt8], mask: [UInt8])? {
        guard case .slots(let slots, let digits) = fields, digits != .decimal else { return nil }
        var bytes: [UInt8] = []
        var mask: [UInt8] = []
        for slot in slots {
            mask += [UInt8](repeating: slot.unit == .ignored ? 0 : 0xFF, count: slot.size)
            guard slot.unit != .ignored else {
                bytes += [UInt8](repeating: 0, count: slot.size)
                continue
            }
            guard let value = Self.value(slot, civil) else { return nil }
            let number = digits == .bcd ? Encoder.bcd(value) : value
            guard slot.size >= 8 || number >> UInt64(8 * slot.size) == 0 else { return nil }
            for place in (0..<slot.size).reversed() {
                bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * place)))
            }
        }
        return (bytes, mask)
    }

    /// The value of a layout that is one number.
    func number(of civil: CivilTime) -> UInt64? {
        switch fields {
        case .slots(let slots, .decimal):
            var number: UInt64 = 0
            for slot in slots {
                guard slot.unit == .ignored || slot.size <= 4 else { return nil }
                var base: UInt64 = 1
                for _ in 0..<min(slot.size, 9) { base *= 100 }
                let value = slot.unit == .ignored ? 0 : Self.value(slot, civil)
                let (shifted, overflow) = number.multipliedReportingOverflow(by: base)
                guard let value, value < base, !overflow else { return nil }
                number = shifted + value
            }
            return number
        case .named(.epoch): return civil.milliseconds.flatMap { UInt64(exactly: $0 / 1000) }
        case .named(.epoch2000):
            return civil.milliseconds.flatMap { UInt64(exactly: $0 / 1000 - 946_684_800) }
        case .named(.epochMilliseconds): return civil.milliseconds.flatMap { UInt64(exactly: $0) }
        case .named(.minutes), .named(.seconds):
            guard let time = civil.time else { return nil }
            let minutes = UInt64(time.hour * 60 + time.minute)
            return fields == .named(.minutes) ? minutes : minutes * 60 + UInt64(civil.second ?? 0)
        default: return nil
        }
    }

    private static func value(_ slot: Slot, _ civil: CivilTime) -> UInt64? {
        let value: Int?
        switch slot.unit {
        case .year:
            guard let year = civil.date?.year else { return nil }
            // One byte holds the years of this century.
            guard slot.size == 1 else { return UInt64(year) }
            value = (2000...2099).contains(year) ? year - 2000 : nil
        case .month: value = civil.date?.month
        case .day: value = civil.date?.day
        case .hour: value = civil.time?.hour
        case .minute: value = civil.time?.minute
        case .second: value = civil.second ?? 0
        case .fraction: value = (civil.millisecond ?? 0) / (slot.size == 1 ? 10 : 1)
        case .ignored: value = 0
        }
        return value.map { UInt64($0) }
    }
}

extension CivilTime {
    /// - Parameter minutes: how far the clock is ahead of the text's own time, taken to UTC.
    init?(local text: String, plus minutes: Int64) {
        guard let time = WallTime(timestamp: text) else { return nil }
        self.init(milliseconds: time.milliseconds + minutes * 60_000, hasFraction: true)
    }

    func only(date isDate: Bool) -> CivilTime {
        var part = CivilTime()
        if isDate { part.date = date; return part }
        (part.time, part.second, part.millisecond) = (time, second, millisecond)
        return part
    }
}
