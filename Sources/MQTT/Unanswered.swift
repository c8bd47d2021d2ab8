/// Packets that a client has sent and got no answer to: `last` is the packet that left last, by its
/// type and topic.
package struct Unanswered: Hashable, Sendable {
    package var count: Int
    /// "CONNECT", "SUBSCRIBE /devices/gw-7/errors", "PUBLISH /devices/dev-1/attach", "PINGREQ".
    package var last: String

    package init(count: Int, last: String) {
        self.count = count
        self.last = last
    }

    /// One phrase: with how many others, if there are any.
    package var words: String {
        count > 1 ? "\(last), the last of \(count) packets without an answer" : last
    }

    /// A SUBSCRIBE with so many filters, or an UNSUBSCRIBE.
    static func describe(_ filters: Int?, _ first: String) -> String {
        guard let filters else { return "UNSUBSCRIBE \(first)" }
        return "SUBSCRIBE \(first)" + (filters > 1 ? " and \(filters - 1) more" : "")
    }

    /// The topic inside the bytes of a whole PUBLISH that we made.
    static func topic(ofPublish bytes: [UInt8]) -> String {
        var start = 1
        while start < min(bytes.count, 5), bytes[start] & 0x80 != 0 { start += 1 }
        start += 1
        guard start + 2 <= bytes.count else { return "" }
        let count = Int(bytes[start]) << 8 | Int(bytes[start + 1])
        return String(decoding: bytes[(start + 2)...].prefix(count), as: UTF8.self)
    }
}
