import Base
import MQTT

/// One topic per device, such as `/devices/{device}/state`: what stands before and after the
/// device. Or one topic for all of them, which does not name it.
package struct TopicTemplate: Hashable, Sendable {
    package let prefix: ByteString
    package let suffix: ByteString
    /// False: `prefix` is the whole topic.
    package let namesDevice: Bool

    package struct Refusal: Error, Hashable, Sendable {
        /// Finishes the sentence `"…" is no topic template: it …`.
        package var reason: String
    }

    /// `text` names `{device}` at most once; `{gateway}` stands for the gateway's own ID. Levels
    /// are not empty but for the first and the last, and there are no wildcards.
    package init(_ text: ByteString, gateway: DeviceID) throws(Refusal) {
        let filled = Self.replacing("{gateway}", in: text, with: gateway.text)
        let parts = Self.parts(of: filled, between: "{device}")
        guard parts.count <= 2 else { throw Refusal(reason: "says {device} more than once") }
        if let reason = Self.complaint(ByteString(parts.map(\.string).joined(separator: "d"))) {
            throw Refusal(reason: reason)
        }
        self.init(parts[0], parts.count == 2 ? parts[1] : "", namesDevice: parts.count == 2)
    }

    init(_ prefix: ByteString, _ suffix: ByteString, namesDevice: Bool = true) {
        self.prefix = prefix
        self.suffix = suffix
        self.namesDevice = namesDevice
    }

    package func topic(_ device: DeviceID) -> String {
        namesDevice ? "\(prefix)\(device)\(suffix)" : prefix.string
    }

    /// A topic below: a slash stands between the two, once.
    package func topic(_ device: DeviceID, below: String) -> String {
        let topic = topic(device)
        return topic.hasSuffix("/") ? topic + below : "\(topic)/\(below)"
    }

    /// Puts `new` in place of every `mark`.
    package static func replacing(
        _ mark: ByteString, in text: ByteString, with new: String
    ) -> ByteString {
        ByteString(parts(of: text, between: mark).map(\.string).joined(separator: new))
    }

    private static func parts(of text: ByteString, between mark: ByteString) -> [ByteString] {
        let (bytes, mark) = (Array(text.utf8), Array(mark.utf8))
        var parts: [ByteString] = []
        var start = 0
        var index = 0
        while index < bytes.count {
            if bytes[index] == mark[0], bytes[index...].starts(with: mark) {
                parts.append(ByteString(decoding: bytes[start..<index]))
                index += mark.count
                start = index
            } else {
                index += 1
            }
        }
        return parts + [ByteString(decoding: bytes[start...])]
    }

    /// Fault of a topic name made of these characters; nil if there is none.
    package static func complaint(_ topic: ByteString) -> String? {
        if topic.count > 512 { return "is longer than 512 bytes" }
        if topic.utf8.contains(where: { "+#{}".utf8.contains($0) || $0 < 0x20 || $0 == 0x7F }) {
            return
                "has a wildcard, a brace that belongs to no {device} or {gateway}, or a control character"
        }
        if topic.isEmpty || topic == "/" || topic.split(0x2F).dropFirst().dropLast().contains("") {
            return "has an empty level"
        }
        if topic.hasPrefix("$") { return "starts with $, which belongs to the broker" }
        return nil
    }

    /// The device of a topic of this form, and what follows it after a slash.
    /// - Parameter only: the device of a topic that names none.
    func match(
        _ topic: [UInt8], only: DeviceID? = nil
    ) -> (device: DeviceID, rest: ArraySlice<UInt8>)? {
        guard topic.starts(with: prefix.utf8) else { return nil }
        let tail = topic[prefix.count...]
        guard namesDevice else { return only.flatMap { finish($0, tail, after: prefix) } }
        let stop = suffix.utf8.first ?? 0x2F
        let name = tail.prefix { $0 != stop && $0 != 0x2F }
        guard let device = Self.device(name) else { return longMatch(tail) }
        return finish(device, tail[name.endIndex...], after: suffix) ?? longMatch(tail)
    }

    /// Where the suffix begins inside a level, as in `{device}-state`, the device may contain its
    /// first character: the last place that fits is meant.
    private func longMatch(
        _ tail: ArraySlice<UInt8>
    ) -> (device: DeviceID, rest: ArraySlice<UInt8>)? {
        guard let first = suffix.utf8.first, first != 0x2F else { return nil }
        let level = tail.prefix { $0 != 0x2F }.prefix(DeviceID.lengthMax + 1)
        for index in level.indices.reversed() where level[index] == first {
            guard let device = Self.device(level[..<index]) else { return nil }
            if let found = finish(device, tail[index...], after: suffix) { return found }
        }
        return nil
    }

    private static func device(_ bytes: ArraySlice<UInt8>) -> DeviceID? {
        guard bytes.count <= DeviceID.lengthMax else { return nil }
        return try? DeviceID(ByteString(decoding: bytes))
    }

    /// - Parameter part: the last part of the topic: the suffix, which is still in `rest`, or the
    ///   whole topic, which is not.
    private func finish(
        _ device: DeviceID, _ rest: ArraySlice<UInt8>, after part: ByteString
    ) -> (device: DeviceID, rest: ArraySlice<UInt8>)? {
        var behind = rest
        if namesDevice {
            guard rest.starts(with: suffix.utf8) else { return nil }
            behind = rest.dropFirst(suffix.count)
        }
        if behind.isEmpty || part.utf8.last == 0x2F { return (device, behind) }
        return behind.first == 0x2F ? (device, behind.dropFirst()) : nil
    }
}

/// Where everything goes. The bridge's topics are fixed; a plain broker's may have any form. What
/// is nil is not published or subscribed to.
package struct TopicLayout: Hashable, Sendable {
    /// The subfolder is added behind a slash.
    package var telemetry: TopicTemplate? = TopicTemplate("/devices/", "/events")
    package var state: TopicTemplate? = TopicTemplate("/devices/", "/state")
    package var config: TopicTemplate? = TopicTemplate("/devices/", "/config")
    /// With everything below it.
    package var commands: TopicTemplate? = TopicTemplate("/devices/", "/commands")
    package var attach = TopicTemplate("/devices/", "/attach")
    package var detach: TopicTemplate? = TopicTemplate("/devices/", "/detach")
    /// Takes a bare value for a point that may be written.
    package var set: PointTopic?
    /// Has the latest value of each point.
    package var latest: PointTopic?
    /// The device that a topic without `{device}` means, where we subscribe to it.
    package var only: DeviceID?
    /// Says "online" or "offline", retained; the broker says the latter if the gateway is lost.
    package var availability: ByteString?

    package static let standard = TopicLayout()

    package init() {}

    package func events(_ device: DeviceID, _ subfolder: String) -> String? {
        if subfolder.isEmpty { return telemetry?.topic(device) }
        return Topics.isSubfolder(subfolder)
            ? telemetry?.topic(device, below: subfolder) : nil
    }

    /// Filters of a device's subscriptions; for commands the wildcard is the only form that the
    /// bridge accepts.
    package func filters(of device: DeviceID) -> [(kind: TopicKind, filter: String)] {
        func isFor(_ template: TopicTemplate) -> Bool { template.namesDevice || device == only }
        var filters: [(kind: TopicKind, filter: String)] = []
        if let config, isFor(config) { filters.append((.config, config.topic(device))) }
        if let commands, isFor(commands) {
            filters.append((.commands, commands.topic(device, below: "#")))
        }
        if let set, set.namesDevice || device == only { filters.append((.set, set.filter(device))) }
        return filters
    }

    /// nil for every topic that we never subscribe to.
    package func inbound(_ topic: TopicName) -> Inbound? { inbound(utf8: topic.utf8) }

    package func inbound(utf8 topic: [UInt8]) -> Inbound? {
        if let (device, rest) = config?.match(topic, only: only), rest.isEmpty {
            return .config(device)
        }
        if let (device, point) = set?.match(topic, only: only) {
            return .set(device, point: point)
        }
        if let (device, rest) = commands?.match(topic, only: only) {
            return .command(device, subfolder: ByteString(decoding: rest))
        }
        if let (device, rest) = Self.errors.match(topic), rest.isEmpty { return .errors(device) }
        return nil
    }

    static let errors = TopicTemplate("/devices/", "/errors")
}
