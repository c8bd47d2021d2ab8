import Base
import HTTP

/// The last messages that devices published, for whoever asks over HTTP. Each has a number, counted
/// from 1; the oldest go first when there are too many.
package struct MessageLog: Sendable {
    package static let countMax = 20_000
    package static let bytesMax = 16 << 20

    private var lines: [[UInt8]] = []
    private var start = 0
    private var size = 0
    /// The number of the next one.
    package private(set) var next = 1

    package init() {}

    /// - Parameter line: a JSON object.
    package mutating func add(_ line: [UInt8]) {
        lines.append(line)
        size += line.count
        next += 1
        while lines.count - start > Self.countMax || size > Self.bytesMax, start < lines.count {
            size -= lines[start].count
            lines[start] = []
            start += 1
        }
        if start > 1024, start * 2 > lines.count {
            lines.removeFirst(start)
            start = 0
        }
    }

    /// `{"messages":[…],"next":N,"lost":N}`: those from number `first` on. `lost` counts what was
    /// asked for and is no longer there.
    func page(from first: Int, max: Int) -> HTTPResponse {
        let oldest = next - (lines.count - start)
        let from = Swift.min(Swift.max(first, oldest), next)
        var until = from
        var bytes = 0
        while until < next, until - from < max, bytes < 4 << 20 {
            bytes += lines[start + until - oldest].count
            until += 1
        }
        return AdminAPI.json { json in
            json.object { json in
                json.key("messages")
                json.array { json in
                    for number in from..<until { json.raw(lines[start + number - oldest]) }
                }
                json.member("next", until)
                json.member("lost", Swift.max(0, from - Swift.max(first, 1)))
            }
        }
    }
}

extension BridgeEmulator.Received {
    /// One JSON object: kind, when, whose, where, and the payload as JSON if it is JSON.
    package func line(_ kind: String, in registry: RegistryName) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("kind", kind)
            writer.member("received", at.wall)
            writer.member("registry", registry.description)
            writer.member("device", device)
            if let gateway { writer.member("gateway", gateway) }
            writer.member("topic", topic)
            writer.member("subfolder", subfolder)
            if let pubsubTopic { writer.member("pubsubTopic", pubsubTopic) }
            writer.member("qos", qos.rawValue)
            if dup { writer.member("dup", true) }
            writer.key("payload")
            if (try? JSONReader.parse(payload)) != nil {
                writer.raw(payload.filter { $0 != 0x0A && $0 != 0x0D })
            } else if let text = String(validating: payload, as: UTF8.self) {
                writer.string(text)
            } else {
                writer.null()
                writer.member("binaryData", Base64.encode(payload))
            }
        }
        return writer.bytes
    }
}
