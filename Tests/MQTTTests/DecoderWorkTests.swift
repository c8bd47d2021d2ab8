import MQTT
import Testing

/// A packet costs a fixed number of steps for each of its bytes, however small the pieces it comes
/// in.
@Suite struct DecoderWorkTests {
    private static func work(_ packets: [Packet], by size: Int) throws -> (bytes: Int, steps: Int) {
        var decoder = PacketDecoder()
        let bytes = packets.flatMap(\.bytes)
        var found = 0
        for start in stride(from: 0, to: bytes.count, by: size) {
            decoder.receive(bytes[start..<min(start + size, bytes.count)])
            while try decoder.next() != nil { found += 1 }
        }
        #expect(found == packets.count && !decoder.isPartial)
        return (bytes.count, decoder.work)
    }

    @Test(arguments: [1, 7, 1500]) func decodingIsLinear(_ size: Int) throws {
        func large(_ count: Int) throws -> [Packet] {
            let topic = try TopicName("a" + String(repeating: "/", count: 60_000))
            return [.publish(Publish(topic: topic, payload: [UInt8](repeating: 0, count: count)))]
        }
        func small(_ count: Int) throws -> [Packet] {
            let topic = try TopicName("a/b")
            return (0..<count / 100).map {
                .publish(
                    Publish(topic: topic, payload: [UInt8](repeating: UInt8($0 & 255), count: 20)))
            }
        }
        for make in [large, small] {
            let once = try Self.work(try make(100_000), by: size)
            let twice = try Self.work(try make(200_000), by: size)
            #expect(once.steps <= 4 * once.bytes, "\(once.steps) steps for \(once.bytes) bytes")
            #expect(
                Double(twice.steps) / Double(twice.bytes) <= 1.1 * Double(once.steps)
                    / Double(once.bytes))
        }
    }

    /// As many levels as a topic can have, against filters that go level by level.
    @Test func aTopicOfSixtyThousandLevelsIsMatchedInOnePass() throws {
        let slashes = String(repeating: "/", count: 65_000)
        let name = try TopicName(slashes)
        #expect(name.levels.count == 65_001)
        #expect(try TopicFilter("#").matches(name))
        #expect(try TopicFilter("/" + String(repeating: "+/", count: 30_000) + "#").matches(name))
        #expect(try !TopicFilter(String(repeating: "+/", count: 30_000) + "x").matches(name))
    }
}
