import Base

/// A profile with the points that a node gets from it, for people who look at profiles.
package struct ProfileListing: Sendable {
    package var profile: Profile
    package var node: Configuration.Node

    /// Values of parameters for a node that gives none: the default, or else the least.
    static func standard(_ parameters: [ProfileParameter]) -> [ByteString: Int] {
        var values: [ByteString: Int] = [:]
        for parameter in parameters {
            values[parameter.name] =
                parameter.standard ?? parameter.values.min() ?? parameter.range.lowerBound
        }
        return values
    }

    /// Reads a profile as a node with these parameters would use it.
    ///
    /// - Parameter given: values by the names of parameters.
    /// - Returns: nil with at least one error.
    package static func read(
        _ bytes: [UInt8], fileName: String, given: [(name: ByteString, value: JSON)]
    ) -> (ProfileListing?, [Diagnostic]) {
        let (profile, diagnostics) = Configuration.examineProfile(bytes, fileName: fileName)
        guard let profile else { return (nil, diagnostics) }
        var reader = ConfigurationReader(fileName: fileName) { _ in
            .success(ProfileFile(path: fileName, bytes: bytes))
        }
        let node = reader.readNode(
            nodeField(bytes, profile, fileName, given),
            of: .init(
                name: PortName("profile"), driver: profile.driver, isModbusTCP: false,
                every: .seconds(10)),
            index: 0)
        let inNode = reader.problems.sorted(main: fileName)
        let problems = (diagnostics.filter { !inNode.contains($0) } + inNode)
            .sorted { $0.place < $1.place }
        let hasErrors = problems.contains { $0.severity == .error }
        guard let node, !hasErrors else { return (nil, problems) }
        return (ProfileListing(profile: profile, node: node), problems)
    }

    /// Every problem of a profile: with the defaults of its parameters, with the least and with
    /// the largest of each.
    package static func check(
        _ bytes: [UInt8], fileName: String
    ) -> (ProfileListing?, [Diagnostic]) {
        let (profile, diagnostics) = Configuration.examineProfile(bytes, fileName: fileName)
        guard let profile else { return (nil, diagnostics) }
        let parameters = profile.parameters
        let sets = [
            ProfileListing.standard(parameters).map { ($0.key, $0.value) },
            parameters.map { ($0.name, $0.values.min() ?? $0.range.lowerBound) },
            parameters.map { ($0.name, $0.values.max() ?? $0.range.upperBound) },
        ]
        var found: [Diagnostic] = missingTexts(profile, fileName)
        var listing: ProfileListing?
        for set in parameters.isEmpty ? sets.prefix(1) : sets[...] {
            let given = set.map { (name: $0.0, value: JSON(.number("\($0.1)"))) }
            let (made, problems) = read(bytes, fileName: fileName, given: given)
            if listing == nil { listing = made }
            for each in problems where !found.contains(each) { found.append(each) }
        }
        let hasErrors = found.contains { $0.severity == .error }
        return (hasErrors ? nil : listing, found.sorted { $0.place < $1.place })
    }

    private static func missingTexts(_ profile: Profile, _ fileName: String) -> [Diagnostic] {
        let start = FilePlace(fileName, TextPosition(line: 1, column: 1))
        var found: [Diagnostic] = []
        if profile.title == nil {
            found.append(
                Diagnostic(start, .warning, "\"name\" is missing: the device in words"))
        }
        if profile.manual == nil {
            found.append(
                Diagnostic(
                    start, .warning, "\"manual\" is missing: the document that the facts are from"))
        }
        return found
    }

    /// A node that uses the profile and says no more than it has to.
    private static func nodeField(
        _ bytes: [UInt8], _ profile: Profile, _ fileName: String,
        _ given: [(name: ByteString, value: JSON)]
    ) -> Field {
        let start = TextPosition(line: 1, column: 1)
        func member(_ name: ByteString, _ kind: JSON.Kind) -> JSON.Member {
            JSON.Member(name: name, position: start, value: JSON(kind))
        }
        let file = fileName.split(separator: "/").last ?? ""
        let stem = file.hasSuffix(".json5") ? file.dropLast(6) : file
        let name = member("name", .string(ByteString(stem.isEmpty ? "profile" : stem)))
        let values = given.map { JSON.Member(name: $0.name, position: start, value: $0.value) }
        var members = [member("profile", .object([name] + values))]
        if profile.driver == .modbusRTU { members.append(member("unit", .number("1"))) }
        let text = Array("{id}".utf8)
        let namesID = bytes.indices.contains { bytes[$0...].starts(with: text) }
        if namesID { members.append(member("id", .number("0"))) }
        return Field(
            name: "profile", json: JSON(.object(members)), file: fileName, keyPosition: start)
    }
}
