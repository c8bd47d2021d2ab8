import Base

/// A profile's text with its parameters filled in: `"{channels}"` becomes a number, a point with
/// `repeat` becomes as many points, and one whose `when` does not hold is left out.
struct ProfileExpansion {
    /// Members that repeated points may have in all. More is a mistake in the profile.
    static let membersMax = 20_000

    private let values: [ByteString: Int]
    private let problems: Problems
    private let file: String
    private var members = 0

    /// Keys that hold the place of a point, which `step` moves.
    private static let places: [ByteString] = [
        "coil", "discrete", "input", "holding", "registers", "at", "index",
    ]
    private static let tables: [ByteString] = [
        "coil", "discrete", "input", "holding", "registers",
    ]
    private static let own: [ByteString] = ["repeat", "step", "when"]
    /// Keys of a profile that say what it is.
    private static let texts: [ByteString] = ["parameters", "name", "manual", "description"]

    init(_ values: [ByteString: Int], _ problems: Problems, file: String) {
        self.values = values
        self.problems = problems
        self.file = file
    }

    mutating func expand(_ root: JSON) -> JSON {
        guard let members = root.members else { return root }
        let expanded = members.map { member -> JSON.Member in
            var member = member
            if member.name == "points" || member.name == "fields" {
                member.value = expandPoints(member.value)
            } else if !Self.texts.contains(member.name) {
                member.value = fill(member.value, index: nil)
            }
            return member
        }
        return JSON(.object(expanded), at: root.position)
    }

    private mutating func expandPoints(_ json: JSON) -> JSON {
        guard let points = json.members else { return json }
        return JSON(.object(points.flatMap { expandPoint($0) }), at: json.position)
    }

    private mutating func expandPoint(_ point: JSON.Member) -> [JSON.Member] {
        guard let keys = point.value.members else { return [point] }
        if let condition = point.value["when"], !holds(condition) { return [] }
        let rest = keys.filter { !Self.own.contains($0.name) }
        guard let times = point.value["repeat"] else {
            if let step = point.value["step"] { complain(step, "\"step\" goes with \"repeat\"") }
            return [filled(point, rest, index: nil, shift: 0)]
        }
        guard point.name.string.contains("{n}") else {
            problems.error(
                FilePlace(file, point.position),
                "a point with \"repeat\" needs {n} in its name, where its number stands")
            return []
        }
        let step = point.value["step"].map { fill($0, index: nil) }
        guard let count = number(times, in: 0...1000, "repeat"),
            let stride = step.map({ number($0, in: 0...65_535, "step") }) ?? 1, count > 0
        else { return [] }
        members += count * max(keys.count, 1)
        guard members <= Self.membersMax else {
            complain(times, "the repeated points of this profile have too many keys")
            return []
        }
        let points = (1...count).map { filled(point, rest, index: $0, shift: ($0 - 1) * stride) }
        return fits(points) ? points : []
    }

    /// Whether the last of repeated points still has an address. Reported once, not for each point.
    private func fits(_ points: [JSON.Member]) -> Bool {
        for key in points.last?.value.members ?? [] where Self.tables.contains(key.name) {
            let addresses = key.value.array ?? [key.value]
            guard let last = addresses.compactMap(\.integer).max(), last > 65_535 else { continue }
            complain(
                key.value,
                "the last of these \(points.count) points would be at \(last), above the last "
                    + "address, 65535")
            return false
        }
        return true
    }

    private func filled(
        _ point: JSON.Member, _ keys: [JSON.Member], index: Int?, shift: Int
    ) -> JSON.Member {
        let keys = keys.map { key -> JSON.Member in
            var key = key
            key.value = fill(key.value, index: index)
            if shift > 0, Self.places.contains(key.name) { key.value = moved(key.value, shift) }
            return key
        }
        return JSON.Member(
            name: index.map { numbered(point.name, $0) } ?? point.name, position: point.position,
            value: JSON(.object(keys), at: point.value.position))
    }

    /// Puts values in place of `"{name}"` and, within a repeated point, of `{n}`.
    private func fill(_ json: JSON, index: Int?) -> JSON {
        switch json.kind {
        case .string(let text):
            if let value = parameter(text) { return JSON(.number("\(value)"), at: json.position) }
            return index.map { JSON(.string(numbered(text, $0)), at: json.position) } ?? json
        case .array(let items):
            return JSON(.array(items.map { fill($0, index: index) }), at: json.position)
        case .object(let members):
            let filled = members.map {
                JSON.Member(
                    name: $0.name, position: $0.position, value: fill($0.value, index: index))
            }
            return JSON(.object(filled), at: json.position)
        default: return json
        }
    }

    private func parameter(_ text: ByteString) -> Int? {
        guard text.hasPrefix("{"), text.hasSuffix("}"), text.count > 2 else { return nil }
        return values[ByteString(text.string.dropFirst().dropLast())]
    }

    private func numbered(_ text: ByteString, _ index: Int) -> ByteString {
        let parts = text.string.split(separator: "{n}", omittingEmptySubsequences: false)
        return parts.count > 1 ? ByteString(parts.joined(separator: "\(index)")) : text
    }

    /// An address or a list of them, `shift` further on. A hexadecimal number stays one: those
    /// are never taken for references as 40001.
    private func moved(_ json: JSON, _ shift: Int) -> JSON {
        switch json.kind {
        case .array(let items):
            return JSON(.array(items.map { moved($0, shift) }), at: json.position)
        case .number(let text):
            guard let value = json.integer, (0...65_535).contains(value) else { return json }
            let sum = Int(value) + shift
            let isHexadecimal = text.hasPrefix("0x") || text.hasPrefix("0X")
            return JSON(
                .number(isHexadecimal ? "0x" + String(sum, radix: 16) : "\(sum)"),
                at: json.position)
        default: return json
        }
    }

    /// `{ phases: 3 }` or `{ phases: [2, 3] }`; several names must all hold.
    private func holds(_ condition: JSON) -> Bool {
        guard let tests = condition.members, !tests.isEmpty else {
            complain(condition, "\"when\" must be an object: { phases: 3 } or { phases: [2, 3] }")
            return false
        }
        return tests.allSatisfy { test in
            guard let value = values[test.name] else {
                problems.error(
                    FilePlace(file, test.position), unknown(test.name))
                return false
            }
            return (test.value.array ?? [test.value]).contains { $0.integer == Int64(value) }
        }
    }

    /// A number, or the name of a parameter.
    private func number(_ json: JSON, in range: ClosedRange<Int>, _ key: String) -> Int? {
        if let name = json.string {
            guard let value = parameter(name) ?? values[name] else {
                complain(json, unknown(name))
                return nil
            }
            guard range.contains(value) else {
                complain(json, "\"\(key)\" is \(value); \(range.upperBound) is the most")
                return nil
            }
            return value
        }
        guard let value = json.integer.flatMap({ Int(exactly: $0) }), range.contains(value) else {
            complain(json, "\"\(key)\" must be a whole number or the name of a parameter")
            return nil
        }
        return value
    }

    private func unknown(_ name: ByteString) -> String {
        let names = values.keys.sorted()
        return "this profile has no parameter \"\(name.prefix(64))\""
            + Suggestion.clause(for: name, in: names)
    }

    private func complain(_ json: JSON, _ message: String) {
        problems.error(FilePlace(file, json.position), message)
    }
}
