import Base

/// Where the fields of a date or a time stand in the bytes of a value.
package struct TimeLayout: Hashable, Sendable {
    /// Meaning of two letters of a layout.
    package enum Unit: String, Hashable, Sendable, CaseIterable {
        case year = "YY", month = "MM", day = "DD", hour = "hh", minute = "mm", second = "ss"
        /// Hundredths of a second in one byte or two digits, milliseconds in more.
        case fraction = "ff"
        case ignored = "--"
    }

    package enum Digits: String, Hashable, Sendable, CaseIterable {
        case binary, bcd
        /// The whole value is one number whose decimal digits are the fields: 1330 is 13:30.
        case decimal
    }

    /// One field and its bytes; for `decimal` its pairs of digits.
    package struct Slot: Hashable, Sendable {
        package var unit: Unit
        package var size: Int
    }

    /// Formats of which the fields are no whole bytes, and counts of time.
    package enum Named: String, Hashable, Sendable, CaseIterable {
        /// Seconds since 1970-01-01.
        case epoch
        /// Milliseconds since 1970-01-01.
        case epochMilliseconds = "epoch-ms"
        /// Seconds since 2000-01-01 (SunSpec Common Model, `Tms`).
        case epoch2000 = "epoch-2000"
        /// Minutes since midnight.
        case minutes
        /// Seconds since midnight.
        case seconds
        /// Four registers of IEC 870-5-4: year; month and day; hour and minute; milliseconds.
        case ti081
        /// CP56Time2a of IEC 60870-5-4, seven bytes.
        case cp56
        /// Type F (CP32) of EN 13757-3, four bytes.
        case mbusF = "mbus-f"
        /// Type G (CP16) of EN 13757-3, two bytes.
        case mbusG = "mbus-g"

        var isCount: Bool {
            switch self {
            case .epoch, .epochMilliseconds, .epoch2000, .minutes, .seconds: true
            case .ti081, .cp56, .mbusF, .mbusG: false
            }
        }
    }

    package enum Fields: Hashable, Sendable {
        case slots([Slot], Digits)
        case named(Named)
    }

    /// Time zone that the device's clock shows.
    package enum Zone: Hashable, Sendable {
        /// Minutes ahead of UTC.
        case offset(Int)
        /// A local time of which nothing is known: printed without an offset.
        case unknown
    }

    package var fields: Fields
    package var zone: Zone

    package init(_ fields: Fields, zone: Zone = .offset(0)) {
        self.fields = fields
        self.zone = zone
    }

    /// The layout of that name, or of those letters; nil if it is none.
    package init?(_ text: ByteString, _ digits: Digits = .binary, zone: Zone = .offset(0)) {
        if let name = Named(word: text) {
            self.init(.named(name), zone: zone)
        } else {
            guard let slots = Self.slots(text) else { return nil }
            self.init(.slots(slots, digits), zone: zone)
        }
    }

    /// Bytes of a count or a decimal number if its point does not say them.
    package var standardWidth: Int {
        switch fields {
        case .named(.epochMilliseconds): return 8
        case .named(.minutes): return 2
        case .named: return 4
        case .slots(let slots, _):
            let pairs = slots.reduce(0) { $0 + $1.size }
            return pairs <= 2 ? 2 : pairs <= 4 ? 4 : 8
        }
    }

    /// Reads `"YYYY MM DD hh mm ss"`: two letters a byte, in the order of the wire, blanks as one
    /// likes; the same letters again make a field of two bytes. Nil unless a date has year, month
    /// and day, a time its hour and minute or what is above the smallest field, and none comes
    /// twice.
    package static func slots(_ text: ByteString) -> [Slot]? {
        let letters = text.utf8.filter { $0 != 0x20 }
        guard text.count <= 64, !letters.isEmpty, letters.count % 2 == 0 else { return nil }
        var slots: [Slot] = []
        for start in stride(from: 0, to: letters.count, by: 2) {
            guard let unit = Unit(word: ByteString(decoding: letters[start..<(start + 2)])) else {
                return nil
            }
            if let last = slots.last, last.unit == unit {
                slots[slots.count - 1].size += 1
            } else {
                slots.append(Slot(unit: unit, size: 1))
            }
        }
        let units = slots.map(\.unit).filter { $0 != .ignored }
        guard Set(units).count == units.count else { return nil }
        func has(_ unit: Unit) -> Bool { units.contains(unit) }
        let isDate = has(.year) && has(.month) && has(.day)
        let isTime = has(.hour) && has(.minute)
        guard isDate || !(has(.year) || has(.month) || has(.day)) else { return nil }
        guard isTime || !(has(.hour) || has(.minute)), has(.minute) || !has(.second),
            has(.second) || !has(.fraction)
        else { return nil }
        guard isDate || isTime, slots.allSatisfy({ $0.unit == .ignored || $0.size <= 4 }) else {
            return nil
        }
        return slots
    }

    /// Bytes of the value; nil where the point's length decides (counts and decimal numbers).
    package var width: Int? {
        switch fields {
        case .slots(let slots, let digits):
            digits == .decimal ? nil : slots.reduce(0) { $0 + $1.size }
        case .named(.ti081): 8
        case .named(.cp56): 7
        case .named(.mbusF): 4
        case .named(.mbusG): 2
        case .named: nil
        }
    }

    /// One number of `Point.length`, to which an order of its bytes applies.
    package var isNumber: Bool { width == nil }

    /// Whether a write can say all that stands there.
    package var canBeWritten: Bool {
        switch fields {
        case .slots: true
        case .named(let name): name.isCount
        }
    }
}

/// A date, a time of day, or both, without its zone.
struct CivilTime: Sendable {
    var date: (year: Int, month: Int, day: Int)?
    var time: (hour: Int, minute: Int)?
    var second: Int?
    var millisecond: Int?

    init() {}

    /// From a count of milliseconds since 1970, in whatever zone the count is; nil beyond the year
    /// 9999.
    init?(milliseconds: Int64, hasFraction: Bool) {
        guard (-62_167_219_200_000...253_402_300_799_999).contains(milliseconds) else { return nil }
        let text = Array(WallTime(milliseconds: milliseconds).timestamp.utf8)
        func number(_ range: Range<Int>) -> Int {
            text[range].reduce(0) { $0 * 10 + Int($1 - 0x30) }
        }
        date = (number(0..<4), number(5..<7), number(8..<10))
        time = (number(11..<13), number(14..<16))
        second = number(17..<19)
        if hasFraction { millisecond = number(20..<23) }
    }

    /// False for the 30th of February, for 24:00 and for the 60th second, which no register means.
    var exists: Bool {
        if let time, !(0...23).contains(time.hour) || !(0...59).contains(time.minute) {
            return false
        }
        if let second, !(0...59).contains(second) { return false }
        if let millisecond, !(0...999).contains(millisecond) { return false }
        guard let date else { return true }
        guard (0...9999).contains(date.year), (1...12).contains(date.month),
            (1...31).contains(date.day)
        else {
            return false
        }
        var midnight = CivilTime()
        midnight.date = date
        return WallTime(timestamp: midnight.text + "T00:00:00Z") != nil
    }

    /// As RFC 3339 writes it, without an offset.
    var text: String {
        func digits(_ value: Int, _ count: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
        }
        var out = ""
        if let date {
            out = "\(digits(date.year, 4))-\(digits(date.month, 2))-\(digits(date.day, 2))"
        }
        guard let time else { return out }
        if date != nil { out += "T" }
        out += "\(digits(time.hour, 2)):\(digits(time.minute, 2))"
        if second != nil || date != nil { out += ":\(digits(second ?? 0, 2))" }
        if let millisecond { out += ".\(digits(millisecond, 3))" }
        return out
    }

    /// Milliseconds since 1970, as if it were UTC; nil without a date and a time.
    var milliseconds: Int64? {
        guard date != nil, time != nil else { return nil }
        return WallTime(timestamp: text + "Z")?.milliseconds
    }
}
