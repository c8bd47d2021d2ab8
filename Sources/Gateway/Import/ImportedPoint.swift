import Adapter
import Base

/// A point as a foreign description gives it, before it is checked.
struct ImportedPoint {
    var name: String
    var table: Table
    var address: Int
    var type: ValueType
    var position: TextPosition
    var length: Int?
    var order: String?
    var scale: Double?
    var offset: Double?
    var units: String?
    var isWritable = false
    /// Members beside those: a map, bits, what is invalid.
    var others: [JSON.Member] = []

    /// As a member of `points`; all of it has the place of its row.
    var member: JSON.Member {
        var keys: [JSON.Member] = []
        func add(_ key: ByteString, _ kind: JSON.Kind?) {
            guard let kind else { return }
            keys.append(
                JSON.Member(name: key, position: position, value: JSON(kind, at: position)))
        }
        // A hexadecimal number is never taken for a reference such as 40001.
        let isLikeReference = RegisterReference.place(Int64(address)) != nil
        let digits = String(address, radix: 16, uppercase: true)
        add(ByteString(table.rawValue), .number(isLikeReference ? "0x\(digits)" : "\(address)"))
        let standard: ValueType = table.isBits ? .bool : .uint16
        if type != standard, type != .bits { add("type", .string(ByteString(type.rawValue))) }
        add("length", length.map { .number("\($0)") })
        add("order", order.map { .string(ByteString($0)) })
        add("scale", scale.flatMap { $0 == 1 ? nil : .number(JSONWriter.number($0)) })
        add("offset", offset.flatMap { $0 == 0 ? nil : .number(JSONWriter.number($0)) })
        add("units", units.flatMap { $0.isEmpty ? nil : .string(ByteString($0)) })
        if isWritable { add("writable", .bool(true)) }
        return JSON.Member(
            name: ByteString(name), position: position,
            value: JSON(.object(keys + others), at: position))
    }
}

/// Nodes that were made from a foreign description, and what has to be said of its rows.
package struct ImportedNodes {
    struct Node {
        var name: ByteString
        var unit: Int
        var points: [ImportedPoint] = []
    }

    let file: String
    var nodes: [Node] = []
    package private(set) var remarks: [Diagnostic] = []
    package private(set) var dropped = 0
    package private(set) var points = 0
    /// The points of one node, or whole nodes where the description has several, as JSON5.
    package private(set) var text = ""

    init(file: String) { self.file = file }

    mutating func drop(_ line: Int, _ why: String) {
        dropped += 1
        tell(line, "dropped: \(why)")
    }

    mutating func tell(_ line: Int, _ message: String) {
        guard remarks.count < 10_000 else { return }
        remarks.append(
            Diagnostic(FilePlace(file, TextPosition(line: line, column: 1)), .warning, message))
    }

    /// Gives every point of a node a name of its own, and drops those that no configuration takes.
    mutating func finish(hasNodes: Bool) {
        var written: [(node: Node, members: [JSON.Member])] = []
        for var node in nodes {
            rename(&node)
            let members = accepted(node)
            points += members.count
            if !members.isEmpty { written.append((node, members)) }
        }
        remarks.sort { $0.place < $1.place }
        text = hasNodes ? nodesText(written) : pointsText(written.first?.members ?? [], indent: "")
    }

    private mutating func rename(_ node: inout Node) {
        var taken: Set<ByteString> = []
        for index in node.points.indices {
            let name = node.points[index].name
            var (free, number) = (name, 2)
            while !taken.insert(ByteString(free)).inserted {
                free = "\(name)_\(number)"
                number += 1
            }
            guard number > 2 else { continue }
            node.points[index].name = free
            tell(
                node.points[index].position.line,
                "the name \"\(Notice.printable(ByteString(name)))\" is there already: it becomes "
                    + "\"\(Notice.printable(ByteString(free)))\"")
        }
    }

    /// The points without those that the configuration's own reader refuses.
    private mutating func accepted(_ node: Node) -> [JSON.Member] {
        let members = node.points.map(\.member)
        let start = TextPosition(line: 1, column: 1)
        let keys = [
            JSON.Member(name: "unit", position: start, value: JSON(.number("\(node.unit)"))),
            JSON.Member(name: "points", position: start, value: JSON(.object(members))),
        ]
        var reader = ConfigurationReader(fileName: file) { _ in
            .failure(ProfileFailure("is not read"))
        }
        let field = Field(
            name: "node", json: JSON(.object(keys)), file: file, keyPosition: start)
        _ = reader.readNode(
            field,
            of: .init(
                name: PortName("import"), driver: .modbusRTU, isModbusTCP: false,
                every: .seconds(10)), index: 0)
        var refused: Set<Int> = []
        for problem in reader.problems.sorted(main: file) {
            let line = problem.place.position.line
            if problem.severity == .warning {
                tell(line, problem.message)
            } else if refused.insert(line).inserted {
                drop(line, problem.message)
            }
        }
        return members.filter { !refused.contains($0.position.line) }
    }

    private func nodesText(_ nodes: [(node: Node, members: [JSON.Member])]) -> String {
        nodes.map { node, members in
            "\(JSON5Text.key(node.name)): { unit: \(node.unit), points: {\n"
                + pointsText(members, indent: "  ") + "} },\n"
        }.joined()
    }

    private func pointsText(_ members: [JSON.Member], indent: String) -> String {
        members.map { member in
            "\(indent)\(JSON5Text.key(member.name)): \(JSON5Text.value(member.value)),\n"
        }.joined()
    }
}

/// JSON5 as people write it: keys without quotes where that is possible.
enum JSON5Text {
    static func key(_ name: ByteString) -> String {
        let isWord = name.utf8.enumerated().allSatisfy { index, byte in
            switch byte {
            case 0x41...0x5A, 0x61...0x7A, 0x5F: true
            case 0x30...0x39: index > 0
            default: false
            }
        }
        return isWord && !name.isEmpty ? name.string : JSON(.string(name)).text
    }

    static func value(_ json: JSON) -> String {
        switch json.kind {
        case .object(let members):
            "{ " + members.map { "\(key($0.name)): \(value($0.value))" }.joined(separator: ", ")
                + " }"
        case .array(let items): "[" + items.map(value).joined(separator: ", ") + "]"
        case .number(let text): text
        default: json.text
        }
    }
}
