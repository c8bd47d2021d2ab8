import Base

/// The members of an object whose keys are known, each at most once.
struct Fields {
    private let object: JSON

    init(_ json: JSON, _ known: ByteString...) throws(BusDescriptionError) {
        guard let members = json.members else {
            throw json.error("an object is expected, not \(json.describe)")
        }
        var seen: Set<ByteString> = []
        for member in members {
            guard known.contains(member.name) else {
                let list = known.map(\.string).joined(separator: ", ")
                throw BusDescriptionError(
                    position: member.position,
                    message: "unknown key \(member.name.prefix(64)); known are \(list)")
            }
            guard seen.insert(member.name).inserted else {
                throw BusDescriptionError(
                    position: member.position, message: "the key \(member.name) is given twice")
            }
        }
        object = json
    }

    subscript(name: ByteString) -> JSON? { object[name] }

    func members(_ name: ByteString) throws(BusDescriptionError) -> [JSON.Member] {
        guard let value = object[name] else { return [] }
        guard let members = value.members else {
            throw value.error("\(name) is an object, not \(value.describe)")
        }
        return members
    }

    func number(_ name: ByteString) throws(BusDescriptionError) -> Double? {
        guard let value = object[name] else { return nil }
        guard let number = value.double else {
            throw value.error("\(name) is a number, not \(value.describe)")
        }
        return number
    }

    func integer(_ name: ByteString, _ range: ClosedRange<Int>) throws(BusDescriptionError) -> Int?
    {
        guard let value = object[name] else { return nil }
        guard let number = value.integer, let whole = Int(exactly: number), range.contains(whole)
        else {
            throw value.error(
                "\(name) is a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return whole
    }

    func probability(_ name: ByteString) throws(BusDescriptionError) -> Double {
        guard let value = object[name] else { return 0 }
        guard let number = value.double, (0...1).contains(number) else {
            throw value.error("\(name) is a probability from 0 to 1")
        }
        return number
    }

    func duration(_ name: ByteString) throws(BusDescriptionError) -> Duration? {
        guard let value = object[name] else { return nil }
        guard let text = value.string, let duration = Fields.duration(text) else {
            throw value.error("\(name) is a duration such as \"5ms\" or \"2s\"")
        }
        return duration
    }

    /// Up to 292 years would fit; a simulated bus gets by with a week.
    private static func duration(_ text: ByteString) -> Duration? {
        let digits = text.utf8.prefix { (0x30...0x39).contains($0) || $0 == 0x2E }
        guard text.count <= 64, let number = Double(String(Substring(digits))) else { return nil }
        let unit: Double
        switch ByteString(Substring(text.utf8[digits.endIndex...])) {
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
