import Base

/// The members of an object whose keys are known, each at most once.
struct Fields {
    private let object: JSON

    init(_ json: JSON, _ known: String...) throws(BusDescriptionError) {
        guard let members = json.members else {
            throw json.error("an object is expected, not \(json.describe)")
        }
        var seen: Set<String> = []
        for member in members {
            guard known.contains(member.name) else {
                let list = known.joined(separator: ", ")
                throw BusDescriptionError(
                    position: member.position, message: "unknown key \(member.name); known are \(list)")
            }
            guard seen.insert(member.name).inserted else {
                throw BusDescriptionError(
                    position: member.position, message: "the key \(member.name) is given twice")
            }
        }
        object = json
    }

    subscript(name: String) -> JSON? { object[name] }

    func members(_ name: String) throws(BusDescriptionError) -> [JSON.Member] {
        guard let value = object[name] else { return [] }
        guard let members = value.members else {
            throw value.error("\(name) is an object, not \(value.describe)")
        }
        return members
    }

    func number(_ name: String) throws(BusDescriptionError) -> Double? {
        guard let value = object[name] else { return nil }
        guard let number = value.double else {
            throw value.error("\(name) is a number, not \(value.describe)")
        }
        return number
    }

    func integer(_ name: String, _ range: ClosedRange<Int>) throws(BusDescriptionError) -> Int? {
        guard let value = object[name] else { return nil }
        guard let number = value.integer, let whole = Int(exactly: number), range.contains(whole) else {
            throw value.error("\(name) is a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return whole
    }

    func probability(_ name: String) throws(BusDescriptionError) -> Double {
        guard let value = object[name] else { return 0 }
        guard let number = value.double, (0...1).contains(number) else {
            throw value.error("\(name) is a probability from 0 to 1")
        }
        return number
    }

    func duration(_ name: String) throws(BusDescriptionError) -> Duration? {
        guard let value = object[name] else { return nil }
        guard let text = value.string, let duration = Fields.duration(text) else {
            throw value.error("\(name) is a duration such as \"5ms\" or \"2s\"")
        }
        return duration
    }

    /// Up to 292 years would fit; a simulated bus gets by with a week.
    private static func duration(_ text: String) -> Duration? {
        let digits = text.prefix { $0.isNumber || $0 == "." }
        guard let number = Double(String(digits)) else { return nil }
        let unit: Double
        switch text.dropFirst(digits.count) {
        case "us": unit = 1e-6
        case "ms": unit = 1e-3
        case "s": unit = 1
        case "m", "min": unit = 60
        case "h": unit = 3600
        default: return nil
        }
        let seconds = number * unit
        return seconds <= 604_800 ? .seconds(fraction: seconds) : nil
    }
}

extension JSON {
    func error(_ message: String) -> BusDescriptionError {
        BusDescriptionError(position: position, message: message)
    }
}
