import Adapter
import Base

extension Configuration {
    /// Reads a profile by itself, without a node that uses it: what it is and how it is recognised.
    ///
    /// - Parameter fileName: for messages.
    /// - Returns: nil with at least one error. Problems of its points are told to the nodes that
    ///   use it.
    package static func readProfile(_ bytes: [UInt8], fileName: String) -> (Profile?, [Diagnostic])
    {
        let (profile, diagnostics) = examineProfile(bytes, fileName: fileName)
        let hasErrors = diagnostics.contains { $0.severity == .error }
        return (hasErrors ? nil : profile, diagnostics)
    }

    /// Reads what a profile says of itself, in spite of errors in it; nil if it is no object.
    static func examineProfile(_ bytes: [UInt8], fileName: String) -> (Profile?, [Diagnostic]) {
        let reader = ConfigurationReader(fileName: fileName) { _ in
            .failure(ProfileFailure("is not read"))
        }
        let profile = reader.parse(bytes, file: fileName).flatMap { root -> Profile? in
            let parameters = ProfileParameterReader(problems: reader.problems).parameters(root)
            var expansion = ProfileExpansion(
                ProfileListing.standard(parameters), reader.problems, file: fileName)
            var field = root
            field.json = expansion.expand(root.json)
            guard var cursor = ObjectCursor(field, "the profile", reader.problems) else {
                return nil
            }
            var profile = reader.readProfile(&cursor)
            profile.parameters = parameters
            return profile
        }
        return (profile, reader.problems.sorted(main: fileName))
    }
}

extension ConfigurationReader {
    /// A profile's members, to stand under a node's own. Reported once where a node names it.
    mutating func loadProfile(
        _ reference: ProfileReference, driver: Configuration.Port.Driver
    ) -> ObjectCursor? {
        let name = reference.name
        if shelf.parsed[name] == nil {
            switch loader(name.string) {
            case .success(let file): shelf.parsed[name] = .some(parse(file.bytes, file: file.path))
            case .failure(let failure):
                shelf.parsed[name] = .some(nil)
                problems.error(
                    reference.place, "profile \"\(Notice.printable(name))\" \(failure.message)")
            }
        }
        guard let root = shelf.parsed[name] ?? nil,
            var cursor = ObjectCursor(expanded(root, reference), "the profile", problems)
        else {
            return nil
        }
        let profile = readProfile(&cursor)
        shelf.fingerprints[name] = profile.identify
        if cursor.has("driver"), profile.driver != driver {
            problems.error(
                reference.place,
                "profile \"\(name)\" is for driver \"\(profile.driver.rawValue)\", this port has "
                    + "\"\(driver.rawValue)\"")
        }
        for key: ByteString in ["unit", "share", "profile", "privateKey", "id"] {
            if let wrong = cursor.take(key) {
                problems.error(wrong.keyPlace, "\"\(key)\" belongs to a node, not to a profile")
            }
        }
        let own: Set<ByteString> = [
            "name", "description", "manual", "driver", "identify", "unit", "share", "profile",
            "privateKey", "id", "parameters",
        ]
        cursor.remove { own.contains($0.name) }
        return cursor
    }

    /// The profile with the values that this node gives to its parameters.
    private mutating func expanded(_ root: Field, _ reference: ProfileReference) -> Field {
        let reader = ProfileParameterReader(problems: problems)
        let values = reader.values(reader.parameters(root), reference)
        let list = values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        let key = ByteString(reference.name.string + "\n" + list.joined(separator: ","))
        if let ready = shelf.expanded[key] { return ready }
        var expansion = ProfileExpansion(values, problems, file: root.file)
        var field = root
        field.json = expansion.expand(root.json)
        shelf.expanded[key] = field
        return field
    }

    func readProfile(_ cursor: inout ObjectCursor) -> Profile {
        let title = cursor.string("name")?.string
        let manual = cursor.string("manual")?.string
        _ = cursor.string("description")
        _ = cursor.take("parameters")
        let driver = cursor.choice("driver", default: Configuration.Port.Driver.modbusRTU).family
        let identify = cursor.take("identify").map { field in
            cursor.items(of: field).flatMap { readIdentity($0) }
        }
        return Profile(title: title, manual: manual, driver: driver, identify: identify ?? [])
    }

    /// `{ input: 0, type, …, equals | between }`, `{ vendor, product }` or `{ serverId }`, in one
    /// object or in a list: all of it must be so.
    func readIdentity(_ field: Field) -> [Fingerprint] {
        guard var cursor = ObjectCursor(field, "\"identify\"", problems) else { return [] }
        var found: [Fingerprint] = []
        let (vendor, product) = (cursor.string("vendor")?.string, cursor.string("product")?.string)
        if vendor != nil || product != nil {
            found.append(.identification(vendor: vendor, product: product))
        }
        if let field = cursor.take("serverId"), let bytes = bytes(of: field) {
            found.append(.serverID(bytes))
        }
        if Table.allCases.contains(where: { $0 != .frame && cursor.has(ByteString($0.rawValue)) }) {
            if let value = readIdentityValue(&cursor) { found.append(value) }
        } else {
            cursor.finish()
            if found.isEmpty, !problems.hasErrors {
                problems.error(
                    field.place,
                    "\"identify\" needs a coil, discrete, input or holding with equals or between, or vendor, "
                        + "product or serverId")
            }
        }
        return found
    }

    private func readIdentityValue(_ cursor: inout ObjectCursor) -> Fingerprint? {
        let test = readValueTest(&cursor)
        let context = NodeContext(driver: .modbusRTU, every: .seconds(10))
        guard let site = readRegisterSite(&cursor, in: context) else {
            cursor.finish()
            return nil
        }
        var point = Point(
            name: "identify", table: site.table, address: site.address, type: site.type,
            length: site.length,
            coding: site.coding, text: site.text, rules: site.rules)
        if !site.coding.registers.isEmpty {
            problems.error(cursor.place, "\"identify\" reads registers that follow each other")
        }
        point.order = readOrder(&cursor, site)
        point.byte = readByte(&cursor, site)
        point.scale = cursor.number("scale") ?? 1
        cursor.finish()
        guard let test else { return nil }
        if case .holds = test, !site.type.isText, let field = cursor.take("equals") {
            problems.error(field.place, "a \(site.type.rawValue) is a number, not text")
        }
        return .value(point, test)
    }

    private func readValueTest(_ cursor: inout ObjectCursor) -> Fingerprint.ValueTest? {
        let (equals, between) = (cursor.take("equals"), cursor.take("between"))
        switch (equals, between) {
        case (let field?, nil):
            let items = cursor.items(of: field)
            let words = items.compactMap(\.json.string)
            if !words.isEmpty, words.count == items.count { return .holds(words.map(\.string)) }
            let numbers = items.compactMap { cursor.number(of: $0) }
            return numbers.isEmpty ? nil : .oneOf(numbers)
        case (nil, let field?):
            let ends = cursor.items(of: field).compactMap { cursor.number(of: $0) }
            guard ends.count == 2, ends[0] <= ends[1] else {
                problems.error(field.place, "\"between\" must be a range: [low, high]")
                return nil
            }
            return .between(ends[0], ends[1])
        default:
            problems.error(cursor.place, "\"identify\" needs one of \"equals\" and \"between\"")
            return nil
        }
    }
}
