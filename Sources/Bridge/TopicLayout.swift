import Base

/// One topic per device, such as `/devices/{device}/state`: what stands before and after the device.
package struct TopicTemplate: Hashable, Sendable {
    package let prefix: String
    package let suffix: String

    package struct Refusal: Error, Hashable, Sendable {
        /// Finishes the sentence `"…" is no topic template: it …`.
        package var reason: String
    }

    /// `text` names `{device}` once; `{gateway}` stands for the gateway's own ID. Levels are not empty
    /// but for the first, and there are no wildcards.
    package init(_ text: String, gateway: DeviceID) throws(Refusal) {
        let filled = text.replacing("{gateway}", with: gateway.text)
        let parts = filled.split(separator: "{device}", omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw Refusal(reason: parts.count == 1 ? "does not say {device}" : "says {device} more than once")
        }
        if let reason = Self.complaint(filled.replacing("{device}", with: "d")) { throw Refusal(reason: reason) }
        self.init(String(parts[0]), String(parts[1]))
    }

    init(_ prefix: String, _ suffix: String) {
        self.prefix = prefix
        self.suffix = suffix
    }

    package func topic(_ device: DeviceID) -> String { prefix + device.text + suffix }

    /// What is wrong with a topic name made of these characters; nil if nothing.
    package static func complaint(_ topic: String) -> String? {
        let levels = topic.split(separator: "/", omittingEmptySubsequences: false)
        if topic.utf8.count > 512 { return "is longer than 512 bytes" }
        if topic.utf8.contains(where: { "+#{}".utf8.contains($0) || $0 < 0x20 || $0 == 0x7F }) {
            return "has a wildcard, a brace that belongs to no {device} or {gateway}, or a control character"
        }
        if topic.isEmpty || levels.dropFirst().contains("") { return "has an empty level" }
        if topic.hasPrefix("$") { return "starts with $, which belongs to the broker" }
        return nil
    }

    /// The device of a topic of this form, and what follows it after a slash.
    func match(_ topic: String) -> (device: DeviceID, rest: Substring)? {
        guard topic.hasPrefix(prefix) else { return nil }
        let tail = topic.dropFirst(prefix.count)
        let stop = suffix.first ?? "/"
        guard let device = try? DeviceID(String(tail.prefix { $0 != stop && $0 != "/" })) else {
            return longMatch(tail)
        }
        let rest = tail.dropFirst(device.text.count)
        return finish(device, rest) ?? longMatch(tail)
    }

    /// Where the suffix begins inside a level, as in `{device}-state`, the device may contain its first
    /// character: the last place that fits is meant.
    private func longMatch(_ tail: Substring) -> (device: DeviceID, rest: Substring)? {
        guard let first = suffix.first, first != "/" else { return nil }
        let level = tail.prefix { $0 != "/" }
        for index in level.indices.reversed() where level[index] == first {
            guard let device = try? DeviceID(String(level[..<index])) else { return nil }
            if let found = finish(device, tail[index...]) { return found }
        }
        return nil
    }

    private func finish(_ device: DeviceID, _ rest: Substring) -> (device: DeviceID, rest: Substring)? {
        guard rest.hasPrefix(suffix) else { return nil }
        let behind = rest.dropFirst(suffix.count)
        if behind.isEmpty { return (device, "") }
        return behind.first == "/" ? (device, behind.dropFirst()) : nil
    }
}

/// Where everything goes. The bridge's topics are fixed; a plain broker's may have any form.
package struct TopicLayout: Hashable, Sendable {
    /// The subfolder is added behind a slash.
    package var telemetry = TopicTemplate("/devices/", "/events")
    package var state = TopicTemplate("/devices/", "/state")
    package var config = TopicTemplate("/devices/", "/config")
    /// With everything below it.
    package var commands = TopicTemplate("/devices/", "/commands")
    package var attach = TopicTemplate("/devices/", "/attach")
    package var detach = TopicTemplate("/devices/", "/detach")
    /// Says "online" or "offline", retained; the broker says the latter if the gateway is lost.
    package var availability: String?

    package static let standard = TopicLayout()

    package init() {}

    package func events(_ device: DeviceID, _ subfolder: String) -> String? {
        if subfolder.isEmpty { return telemetry.topic(device) }
        return Topics.isSubfolder(subfolder) ? telemetry.topic(device) + "/" + subfolder : nil
    }

    /// What a subscription is made with; the wildcard is the only form that the bridge accepts.
    package func filters(of device: DeviceID) -> [String] {
        [config.topic(device), commands.topic(device) + "/#"]
    }

    /// nil for every topic that we never subscribe to.
    package func inbound(_ topic: String) -> Inbound? {
        if let (device, rest) = config.match(topic), rest.isEmpty { return .config(device) }
        if let (device, rest) = commands.match(topic) { return .command(device, subfolder: String(rest)) }
        if let (device, rest) = Self.errors.match(topic), rest.isEmpty { return .errors(device) }
        return nil
    }

    static let errors = TopicTemplate("/devices/", "/errors")
}
