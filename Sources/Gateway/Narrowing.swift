import Adapter
import Base

/// Restrictions that a config document from the bridge asks for: less than the local file allows,
/// never more. The bridge can slow nodes down, reduce their reports and switch them off. It cannot
/// read faster, reach other registers or write anything.
///
/// The gateway's own document is `{"logLevel","every","report","nodes":{DEVICE: node}}`, a device's
/// own is the node's object:
/// `{"enabled","every","report","points":{NAME:{"enabled","every","report"}}}`.
///
/// | member | means |
/// |---|---|
/// | `enabled` | `false`: not read and not written |
/// | `every` | read at most this often; not shorter than the file's |
/// | `report` | `"change"`: only values that differ from the last published one; `"all"`: as the file says |
/// | `logLevel` | `error`, `warning`, `info`, `debug` or `wire`; not more than the file's |
package struct Narrowing: Hashable, Sendable {
    struct Rule: Hashable, Sendable {
        var isDisabled = false
        var every: Duration?
        var changesOnly = false

        /// The more special of one document: its own `every` stands for the general one.
        func within(_ general: Rule) -> Rule {
            Rule(
                isDisabled: isDisabled || general.isDisabled, every: every ?? general.every,
                changesOnly: changesOnly || general.changesOnly)
        }

        /// Those of two documents: both hold.
        func and(_ other: Rule) -> Rule {
            Rule(
                isDisabled: isDisabled || other.isDisabled,
                every: every.map { max($0, other.every ?? $0) } ?? other.every,
                changesOnly: changesOnly || other.changesOnly)
        }

        func applied(to point: Point) -> Point {
            var point = point
            if let every { point.interval = max(point.interval, every) }
            if changesOnly, point.deadband == nil { point.onChange = true }
            return point
        }
    }

    struct NodeRule: Hashable, Sendable {
        var own = Rule()
        var points: [ByteString: Rule] = [:]

        func rule(for point: ByteString) -> Rule { (points[point] ?? Rule()).within(own) }
    }

    var logLevel: Configuration.LogLevel?
    /// For every node.
    var all = Rule()
    var nodes: [DeviceID: NodeRule] = [:]

    static let sizeMax = 64 << 10

    /// One sentence that says which member is wrong.
    package struct Refusal: Error, Hashable, Sendable {
        var reason: String
    }
}

extension Configuration.Port {
    /// Every point as it is read now; what is not read at all is named in `unread`.
    package func narrowed(
        by documents: [Narrowing]
    ) -> (port: Configuration.Port, unread: [DeviceID: Set<ByteString>]) {
        var port = self
        var unread: [DeviceID: Set<ByteString>] = [:]
        for index in nodes.indices {
            let device = nodes[index].device
            let rules = documents.map { document in
                (all: document.all, node: document.nodes[device] ?? Narrowing.NodeRule())
            }
            guard !rules.isEmpty else { continue }
            for place in nodes[index].points.indices {
                let point = nodes[index].points[place]
                let rule = rules.reduce(Narrowing.Rule()) {
                    $0.and($1.node.rule(for: point.name).within($1.all))
                }
                port.nodes[index].points[place] = rule.applied(to: point)
                if rule.isDisabled { unread[device, default: []].insert(point.name) }
            }
        }
        return (port, unread)
    }

    /// Without the points, and the nodes, that are not read.
    func reading(without unread: [DeviceID: Set<ByteString>]) -> Configuration.Port {
        guard !unread.isEmpty else { return self }
        var port = self
        for index in nodes.indices {
            guard let names = unread[nodes[index].device] else { continue }
            port.nodes[index].points.removeAll { names.contains($0.name) }
        }
        port.nodes.removeAll { $0.points.isEmpty && $0.actions.isEmpty }
        return port
    }
}
