import Base
import Gateway
import MQTT
import Testing

/// `batch`: several readings of a device in one message.
@Suite struct BatchTests {
    private static let nodes = ConfigDocumentTests.nodes

    /// The numbers in each message on a device's events.
    private func records(_ world: ConfigWorld, _ device: String) throws -> [[Int64]] {
        try world.texts("/devices/\(device)/events").map { text in
            let items = try #require(try JSONReader.parse(text).array, "\(text)")
            return items.compactMap { $0["seq"]?.integer }
        }
    }

    private func expectAllInOrder(
        _ messages: [[Int64]], _ location: SourceLocation = #_sourceLocation
    ) {
        let all = messages.flatMap(\.self)
        #expect(
            all == all.sorted() && Set(all).count == all.count, "\(all)", sourceLocation: location)
    }

    @Test func aMessageIsAnArrayOfWhatGatheredInTheMeantime() throws {
        var world = try ConfigWorld(
            Self.nodes, bridge: #"batch: { maxDelay: "10s", maxBytes: "4KiB" },"#)
        world.run(for: .seconds(60))
        let messages = try records(world, "meter-1")
        #expect((5...7).contains(messages.count), "\(messages)")
        #expect(messages.dropFirst().allSatisfy { (9...12).contains($0.count) }, "\(messages)")
        expectAllInOrder(messages)
        #expect(try records(world, "meter-2").dropFirst().allSatisfy { (2...3).contains($0.count) })
    }

    @Test func aMessageIsNoLargerThanItMayBeAndAFullOneDoesNotWait() throws {
        var world = try ConfigWorld(
            Self.nodes, bridge: #"batch: { maxDelay: "1m", maxBytes: "400B" },"#)
        world.run(for: .seconds(30))
        let sizes = world.published.filter { $0.topic.text == "/devices/meter-1/events" }.map(
            \.payload.count)
        #expect(
            sizes.count >= 6 && sizes.allSatisfy { $0 <= 400 } && (sizes.max() ?? 0) > 250,
            "\(sizes)")
        expectAllInOrder(try records(world, "meter-1"))
    }

    @Test func aPriorityPointTakesWhatWaitsAlongAtOnce() throws {
        var world = try ConfigWorld(
            #""pump-1": { unit: 1, every: "1s", points: { a: { holding: 0 }, b: { holding: 50, every: "7s", priority: true } } },"#,
            bridge: #"batch: { maxDelay: "1m" },"#)
        world.run(for: .seconds(30))
        let messages = try records(world, "pump-1")
        #expect((4...6).contains(messages.count), "\(messages)")
        expectAllInOrder(messages)
    }

    /// Somebody waits for the result of a command, and parses one object.
    @Test func aCommandsResultIsAMessageOfItsOwnAndWaitsForNothing() throws {
        var world = try ConfigWorld(
            #""pump-1": { unit: 1, every: "1s", points: { a: { holding: 0, writable: { min: 0, max: 9 } } } },"#,
            bridge: #"batch: { maxDelay: "1m" },"#)
        world.run(for: .seconds(5))
        try world.command("pump-1", #"{"id":"c-1","write":{"a":77}}"#, id: 3)
        world.run(for: .seconds(1))
        let results = world.texts("/devices/pump-1/events/commands")
        let result = try JSONReader.parse(try #require(results.first))
        #expect(results.count == 1 && result["id"]?.string == "c-1")
        #expect(try records(world, "pump-1").count == 1, "what stood before it has gone before it")
        for text in world.texts("/devices/gw-1/events/health") { #expect(text.hasPrefix("{")) }
    }

    @Test func whatWaitsLeavesWithTheGateway() throws {
        var world = try ConfigWorld(Self.nodes, bridge: #"batch: { maxDelay: "1h" },"#)
        world.run(for: .seconds(20))
        #expect(try records(world, "meter-1") == [])
        world.terminate()
        world.run(for: .seconds(5))
        #expect(try records(world, "meter-1").flatMap(\.self).count >= 19)
    }

    /// One PUBACK settles all of a message: nothing of it is in the journal's way any more.
    @Test func onePubackSettlesTheWholeMessage() throws {
        var world = try ConfigWorld(Self.nodes, bridge: #"batch: { maxDelay: "5s" },"#)
        world.isSilent = true
        world.run(for: .seconds(12))
        #expect(try records(world, "meter-1").flatMap(\.self).count > 8)
        let before = world.waiting()
        world.isSilent = false
        // Sent again with DUP after the acknowledgement's time.
        world.run(for: .seconds(20))
        let after = world.waiting()
        #expect(before > 10 && (0..<10).contains(after), "\(before), then \(after)")
    }

    @Test func theBoundsOfABatchAreRead() throws {
        let (good, problems) = Samples.read(
            Samples.withNodes(Self.nodes).replacing(
                "gateway: \"gw-1\"", with: #"gateway: "gw-1", batch: { maxDelay: "2s" }"#))
        #expect(problems.isEmpty)
        #expect(
            good?.bridge.batch
                == Configuration.Bridge.Batch(maxDelay: .seconds(2), maxBytes: 64 << 10))
        let (_, refused) = Samples.read(
            Samples.withNodes(Self.nodes).replacing(
                "gateway: \"gw-1\"", with: #"gateway: "gw-1", batch: { maxBytes: "300KiB" }"#))
        #expect(refused.contains { $0.description.contains("maxBytes") }, "\(refused)")
    }
}
