/// Packets that a client has sent and got no answer to, and which of them left last.
package struct Unanswered: Hashable, Sendable {
    package var count: Int
    /// The one that left last: "CONNECT", "SUBSCRIBE to /devices/gw-7/errors", "PUBLISH of 2 bytes
    /// to /devices/dev-1/attach", "PINGREQ".
    package var last: String
    /// The same without a size: it names the packet when it is sent again.
    package var name: String

    package init(count: Int, last: String, name: String? = nil) {
        self.count = count
        self.last = last
        self.name = name ?? last
    }

    /// One phrase: with how many others, if there are any.
    package var words: String {
        count > 1 ? "\(last), the last of \(count) packets without an answer" : last
    }

    /// A SUBSCRIBE with so many filters, or an UNSUBSCRIBE.
    static func describe(_ filters: Int?, _ first: String) -> String {
        guard let filters else { return "UNSUBSCRIBE from \(first)" }
        return "SUBSCRIBE to \(first)" + (filters > 1 ? " and \(filters - 1) more" : "")
    }

    /// A PUBLISH with a payload of so many bytes.
    package static func describe(publish bytes: Int, to topic: String) -> String {
        "PUBLISH of \(bytes) byte\(bytes == 1 ? "" : "s") to \(topic)"
    }

    /// Topic and payload size of a whole PUBLISH with QoS 1 that we made.
    static func parts(ofPublish bytes: [UInt8]) -> (topic: String, payload: Int) {
        var start = 1
        while start < min(bytes.count, 5), bytes[start] & 0x80 != 0 { start += 1 }
        start += 1
        guard start + 2 <= bytes.count else { return ("", 0) }
        let count = Int(bytes[start]) << 8 | Int(bytes[start + 1])
        let topic = bytes[(start + 2)...].prefix(count)
        return (
            String(decoding: topic, as: UTF8.self), max(0, bytes.count - start - 2 - count - 2)
        )
    }
}
