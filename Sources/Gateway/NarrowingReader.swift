import Adapter
import Base

/// Reads a config document against the local configuration: a document is taken as a whole or not
/// at all, and what it asks beyond the local file is refused, not clipped.
package struct NarrowingReader {
    let nodes: [DeviceID: Configuration.Node]
    let logLevel: Configuration.LogLevel

    package init(_ ports: [Configuration.Port], logLevel: Configuration.LogLevel) {
        nodes = Dictionary(
            ports.flatMap(\.nodes).map { ($0.device, $0) }, uniquingKeysWith: { first, _ in first })
        self.logLevel = logLevel
    }

    /// - Parameter device: nil for the gateway's own document.
    package func read(
        _ payload: [UInt8], of device: DeviceID?
    ) throws(Narrowing.Refusal) -> Narrowing {
        guard payload.count <= Narrowing.sizeMax else {
            throw Narrowing.Refusal(
                reason: "it has \(payload.count) bytes; \(Narrowing.sizeMax) are allowed")
        }
        let document: JSON
        do { document = try JSONReader.parse(payload) } catch {
            throw Narrowing.Refusal(
                reason: "not JSON: \(error.message) at column \(error.position.column)")
        }
        var narrowing = Narrowing()
        if let device {
            narrowing.nodes[device] = try readNode(document, "", try node(device))
            return narrowing
        }
        for member in try members(
            document, "the document", ["logLevel", "every", "report", "nodes"])
        {
            switch member.name {
            case "logLevel": narrowing.logLevel = try readLogLevel(member.value)
            case "nodes":
                guard let members = member.value.members else {
                    throw wrong("nodes", "an object", member.value)
                }
                for each in members {
                    guard let device = try? DeviceID(each.name) else {
                        throw Narrowing.Refusal(
                            reason: "there is no node \"\(Notice.printable(each.name))\" here")
                    }
                    narrowing.nodes[device] = try readNode(
                        each.value, "\(device): ", try node(device))
                }
            default:
                try read(member, "", shortest(nodes.values.flatMap(\.points)), into: &narrowing.all)
            }
        }
        return narrowing
    }

    private func node(_ device: DeviceID) throws(Narrowing.Refusal) -> Configuration.Node {
        guard let node = nodes[device] else {
            throw Narrowing.Refusal(reason: "there is no node \"\(device)\" here")
        }
        return node
    }

    private func readNode(
        _ document: JSON, _ place: String, _ node: Configuration.Node
    ) throws(Narrowing.Refusal) -> Narrowing.NodeRule {
        var rule = Narrowing.NodeRule()
        for member in try members(
            document, place + "the document", ["enabled", "every", "report", "points"])
        {
            guard member.name == "points" else {
                try read(member, place, shortest(node.points), into: &rule.own)
                continue
            }
            guard let points = member.value.members else {
                throw wrong(place + "points", "an object", member.value)
            }
            let known = Dictionary(node.points.map { ($0.name, $0) }) { first, _ in first }
            func user(of name: ByteString) -> String? {
                if let user = node.points.first(where: { $0.scaleFrom == name }) {
                    return "scale of \(user.name)"
                }
                return node.points.first { $0.coding.negativeIf?.point == name }.map {
                    "sign of \($0.name)"
                }
            }
            for each in points {
                guard let point = known[each.name] else {
                    throw Narrowing.Refusal(
                        reason: "\(place)there is no point \"\(Notice.printable(each.name))\"")
                }
                var own = Narrowing.Rule()
                let name = place + point.name.string
                for part in try members(each.value, name, ["enabled", "every", "report"]) {
                    try read(part, name + ": ", point.interval, into: &own)
                }
                if own.isDisabled, let user = user(of: point.name) {
                    throw Narrowing.Refusal(reason: "\(name) is the \(user), which needs it")
                }
                rule.points[point.name] = own
            }
        }
        return rule
    }

    private func read(
        _ member: JSON.Member, _ place: String, _ shortest: Duration,
        into rule: inout Narrowing.Rule
    ) throws(Narrowing.Refusal) {
        switch member.name {
        case "enabled":
            guard let isEnabled = member.value.bool else {
                throw wrong(place + "enabled", "true or false", member.value)
            }
            rule.isDisabled = !isEnabled
        case "report":
            guard let word = member.value.string, word == "all" || word == "change" else {
                throw wrong(place + "report", "\"all\" or \"change\"", member.value)
            }
            rule.changesOnly = word == "change"
        default:
            guard let text = member.value.string, let every = Quantity.duration(text),
                every <= .seconds(86_400)
            else {
                throw wrong(
                    place + "every", "a duration such as \"10s\", at most \"24h\"", member.value)
            }
            guard every >= shortest else {
                throw Narrowing.Refusal(
                    reason:
                        "\(place)every \(text.prefix(40)) is less than the \(Quantity.describe(shortest)) of this "
                        + "gateway's file")
            }
            rule.every = every
        }
    }

    private func readLogLevel(_ value: JSON) throws(Narrowing.Refusal) -> Configuration.LogLevel {
        guard let level = value.string.flatMap(Configuration.LogLevel.init(word:)) else {
            throw wrong("logLevel", "error, warning, info, debug or wire", value)
        }
        guard level.severity <= logLevel.severity else {
            throw Narrowing.Refusal(
                reason:
                    "logLevel \(level.rawValue) is more than the \(logLevel.rawValue) of this gateway's file"
            )
        }
        return level
    }

    /// Of an object that may have these, each once.
    private func members(
        _ document: JSON, _ what: String, _ known: [ByteString]
    ) throws(Narrowing.Refusal) -> [JSON.Member] {
        guard let members = document.members else { throw wrong(what, "an object", document) }
        var seen: Set<ByteString> = []
        for member in members {
            guard known.contains(member.name) else {
                throw Narrowing.Refusal(
                    reason:
                        "\(what) has the unknown member \"\(Notice.printable(member.name))\"; known here: "
                        + known.map(\.string).joined(separator: ", "))
            }
            guard seen.insert(member.name).inserted else {
                throw Narrowing.Refusal(reason: "\(what) has \"\(member.name)\" twice")
            }
        }
        return members
    }

    private func shortest(_ points: [Point]) -> Duration { points.map(\.interval).min() ?? .zero }

    private func wrong(_ what: String, _ wanted: String, _ value: JSON) -> Narrowing.Refusal {
        Narrowing.Refusal(reason: "\(what) must be \(wanted), not \(value.describe)")
    }
}

extension Configuration.LogLevel {
    /// How much it lets through.
    var severity: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    package var notice: Notice.Level {
        switch self {
        case .error: .error
        case .warning: .warning
        case .info: .info
        case .debug, .wire: .debug
        }
    }
}
