/// Section 4.7: what a subscription asks for. `+` is a whole level [MQTT-4.7.1-3], `#` the whole
/// last level [MQTT-4.7.1-2].
package struct TopicFilter: Hashable, Sendable, CustomStringConvertible {
    /// As it stands on the wire, without the length.
    package let utf8: [UInt8]

    package init(_ text: String) throws(ProtocolFault) {
        try self.init(utf8: Array(text.utf8)[...])
    }

    package init(utf8 bytes: ArraySlice<UInt8>) throws(ProtocolFault) {
        guard !bytes.isEmpty else { throw .emptyTopic }
        guard bytes.count <= TextField.lengthMax else { throw .topicTooLong(bytes.count) }
        try TextField.check(bytes)
        let last = bytes.endIndex - 1
        for index in bytes.indices {
            let startsLevel = index == bytes.startIndex || bytes[index - 1] == 0x2F
            let endsLevel = index == last || bytes[index + 1] == 0x2F
            switch bytes[index] {
            case 0x23: guard startsLevel, index == last else { throw .misplacedHash }
            case 0x2B: guard startsLevel, endsLevel else { throw .misplacedPlus }
            default: break
            }
        }
        utf8 = Array(bytes)
    }

    /// The filter that matches this name only.
    package init(_ name: TopicName) { utf8 = name.utf8 }

    package var text: String { String(decoding: utf8, as: UTF8.self) }
    package var description: String { text }

    /// Walks both texts once, level by level. A filter that begins with a wildcard does not match
    /// a name that begins with `$` [MQTT-4.7.2-1].
    package func matches(_ name: TopicName) -> Bool {
        let topic = name.utf8
        let startsWild = utf8[0] == 0x23 || utf8[0] == 0x2B
        if startsWild, topic[0] == 0x24 { return false }
        var here = 0
        var there = 0
        while true {
            let sign = here < utf8.count ? utf8[here] : 0x2F
            if sign == 0x23 { return true }
            if sign == 0x2B {
                here += 1
                while there < topic.count, topic[there] != 0x2F { there += 1 }
            } else {
                while here < utf8.count, there < topic.count, utf8[here] == topic[there],
                    utf8[here] != 0x2F
                {
                    here += 1
                    there += 1
                }
                let filterLevelEnds = here == utf8.count || utf8[here] == 0x2F
                let topicLevelEnds = there == topic.count || topic[there] == 0x2F
                guard filterLevelEnds, topicLevelEnds else { return false }
            }
            switch (here == utf8.count, there == topic.count) {
            case (true, true): return true
            case (true, false): return false
            // "a/#" matches "a".
            case (false, true): return utf8[here...].elementsEqual([0x2F, 0x23])
            case (false, false):
                here += 1
                there += 1
            }
        }
    }
}
