import Base

/// A whole number that a node gives to its profile: a count of channels, a first register.
package struct ProfileParameter: Hashable, Sendable {
    package var name: ByteString
    package var range: ClosedRange<Int>
    /// The values allowed within `range`; empty if all of them are.
    package var values: [Int]
    /// Value for a node that gives none; nil if the node has to give one.
    package var standard: Int?
    package var description: String?

    /// `1 to 32`, or `1 or 3`.
    package var rangeText: String {
        values.isEmpty
            ? "\(range.lowerBound) to \(range.upperBound)"
            : values.map { "\($0)" }.joined(separator: " or ")
    }

    func allows(_ value: Int) -> Bool {
        range.contains(value) && (values.isEmpty || values.contains(value))
    }
}

/// The profile that a node names, with the parameters it gives.
struct ProfileReference {
    var name: ByteString
    var place: FilePlace
    var given: [Field]
}

/// Profiles as parsed and as filled in with parameters, kept for the next node that uses one.
struct ProfileShelf {
    /// Profiles as they are in their files; nil for one that could not be read.
    var parsed: [ByteString: Field?] = [:]
    /// Profiles with their parameters filled in, by name and values.
    var expanded: [ByteString: Field] = [:]
    /// How each profile's device is recognised.
    var fingerprints: [ByteString: [Fingerprint]] = [:]
}

/// Reads the parameters that profiles have and nodes give.
struct ProfileParameterReader {
    let problems: Problems

    /// `"NAME"`, or `{ name: "NAME", PARAMETER: VALUE }`.
    func reference(_ field: Field) -> ProfileReference? {
        if let name = field.json.string {
            guard !name.isEmpty else {
                problems.error(field.place, "\"profile\" must not be empty")
                return nil
            }
            return ProfileReference(name: name, place: field.place, given: [])
        }
        guard field.json.members != nil else {
            problems.error(
                field.place,
                "\"profile\" must be a string or an object with \"name\" and parameters, not "
                    + field.json.describe)
            return nil
        }
        guard var cursor = ObjectCursor(field, "\"profile\"", problems) else { return nil }
        guard let name = cursor.take("name") else {
            problems.error(field.place, "\"name\" is missing in \"profile\"")
            return nil
        }
        return cursor.string(of: name).map {
            ProfileReference(
                name: $0, place: name.place, given: cursor.fields.filter { $0.name != "name" })
        }
    }

    /// `parameters: { channels: { min: 1, max: 32, default: 8 } }` or `{ values: [1, 3] }`.
    func parameters(_ root: Field) -> [ProfileParameter] {
        guard let json = root.json["parameters"] else { return [] }
        let field = Field(
            name: "parameters", json: json, file: root.file, keyPosition: json.position)
        return ObjectCursor(field, "\"parameters\"", problems)?.fields.compactMap {
            readParameter($0)
        } ?? []
    }

    private func readParameter(_ field: Field) -> ProfileParameter? {
        let isWord = field.name.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
        }
        let taken: [ByteString] = ["", "n", "id", "name", "value"]
        guard isWord, !taken.contains(field.name) else {
            problems.error(
                field.keyPlace,
                "\"\(field.shown)\" cannot be a parameter's name: letters and digits, and not "
                    + "n, id, name or value")
            return nil
        }
        guard var cursor = ObjectCursor(field, "parameter \"\(field.name)\"", problems) else {
            return nil
        }
        let limits = 0...65_535
        let list = cursor.take("values")
        let values = list.map { list in
            cursor.items(of: list).compactMap { cursor.integer(of: $0, in: limits) }
        }
        let low = cursor.integer("min", in: limits, required: list == nil)
        let high = cursor.integer("max", in: limits, required: list == nil)
        let standard = cursor.integer("default", in: limits)
        let description = cursor.string("description")?.string
        cursor.finish()
        guard let least = low ?? values?.min(), let most = high ?? values?.max() else { return nil }
        guard least <= most else {
            problems.error(field.place, "\"min\" is \(least) and \"max\" is \(most)")
            return nil
        }
        let parameter = ProfileParameter(
            name: field.name, range: least...most, values: values ?? [], standard: standard,
            description: description)
        if let standard, !parameter.allows(standard) {
            problems.error(
                field.place, "\"default\" is \(standard); it must be \(parameter.rangeText)")
        }
        return parameter
    }

    /// The values of a profile's parameters for one node. What the node gives wrongly, or not at
    /// all where it must, is reported, and the least value stands for it.
    func values(
        _ parameters: [ProfileParameter], _ reference: ProfileReference
    ) -> [ByteString: Int] {
        var values: [ByteString: Int] = [:]
        let shown = "profile \"\(Notice.printable(reference.name))\""
        for field in reference.given
        where !parameters.contains(where: { $0.name == field.name }) {
            let names = parameters.map(\.name)
            let known = names.map(\.string).joined(separator: ", ")
            let guess = Suggestion.clause(for: field.name, in: names)
            problems.error(
                field.keyPlace,
                "\(shown) has no parameter \"\(field.shown)\""
                    + (!guess.isEmpty ? guess : names.isEmpty ? "" : "; it has: \(known)"))
        }
        for parameter in parameters {
            let least = parameter.values.min() ?? parameter.range.lowerBound
            values[parameter.name] = parameter.standard ?? least
            guard let field = reference.given.first(where: { $0.name == parameter.name }) else {
                if parameter.standard == nil {
                    problems.error(
                        reference.place,
                        "\(shown) needs the parameter \"\(parameter.name)\" "
                            + "(\(parameter.rangeText)): profile: { name: \"\(reference.name)\", "
                            + "\(parameter.name): \(least) }")
                }
                continue
            }
            guard let value = field.json.integer.flatMap({ Int(exactly: $0) }) else {
                problems.error(
                    field.place,
                    "\"\(field.shown)\" must be a whole number, \(parameter.rangeText)")
                continue
            }
            guard parameter.allows(value) else {
                problems.error(
                    field.place, "\"\(field.shown)\" is \(value); it must be \(parameter.rangeText)"
                )
                continue
            }
            values[parameter.name] = value
        }
        return values
    }
}
