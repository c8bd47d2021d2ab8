import Base

/// The keys of a unit that set what it answers beyond its tables.
extension BusDescription {
    static func functions(_ fields: Fields) throws(BusDescriptionError) -> BusUnitFunctions {
        var functions = BusUnitFunctions()
        for member in try fields.members("identification") {
            let names: [ByteString: UInt8] = [
                "vendor": 0, "product": 1, "revision": 2, "url": 3, "name": 4, "model": 5,
                "application": 6,
            ]
            guard let id = names[member.name] ?? UInt8(member.name.string) else {
                throw BusDescriptionError(
                    position: member.position,
                    message:
                        "\(member.name.prefix(64)) is no object: vendor, product, revision, url, name, model, "
                        + "application or a number up to 255")
            }
            // What is longer fits no reply.
            functions.identification[id] = try bytes(member.value, "an object", max: 244)
        }
        if let id = fields["serverID"] { functions.serverID = try bytes(id, "serverID", max: 250) }
        if let status = try fields.integer("exceptionStatus", 0...255) {
            functions.exceptionStatus = UInt8(truncatingIfNeeded: status)
        }
        for file in try fields.members("files") {
            let number = try key(file, 1...65_535)
            guard let all = file.value.members else {
                throw file.value.error("a file is an object, not \(file.value.describe)")
            }
            for records in all {
                let first = try key(records, 0...9_999)
                for (offset, value) in try registers(records.value).enumerated()
                where first + offset <= 9_999 {
                    functions.files[UInt16(number), default: [:]][UInt16(first + offset)] = value
                }
            }
        }
        for queue in try fields.members("fifo") {
            functions.fifos[UInt16(try key(queue, 0...65_535))] = try registers(queue.value)
        }
        for function in try fields.members("custom") {
            functions.custom[UInt8(try key(function, 1...127))] = try bytes(
                function.value, "a reply", max: 252)
        }
        if let on = fields["diagnostics"] {
            guard let value = on.bool else { throw on.error("diagnostics is true or false") }
            functions.diagnostics = value
        }
        return functions
    }

    private static func key(
        _ member: JSON.Member, _ range: ClosedRange<Int>
    ) throws(BusDescriptionError) -> Int {
        guard let number = Int(member.name.string), range.contains(number) else {
            throw BusDescriptionError(
                position: member.position,
                message:
                    "\(member.name.prefix(64)) is no number from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return number
    }

    /// Text, or "hex:41 42".
    private static func bytes(
        _ json: JSON, _ name: String, max: Int
    ) throws(BusDescriptionError) -> [UInt8] {
        guard let text = json.string else { throw json.error("\(name) is text or \"hex:41 42\"") }
        let bytes = text.dropping(prefix: "hex:").map { Hex.decode($0.string) } ?? Array(text.utf8)
        guard let bytes else { throw json.error("\(text.prefix(64)) is not hexadecimal") }
        guard bytes.count <= max else { throw json.error("\(name) has at most \(max) bytes") }
        return bytes
    }

    private static func registers(_ json: JSON) throws(BusDescriptionError) -> [UInt16] {
        guard let items = json.array else {
            throw json.error("an array of registers is expected, not \(json.describe)")
        }
        var values: [UInt16] = []
        for item in items {
            guard let value = item.integer.flatMap({ UInt16(exactly: $0) }) else {
                throw item.error("a register is a whole number from 0 to 65535")
            }
            values.append(value)
        }
        return values
    }
}
