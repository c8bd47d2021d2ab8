import Base

/// From bytes to RFC 3339.
extension TimeLayout {
    /// The text of a value; nil if it is no date or time that exists.
    /// - Parameters:
    ///   - bytes: as they came over the wire.
    ///   - number: the same as one number in the point's order, for layouts that are one.
    func text(of bytes: [UInt8], number: UInt64) -> String? {
        guard let civil = civil(bytes, number), civil.exists else { return nil }
        guard civil.date != nil, civil.time != nil else { return civil.text }
        return civil.text + suffix
    }

    /// Text that follows a date with its time: the zone's offset, or nothing.
    var suffix: String {
        switch zone {
        case .unknown: return ""
        case .offset(0): return "Z"
        case .offset(let minutes):
            var time = CivilTime()
            time.time = (abs(minutes) / 60, abs(minutes) % 60)
            return (minutes < 0 ? "-" : "+") + time.text
        }
    }

    private func civil(_ bytes: [UInt8], _ number: UInt64) -> CivilTime? {
        switch fields {
        case .slots(let slots, .decimal): return decimal(slots, number)
        case .slots(let slots, let digits): return spread(slots, digits, bytes)
        case .named(let name) where name.isCount: return counted(name, number)
        case .named(.ti081): return Self.ti081(bytes)
        case .named(.cp56): return Self.cp56(bytes)
        case .named(.mbusF): return Self.mbusF(bytes)
        case .named: return Self.mbusG(bytes)
        }
    }

    private func spread(_ slots: [Slot], _ digits: Digits, _ bytes: [UInt8]) -> CivilTime? {
        var values: [(Slot, Int)] = []
        var place = 0
        for slot in slots {
            guard place + slot.size <= bytes.count else { return nil }
            if slot.unit != .ignored {
                let number = bytes[place..<(place + slot.size)].reduce(UInt64(0)) {
                    $0 << 8 | UInt64($1)
                }
                guard let value = digits == .bcd ? Decoder.bcd(number) : number else { return nil }
                values.append((slot, Int(clamping: value)))
            }
            place += slot.size
        }
        return Self.assemble(values)
    }

    private func decimal(_ slots: [Slot], _ number: UInt64) -> CivilTime? {
        var rest = number
        var values: [(Slot, Int)] = []
        for slot in slots.reversed() {
            var base: UInt64 = 1
            for _ in 0..<min(slot.size, 9) { base *= 100 }
            if slot.unit != .ignored { values.append((slot, Int(rest % base))) }
            rest /= base
        }
        return rest == 0 ? Self.assemble(values) : nil
    }

    /// A year of one byte, or of two digits, is of this century.
    private static func assemble(_ values: [(slot: Slot, value: Int)]) -> CivilTime? {
        func value(_ unit: Unit) -> Int? { values.first { $0.slot.unit == unit }?.value }
        var civil = CivilTime()
        if let year = values.first(where: { $0.slot.unit == .year }), let month = value(.month),
            let day = value(.day)
        {
            // A register of its own may hold 26 as well as 2026.
            guard year.value <= 99 || year.slot.size > 1 else { return nil }
            civil.date = (year.value <= 99 ? 2000 + year.value : year.value, month, day)
        }
        if let hour = value(.hour), let minute = value(.minute) { civil.time = (hour, minute) }
        civil.second = value(.second)
        if let fraction = values.first(where: { $0.slot.unit == .fraction }) {
            guard fraction.slot.size > 1 || fraction.value <= 99 else { return nil }
            civil.millisecond = fraction.slot.size > 1 ? fraction.value : 10 * fraction.value
        }
        return civil
    }

    private func counted(_ name: Named, _ number: UInt64) -> CivilTime? {
        guard let count = Int64(exactly: number), count <= 1 << 52 else { return nil }
        switch name {
        case .epochMilliseconds: return CivilTime(milliseconds: count, hasFraction: true)
        case .epoch, .epoch2000:
            guard count < 1 << 40 else { return nil }
            let start: Int64 = name == .epoch ? 0 : 946_684_800
            return CivilTime(milliseconds: (count + start) * 1000, hasFraction: false)
        default:
            let seconds = name == .minutes ? count * 60 : count
            guard seconds < 86_400 else { return nil }
            var civil = CivilTime()
            civil.time = (Int(seconds / 3600), Int(seconds / 60 % 60))
            if name == .seconds { civil.second = Int(seconds % 60) }
            return civil
        }
    }

    // MARK: formats in which fields share bytes

    private static func make(
        _ year: Int, _ month: UInt8, _ day: UInt8, _ hour: UInt8, _ minute: UInt8,
        milliseconds: Int? = nil
    ) -> CivilTime {
        var civil = CivilTime()
        civil.date = (year, Int(month), Int(day))
        civil.time = (Int(hour), Int(minute))
        if let milliseconds {
            civil.second = milliseconds / 1000
            civil.millisecond = milliseconds % 1000
        }
        return civil
    }

    /// Year in bits 0 to 6; month, weekday, day; hour, invalid, minute; milliseconds of the minute.
    private static func ti081(_ bytes: [UInt8]) -> CivilTime? {
        guard bytes.count >= 8, bytes[5] & 0x80 == 0, bytes[1] & 0x7F <= 99 else { return nil }
        return make(
            2000 + Int(bytes[1] & 0x7F), bytes[2] & 0x0F, bytes[3] & 0x1F, bytes[4] & 0x1F,
            bytes[5] & 0x3F,
            milliseconds: Int(bytes[6]) << 8 | Int(bytes[7]))
    }

    private static func cp56(_ bytes: [UInt8]) -> CivilTime? {
        guard bytes.count >= 7, bytes[2] & 0x80 == 0, bytes[6] & 0x7F <= 99 else { return nil }
        return make(
            2000 + Int(bytes[6] & 0x7F), bytes[5] & 0x0F, bytes[4] & 0x1F, bytes[3] & 0x1F,
            bytes[2] & 0x3F,
            milliseconds: Int(bytes[1]) << 8 | Int(bytes[0]))
    }

    private static func mbusF(_ bytes: [UInt8]) -> CivilTime? {
        guard bytes.count >= 4, bytes[0] & 0x80 == 0,
            let year = year(bytes[2], bytes[3], hundreds: Int(bytes[1] >> 5 & 3))
        else { return nil }
        return make(year, bytes[3] & 0x0F, bytes[2] & 0x1F, bytes[1] & 0x1F, bytes[0] & 0x3F)
    }

    private static func mbusG(_ bytes: [UInt8]) -> CivilTime? {
        guard bytes.count >= 2, let year = year(bytes[0], bytes[1], hundreds: 0) else { return nil }
        var civil = CivilTime()
        civil.date = (year, Int(bytes[1] & 0x0F), Int(bytes[0] & 0x1F))
        return civil
    }

    /// Seven bits in the upper parts of two bytes. Without hundreds 81 to 99 are of the century
    /// before (EN 13757-3, annex A); 127 is "every year" and no date.
    private static func year(_ low: UInt8, _ high: UInt8, hundreds: Int) -> Int? {
        let year = Int(low >> 5) | Int(high >> 4) << 3
        guard year <= 99 else { return nil }
        if hundreds > 0 { return 1900 + 100 * hundreds + year }
        return year <= 80 ? 2000 + year : 1900 + year
    }
}
