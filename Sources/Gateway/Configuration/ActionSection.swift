import Adapter
import Base
import Drivers

/// Reads the actions of a node beside its points: custom functions by name, and its setup.
extension ConfigurationReader {
    /// Stand in for names and addresses that are wrong, and reported, elsewhere.
    static let nobody = try! DeviceID("nobody")
    static let anyUnit = UnitID(1)!

    static let setupMax = 64

    /// Members of `points` with a custom function are no points: nothing is read for them.
    static func isAction(_ field: Field) -> Bool { field.json["custom"] != nil }

    func readActions(_ key: ByteString, _ node: ObjectCursor, profile: ObjectCursor?) -> [Action] {
        func fields(_ owner: ObjectCursor?) -> [Field] {
            let points = owner?.fields.first { $0.name == key }
            guard let points, let members = points.json.members else { return [] }
            return members.map {
                Field(name: $0.name, json: $0.value, file: points.file, keyPosition: $0.position)
            }
        }
        let own = fields(node)
        let names = Set(own.map(\.name))
        let inherited = fields(profile).filter { !names.contains($0.name) }
        return (inherited + own).filter(Self.isAction).compactMap(readAction)
    }

    /// `reset: { custom: { function: 0x42, data: "hex:01 00" }, writable: { perMinute: 1 } }`
    private func readAction(_ field: Field) -> Action? {
        if let complaint = Self.pointNameProblem(field.name) {
            problems.error(field.keyPlace, "the point name \(complaint)")
        }
        guard
            var cursor = ObjectCursor(field, "point \"\(Notice.printable(field.name))\"", problems)
        else { return nil }
        var rule = WriteRule(readBack: false, compare: false)
        var isWritable = false
        if let writable = cursor.take("writable") {
            isWritable = writable.json.bool != false
            if writable.json.bool == nil,
                var object = ObjectCursor(writable, "\"writable\"", problems)
            {
                rule.perMinute = object.integer("perMinute", in: 1...60_000)
                rule.perDay = object.integer("perDay", in: 1...10_000_000)
                rule.retained = object.bool("retained", default: false)
                object.finish()
            }
        }
        if !isWritable {
            problems.error(
                field.place,
                "a custom function does nothing unless it is \"writable\": write writable: true")
        }
        let custom = cursor.take("custom").flatMap { ObjectCursor($0, "\"custom\"", problems) }
        cursor.finish()
        guard var custom else { return nil }
        let function = custom.integer("function", in: 1...127, required: true)
        let payload = readPayload(&custom)
        custom.finish()
        guard let function, let payload else { return nil }
        return Action(name: field.name, function: UInt8(function), payload: payload, rule: rule)
    }

    /// One text of bytes, or several by name.
    private func readPayload(_ cursor: inout ObjectCursor) -> Action.Payload? {
        guard let field = cursor.take("data") else { return .fixed([]) }
        guard field.json.members != nil else { return customData(field).map { .fixed($0) } }
        guard let object = ObjectCursor(field, "\"data\"", problems) else { return nil }
        var choices: [ByteString: [UInt8]] = [:]
        for choice in object.fields { choices[choice.name] = customData(choice) }
        if object.fields.isEmpty {
            problems.error(field.place, "\"data\" is empty: there is nothing to choose")
        }
        return .named(choices)
    }

    private func customData(_ field: Field) -> [UInt8]? {
        guard let data = bytes(of: field) else { return nil }
        guard data.count <= 252 else {
            problems.error(
                field.place,
                "\"\(field.name)\" has \(data.count) bytes; a request holds 252 beside its function"
            )
            return nil
        }
        return data
    }

    // MARK: setup

    /// `[{ mode: "remote" }, { "holding:16": 1 }, { "holding:20": [1, 2] }]`, carried out in this
    /// order.
    func readSetup(_ cursor: inout ObjectCursor, _ binding: Binding, base: Int) -> [SetupStep] {
        guard let field = cursor.take("setup") else { return [] }
        let adapter = Adapter([binding])
        var steps: [SetupStep] = []
        for item in cursor.items(of: field) {
            guard let object = ObjectCursor(item, "a step of \"setup\"", problems) else { continue }
            if object.fields.isEmpty {
                problems.error(item.place, "a step of \"setup\" is { point: value }, not empty")
            }
            for member in object.fields {
                guard
                    let order = setupOrder(member, adapter, binding, base, id: UInt64(steps.count))
                else { continue }
                steps.append(SetupStep(label: member.name, order: order))
            }
        }
        if steps.count > Self.setupMax {
            problems.error(
                field.place, "\"setup\" has \(steps.count) steps; \(Self.setupMax) are allowed")
        }
        return steps
    }

    private func setupOrder(
        _ member: Field, _ adapter: Adapter, _ binding: Binding, _ base: Int, id: UInt64
    ) -> Order? {
        if let point = binding.points.first(where: { $0.name == member.name }) {
            do throws(WriteRefusal) {
                var order = try adapter.order(
                    setting: point.name, of: binding.device, to: member.json, id: id,
                    expires: .distantFuture)
                // Only the adapter knows how far a value may be off; the line compares bit for bit.
                if point.writable?.tolerance != nil || point.type.isText { order.compare = false }
                return order
            } catch {
                problems.error(member.place, "this cannot be written: \(error.message)")
                return nil
            }
        }
        let words = member.name.split(0x3A, limit: 3)
        guard words.count == 2, let table = Table(word: words[0]),
            [.coil, .holding].contains(table),
            let start = Self.code(words[1]).flatMap({ Int(exactly: $0) }),
            (0...65_535).contains(start)
        else {
            let guess = Suggestion.clause(for: member.name, in: binding.points.map(\.name))
            problems.error(
                member.keyPlace,
                "\"\(Notice.printable(member.name))\" is neither a point of this node nor a place such as "
                    + "\"holding:16\" or \"coil:3\"\(guess)")
            return nil
        }
        if !words[1].lowercasedASCII.hasPrefix("0x"),
            let (meant, address) = RegisterReference.mistaken(Int64(start), in: table)
        {
            problems.error(
                member.keyPlace,
                "\(start) is a reference that counts from 1; write the zero-based address \"\(meant.rawValue):\(address)\""
                    + "; if \(start) really is the protocol address, write 0x\(String(start, radix: 16, uppercase: true))"
            )
            return nil
        }
        guard let data = rawData(member, table) else { return nil }
        let last = start + base + data.count - 1
        guard last <= 65_535 else {
            let shift = base > 0 ? "with the node's base \(base) " : ""
            problems.error(
                member.keyPlace, "\(shift)this ends at \(last); 65535 is the last address")
            return nil
        }
        return Order(
            id: id, address: binding.address, table: table, start: start + base, data: data,
            readBack: false,
            expires: .distantFuture)
    }

    private func rawData(_ member: Field, _ table: Table) -> Order.Data? {
        let values = member.json.array ?? [member.json]
        let top: Int64 = table == .coil ? 1 : 65_535
        let numbers = values.compactMap { value -> Int64? in
            if table == .coil, let bool = value.bool { return bool ? 1 : 0 }
            return value.integer.flatMap { (0...top).contains($0) ? $0 : nil }
        }
        guard !values.isEmpty, numbers.count == values.count,
            values.count <= (table == .coil ? 1968 : 123)
        else {
            let range = table == .coil ? "true, false, 0 or 1" : "whole numbers from 0 to 65535"
            problems.error(member.place, "\"\(member.name)\" takes \(range), one or an array")
            return nil
        }
        return table == .coil
            ? .bits(numbers.map { $0 == 1 }) : .registers(numbers.map { UInt16($0) })
    }
}
