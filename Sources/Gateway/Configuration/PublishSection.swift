import Base
import Bridge

/// The key `publish` of a plain broker's section: the form of messages, and what the broker keeps.
struct PublishSection {
    var format = PayloadFormat()
    var latestTopic: PointTopic?

    init(_ bridge: inout ObjectCursor, gateway: DeviceID?, cloud: Bool) {
        guard !cloud, var cursor = bridge.object("publish") else { return }
        format.form = cursor.choice("format")
        format.time = cursor.choice("time")
        format.booleans = cursor.choice("booleans")
        format.hasUnits = cursor.bool("units")
        let topic = cursor.take("latestTopic")
        if let topic, let gateway { latestTopic = PointTopic(topic, cursor, gateway) }
        if let field = cursor.take("retain") { readRetain(field, cursor) }
        cursor.finish()
    }

    private mutating func readRetain(_ field: Field, _ cursor: ObjectCursor) {
        (format.retainsState, format.retainsLatest) = (false, false)
        if field.json.bool == false { return }
        for item in cursor.items(of: field) {
            switch cursor.string(of: item) {
            case "state": format.retainsState = true
            case "latest": format.retainsLatest = true
            case nil: continue
            default:
                cursor.problems.error(
                    item.place,
                    "\"retain\" is a list of \"state\" and \"latest\", or false: the "
                        + "broker keeps no reading, as nobody could tell how old it is")
            }
        }
    }
}

extension PointTopic {
    /// A topic of one point; false is none.
    init?(_ field: Field, _ cursor: ObjectCursor, _ gateway: DeviceID) {
        guard field.json.bool != false, let text = cursor.string(of: field) else { return nil }
        do throws(TopicTemplate.Refusal) {
            try self.init(text, gateway: gateway)
        } catch {
            cursor.problems.error(
                field.place,
                "\"\(field.shown)\" is no topic of a point: it \(error.reason); write it as in "
                    + "\"plant/{device}/{point}\", or false for none")
            return nil
        }
    }
}

/// Topics and messages of a plain broker, against the devices.
enum TopicChecks {
    /// Checks topics and messages of a plain broker against the devices, and finishes them: a topic
    /// that names no device is for one, or its messages name it.
    static func finished(_ read: Configuration, _ problems: Problems) -> Configuration {
        let bridge = read.bridge
        guard !bridge.isCloudIoT else { return read }
        var configuration = read
        let nodes = read.ports.flatMap(\.nodes)
        let layout = bridge.layout
        configuration.bridge.layout.only = nodes.count == 1 ? nodes[0].device : nil
        checkEchoes(layout, nodes.first?.device ?? bridge.gateway, at: bridge.place, problems)
        let inbound: [(key: String, namesDevice: Bool?)] = [
            ("configTopic", layout.config?.namesDevice),
            ("commandTopic", layout.commands?.namesDevice),
            ("setTopic", layout.set?.namesDevice), ("latestTopic", layout.latest?.namesDevice),
        ]
        for (key, namesDevice) in inbound where namesDevice == false && nodes.count > 1 {
            problems.error(
                bridge.place,
                "\"\(key)\" does not say {device}, and there are \(nodes.count) devices: only a "
                    + "gateway with one device can do without")
        }
        let hidesTelemetry = layout.telemetry.map { !$0.namesDevice } ?? false
        let hidesState = layout.state.map { !$0.namesDevice } ?? false
        configuration.bridge.publish.namesDevice = hidesTelemetry && nodes.count > 1
        configuration.bridge.publish.namesDeviceInState = hidesState
        let form = bridge.publish.form
        if form == .values, hidesTelemetry, nodes.count > 1 {
            problems.error(
                bridge.place,
                "nothing would tell the readings of \(nodes.count) devices apart: let "
                    + "\"telemetryTopic\" say {device}, or take format "
                    + "\"flat\", whose messages name it")
        }
        for node in nodes {
            let hidden = node.points.map(\.name).filter { PayloadFormat.reserved.contains($0) }
            if form == .flat, let name = hidden.first {
                problems.error(
                    node.place,
                    "with format \"flat\" the point \"\(name)\" would hide a member of the "
                        + "message: give it another name")
            }
            guard layout.latest != nil || layout.set != nil else { continue }
            for point in node.points where !PointTopic.isLevel(point.name) {
                problems.warning(
                    node.place,
                    "the point \"\(Notice.printable(point.name))\" has no topic of its own: "
                        + "its name is no level of a topic")
            }
        }
        return configuration
    }

    /// A broker sends what is published to whoever subscribes, the gateway itself included.
    private static func checkEchoes(
        _ layout: TopicLayout, _ device: DeviceID, at place: FilePlace, _ problems: Problems
    ) {
        var subscribed = layout
        subscribed.only = device
        let published: [(key: String, topic: String?)] = [
            ("telemetryTopic", layout.telemetry?.topic(device)),
            ("stateTopic", layout.state?.topic(device)),
            ("availabilityTopic", layout.availability?.string),
            ("latestTopic", layout.latest?.topic(device, "point")?.text),
        ]
        for (key, topic) in published {
            switch topic.flatMap({ subscribed.inbound(utf8: Array($0.utf8)) }) {
            case nil, .errors: continue
            case .config, .command, .set:
                problems.error(
                    place,
                    "what is published to \"\(key)\" would come back as a command or a config: "
                        + "give it a topic of its own")
            }
        }
    }
}
