/// Section 4.7: the topic of a message. At least one character [MQTT-4.7.3-1], at most 65,535 bytes
/// of UTF-8 [MQTT-4.7.3-3], no wildcard [MQTT-3.3.2-2], no U+0000 [MQTT-4.7.3-2].
package struct TopicName: Hashable, Sendable, CustomStringConvertible {
    /// As it stands on the wire, without the length.
    package let utf8: [UInt8]

    package init(_ text: String) throws(ProtocolFault) {
        try self.init(utf8: Array(text.utf8)[...])
    }

    package init(utf8 bytes: ArraySlice<UInt8>) throws(ProtocolFault) {
        guard !bytes.isEmpty else { throw .emptyTopic }
        guard bytes.count <= TextField.lengthMax else { throw .topicTooLong(bytes.count) }
        try TextField.check(bytes)
        for byte in bytes where byte == 0x23 || byte == 0x2B { throw .wildcardInName }
        utf8 = Array(bytes)
    }

    package var text: String { String(decoding: utf8, as: UTF8.self) }
    package var description: String { text }

    /// The parts between the slashes; `/a` has an empty first one (section 4.7.3).
    package var levels: [ArraySlice<UInt8>] {
        utf8.split(separator: 0x2F, omittingEmptySubsequences: false)
    }
}
