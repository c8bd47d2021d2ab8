import Base
import MQTT

/// One topic per device, such as `/devices/{device}/state`: what stands before and after the
/// device.
package struct TopicTemplate: Hashable, Sendable {
    package let prefix: ByteString
    package let suffix: ByteString

    package struct Refusal: Error, Hashable, Sendable {
        /// Finishes the sentence `"…" is no topic template: it …`.
        package var reason: String
    }

    /// `text` names `{device}` once; `{gateway}` stands for the gateway's own ID. Levels are not
    /// empty but for the first, and there are no wildcards.
    package init(_ text: ByteString, gateway: DeviceID) throws(Refusal) {
        let filled = Self.replacing("{gateway}", in: text, with: gateway.text)
        let parts = Self.parts(of: filled, between: "{device}")
        guard parts.count == 2 else {
            throw Refusal(
                reason: parts.count == 1 ? "does not say {device}" : "says {device} more than once")
        }
        if let reason = Self.complaint(ByteString("\(parts[0])d\(parts[1])")) {
            throw Refusal(reason: reason)
        }
        self.init(parts[0], parts[1])
    }

    init(_ prefix: ByteString, _ suffix: ByteString) {
        self.prefix = prefix
        self.suffix = suffix
    }

    package func topic(_ device: DeviceID) -> String { "\(prefix)\(device)\(suffix)" }

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
        if topic.isEmpty || topic.split(0x2F).dropFirst().contains("") {
            return "has an empty level"
        }
        if topic.hasPrefix("$") { return "starts with $, which belongs to the broker" }
        return nil
    }

    /// The device of a topic of this form, and what follows it after a slash.
    func match(_ topic: [UInt8]) -> (device: DeviceID, rest: ArraySlice<UInt8>)? {
        guard topic.starts(with: prefix.utf8) else { return nil }
        let tail = topic[prefix.count...]
        let stop = suffix.utf8.first ?? 0x2F
        let name = tail.prefix { $0 != stop && $0 != 0x2F }
        guard let device = Self.device(name) else { return longMatch(tail) }
        return finish(device, tail[name.endIndex...]) ?? longMatch(tail)
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
            if let found = finish(device, tail[index...]) { return found }
        }
        return nil
    }

    private static func device(_ bytes: ArraySlice<UInt8>) -> DeviceID? {
        guard bytes.count <= DeviceID.lengthMax else { return nil }
        return try? DeviceID(ByteString(decoding: bytes))
    }

    private func finish(
        _ device: DeviceID, _ rest: ArraySlice<UInt8>
    ) -> (device: DeviceID, rest: ArraySlice<UInt8>)? {
        guard rest.starts(with: suffix.utf8) else { return nil }
        let behind = rest.dropFirst(suffix.count)
        if behind.isEmpty { return (device, []) }
        return behind.first == 0x2F ? (device, behind.dropFirst()) : nil
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
    package var availability: ByteString?

    package static let standard = TopicLayout()

    package init() {}

    package func events(_ device: DeviceID, _ subfolder: String) -> String? {
        if subfolder.isEmpty { return telemetry.topic(device) }
        return Topics.isSubfolder(subfolder) ? telemetry.topic(device) + "/" + subfolder : nil
    }

    /// Filters of a subscription; for commands the wildcard is the only form that the bridge
    /// accepts.
    package func filters(of device: DeviceID) -> [String] {
        [config.topic(device), commands.topic(device) + "/#"]
    }

    /// nil for every topic that we never subscribe to.
    package func inbound(_ topic: TopicName) -> Inbound? { inbound(utf8: topic.utf8) }

    package func inbound(utf8 topic: [UInt8]) -> Inbound? {
        if let (device, rest) = config.match(topic), rest.isEmpty { return .config(device) }
        if let (device, rest) = commands.match(topic) {
            return .command(device, subfolder: ByteString(decoding: rest))
        }
        if let (device, rest) = Self.errors.match(topic), rest.isEmpty { return .errors(device) }
        return nil
    }

    static let errors = TopicTemplate("/devices/", "/errors")
}
