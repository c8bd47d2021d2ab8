import Base

/// Nodes that differ by their unit only: `"meter-{unit}": { unit: "1-10" }` makes ten, and
/// `{unit}` stands for the number in every text of the node. A node that is written out as well is
/// merged over the numbered one of its name.
struct NumberedNodes {
    private static let mark = "{unit}"

    private let problems: Problems
    /// Nodes that were made.
    private var count = 0

    init(_ problems: Problems) { self.problems = problems }

    mutating func expand(_ root: JSON) -> JSON {
        changing(root, "ports") { ports, reader in
            guard let members = ports.members else { return ports }
            let changed = members.map { port -> JSON.Member in
                var port = port
                port.value = reader.changing(port.value, "nodes") { $1.expandNodes($0) }
                return port
            }
            return JSON(.object(changed), at: ports.position)
        }
    }

    /// The object with one of its members changed.
    private mutating func changing(
        _ json: JSON, _ key: ByteString, _ change: (JSON, inout NumberedNodes) -> JSON
    ) -> JSON {
        guard var members = json.members,
            let place = members.firstIndex(where: { $0.name == key })
        else { return json }
        members[place].value = change(members[place].value, &self)
        return JSON(.object(members), at: json.position)
    }

    private mutating func expandNodes(_ nodes: JSON) -> JSON {
        guard let members = nodes.members else { return nodes }
        guard members.contains(where: { Self.isMarked($0.name) || $0.value["unit"]?.string != nil })
        else { return nodes }
        var made: [JSON.Member] = []
        var places: [ByteString: Int] = [:]
        var own: [JSON.Member] = []
        for member in members {
            guard let units = units(of: member) else {
                own.append(member)
                continue
            }
            for unit in units {
                count += 1
                let node = numbered(member, unit)
                if places[node.name] == nil { places[node.name] = made.count }
                made.append(node)
            }
        }
        for member in own {
            guard let place = places[member.name] else {
                made.append(member)
                continue
            }
            var over = member
            over.value = member.value.merged(over: made[place].value)
            made[place] = over
            places[member.name] = nil
        }
        return JSON(.object(made), at: nodes.position)
    }

    private static func isMarked(_ name: ByteString) -> Bool {
        name.count <= 255 && name.string.contains(mark)
    }

    /// Tells why a node is left out.
    private func refuse(_ json: JSON, _ message: String) -> [Int] {
        problems.error(problems.place(of: json), message)
        problems.hasDroppedNodes = true
        return []
    }

    /// The units of a numbered node; nil for one that is none.
    private func units(of member: JSON.Member) -> [Int]? {
        guard let unit = member.value["unit"] else { return nil }
        let isMarked = Self.isMarked(member.name)
        if let value = unit.integer { return isMarked ? [Int(clamping: value)] : nil }
        guard let text = unit.string else { return nil }
        guard let units = Self.list(text) else {
            return refuse(
                unit,
                "\"unit\" is \"\(text.prefix(40))\"; it is a number from 1 to 255, or several "
                    + "as in \"1-10\" or \"1-4, 7\"")
        }
        guard isMarked else {
            return refuse(
                unit,
                "several units need {unit} in the node's name: \"meter-{unit}\": { unit: \"1-10\" }"
            )
        }
        guard count + units.count <= 2 * ServiceLimits.devicesMax else {
            return refuse(unit, "more nodes than a gateway can serve")
        }
        return units
    }

    /// `1-10` or `1-4, 7`; nil if it is no such list, or names a unit twice.
    private static func list(_ text: ByteString) -> [Int]? {
        guard text.count <= 1000 else { return nil }
        var units: [Int] = []
        for part in text.split(0x2C) {
            let ends = part.split(0x2D).map { word -> Int? in
                let digits = word.utf8.filter { $0 != 0x20 }
                guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }) else {
                    return nil
                }
                return Int(String(decoding: digits, as: UTF8.self))
            }
            guard ends.count <= 2, let first = ends[0], let last = ends[ends.count - 1],
                first >= 1, first <= last, last <= 255
            else { return nil }
            units += first...last
        }
        return Set(units).count == units.count ? units : nil
    }

    private func numbered(_ member: JSON.Member, _ unit: Int) -> JSON.Member {
        let named = JSON(.object([member])).replacing(Self.mark, with: "\(unit)")
        var node = named.members?.first ?? member
        guard var keys = node.value.members,
            let place = keys.firstIndex(where: { $0.name == "unit" })
        else { return node }
        keys[place].value = JSON(.number("\(unit)"), at: keys[place].value.position)
        node.value = JSON(.object(keys), at: node.value.position)
        return node
    }
}
