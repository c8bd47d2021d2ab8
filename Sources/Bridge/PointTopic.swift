import Base
import MQTT

/// One topic per point, such as `plant/{device}/{point}/set`. `{device}` and `{point}` are whole
/// levels; without `{device}` it is for a gateway with one device.
package struct PointTopic: Hashable, Sendable {
    private enum Level: Hashable, Sendable {
        case text(ByteString)
        case device
        case point
    }

    private let levels: [Level]

    package var namesDevice: Bool { levels.contains(.device) }

    package init(_ text: ByteString, gateway: DeviceID) throws(TopicTemplate.Refusal) {
        let filled = TopicTemplate.replacing("{gateway}", in: text, with: gateway.text)
        let levels = filled.split(0x2F).map { part -> Level in
            part == "{device}" ? .device : part == "{point}" ? .point : .text(part)
        }
        func count(_ level: Level) -> Int { levels.count { $0 == level } }
        guard count(.point) == 1 else {
            throw TopicTemplate.Refusal(reason: "does not say {point} once, as a whole level")
        }
        guard count(.device) <= 1 else {
            throw TopicTemplate.Refusal(reason: "says {device} more than once")
        }
        let sample = levels.map { if case .text(let text) = $0 { text.string } else { "x" } }
        if let reason = TopicTemplate.complaint(ByteString(sample.joined(separator: "/"))) {
            throw TopicTemplate.Refusal(reason: reason)
        }
        self.levels = levels
    }

    private func joined(_ device: DeviceID, _ point: String) -> String {
        levels.map { level in
            switch level {
            case .text(let text): text.string
            case .device: device.text
            case .point: point
            }
        }.joined(separator: "/")
    }

    /// Nil for a point whose name is no level of a topic.
    package func topic(_ device: DeviceID, _ point: ByteString) -> TopicName? {
        guard Self.isLevel(point) else { return nil }
        return try? TopicName(joined(device, point.string))
    }

    /// Whether a point of this name can have a topic.
    package static func isLevel(_ point: ByteString) -> Bool {
        !point.isEmpty && !point.utf8.contains { "/+#".utf8.contains($0) || $0 < 0x20 }
    }

    /// Filter for every point of a device.
    package func filter(_ device: DeviceID) -> String { joined(device, "+") }

    /// Device and point of a topic of this form.
    /// - Parameter only: the device of a topic that names none.
    func match(_ topic: [UInt8], only: DeviceID?) -> (device: DeviceID, point: ByteString)? {
        let parts = topic.split(separator: 0x2F, omittingEmptySubsequences: false)
        guard parts.count == levels.count else { return nil }
        var device = namesDevice ? nil : only
        var point: ByteString?
        for (part, level) in zip(parts, levels) {
            switch level {
            case .text(let text): guard part.elementsEqual(text.utf8) else { return nil }
            case .point: point = ByteString(decoding: part)
            case .device:
                guard part.count <= DeviceID.lengthMax else { return nil }
                device = try? DeviceID(ByteString(decoding: part))
            }
        }
        guard let device, let point else { return nil }
        return (device, point)
    }
}
