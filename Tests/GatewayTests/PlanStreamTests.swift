import Adapter
import Base
import Drivers
import Gateway
import MQTT
import TestKit
import Testing

/// A stream of documents and reloads touches only what differs.
@Suite struct PlanStreamTests {
    private static func nodes(_ count: Int) -> String {
        (1...count).map {
            "\"dev-\($0)\": { unit: \($0), every: \"10s\", points: { a: { holding: \($0) } } },"
        }.joined(separator: " ")
    }

    private static func polls(_ world: ConfigWorld, _ unit: Int, from start: Instant) -> [Instant] {
        world.asked.filter { Int($0.address) == unit && $0.at >= start }.map(\.at)
    }

    /// Every two seconds a document for dev-1: of the other four nobody was read any more.
    @Test func documentsForOneDeviceLeaveTheOthersInTheirGrid() throws {
        var world = try ConfigWorld(Self.nodes(5))
        world.run(for: .seconds(20))
        let start = world.now.instant
        let states = world.published.count {
            $0.topic.text.hasSuffix("/state") && !$0.topic.text.contains("dev-1/")
        }
        for round in 0..<20 as Range<UInt16> {
            try world.config(
                "dev-1", "{\"every\":\"\(round % 2 == 0 ? 20 : 10)s\"}", id: 100 + round)
            world.run(for: .seconds(2))
        }
        for unit in 2...5 {
            #expect(Self.polls(world, unit, from: start).count == 4, "dev-\(unit)")
        }
        #expect((2...4).contains(Self.polls(world, 1, from: start).count))
        #expect(
            world.published.count {
                $0.topic.text.hasSuffix("/state") && !$0.topic.text.contains("dev-1/")
            } == states)
    }

    /// Documents and reloads at random, every 0.1 to 10 s.
    @Test(arguments: Effort.cases(6)) func anyStreamLeavesWhoIsNotMeantInHisGrid(_ seed: Int) throws
    {
        var random = RandomSource(seed: UInt64(seed) + 5)
        var world = try ConfigWorld(Self.nodes(8))
        world.run(for: .seconds(20))
        let start = world.now.instant
        var without: Set<Int> = []
        var id: UInt16 = 100
        while world.now.instant < start + .seconds(200) {
            let unit = 5 + Int(random.next() % 4)
            id += 1
            switch random.next() % 6 {
            case 0:
                if without.remove(unit) == nil { without.insert(unit) }
                let all = (1...8).filter { !without.contains($0) }
                    .map {
                        "\"dev-\($0)\": { unit: \($0), every: \"10s\", points: { a: { holding: \($0) } } },"
                    }
                try world.reload(all.joined(separator: " "))
            case 1: try world.config("dev-\(unit)", "{\"enabled\":false}", id: id)
            case 2: try world.config("dev-\(unit)", "{\"report\":\"change\"}", id: id)
            case 3: try world.config("dev-\(unit)", "", id: id)
            default:
                try world.config(
                    "dev-\(unit)", "{\"every\":\"\([10, 15, 30][Int(random.next() % 3)])s\"}",
                    id: id)
            }
            world.run(for: .milliseconds(100 + Int64(random.next() % (seed % 2 == 0 ? 400 : 9900))))
        }
        for unit in 1...8 {
            let times = Self.polls(world, unit, from: start - .seconds(15))
            let gaps = zip(times, times.dropFirst()).map { $1 - $0 }
            #expect(
                gaps.allSatisfy { $0 >= .milliseconds(9500) }, "seed \(seed): dev-\(unit): \(gaps)")
            if unit < 5 {
                #expect(
                    gaps.allSatisfy { $0 <= .milliseconds(10_500) },
                    "seed \(seed): dev-\(unit): \(gaps)")
            }
        }
    }
}

@Suite struct NarrowingTests {
    private static func every(
        _ documents: [(device: String?, text: String)], _ device: String, _ point: String
    ) throws -> Duration? {
        let configuration = try #require(
            Samples.read(Samples.withNodes(ConfigDocumentTests.nodes)).0)
        let reader = NarrowingReader(configuration.ports, logLevel: configuration.logLevel)
        let narrowings = try documents.map {
            try reader.read(Array($0.text.utf8), of: try $0.device.map { try DeviceID($0) })
        }
        let (port, unread) = configuration.ports[0].narrowed(by: narrowings)
        let id = try DeviceID(device)
        if unread[id]?.contains(ByteString(point)) == true { return nil }
        return port.nodes.first { $0.device == id }?.points.first { $0.name == ByteString(point) }?
            .interval
    }

    @Test func theMoreSpecialStandsAndTwoDocumentsBothHold() throws {
        let own =
            (device: "meter-1", text: #"{"every":"1m","points":{"b":{"every":"5s"}}}"#)
            as (String?, String)
        #expect(try Self.every([own], "meter-1", "a") == .seconds(60))
        #expect(try Self.every([own], "meter-1", "b") == .seconds(5))
        #expect(try Self.every([own], "meter-2", "level") == .seconds(5))
        let all =
            (nil, #"{"every":"10s","nodes":{"meter-2":{"every":"30s"}}}"#) as (String?, String)
        #expect(try Self.every([all], "meter-1", "a") == .seconds(10))
        #expect(try Self.every([all], "meter-2", "level") == .seconds(30))
        #expect(try Self.every([all, own], "meter-1", "b") == .seconds(10))
        #expect(try Self.every([own, all], "meter-1", "a") == .seconds(60))
        let off =
            (nil, #"{"nodes":{"meter-1":{"enabled":false,"points":{"a":{"enabled":true}}}}}"#)
            as (String?, String)
        #expect(try Self.every([off], "meter-1", "a") == nil)
    }
}
