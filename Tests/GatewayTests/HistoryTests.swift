import Base
import Gateway
import TestKit
import Testing

/// The past in memory: what was read, and gaps where nothing was.
@Suite struct HistoryTests {
    private struct Row: Equatable {
        var at: Int64
        var last, low, high: Double
        var count: Int64
    }

    private func rows(
        _ world: inout DoorWorld, _ query: String, _ point: ByteString = "a"
    ) throws -> [Row] {
        let reply = try world.ask("/api/v1/history?\(query)")
        #expect(reply.status == 200, "\(reply.text)")
        return try (reply.json["points"]?[point]?["buckets"]?.array ?? []).map { row in
            let items = row.array ?? []
            return Row(
                at: try #require(items[0].integer), last: try #require(items[1].double),
                low: try #require(items[2].double),
                high: try #require(items[3].double), count: try #require(items[4].integer))
        }
    }

    private static func node(_ every: String) -> String {
        "\"meter-1\": { unit: 1, every: \"\(every)\", points: { a: { holding: 0, units: \"W\" }, name: { holding: 1, map: { 1: \"x\" } } } }"
    }

    @Test func bucketsTellSmallestLargestLastAndCount() throws {
        var world = try DoorWorld(nodes: Self.node("2s"))
        world.run(for: .seconds(120))
        let rows = try rows(&world, "device=meter-1&point=a")
        #expect(rows.count >= 12)
        for row in rows.dropFirst().dropLast() {
            #expect(row.count == 5 && row.high - row.low == 4 && row.last == row.high, "\(row)")
        }
        for (row, next) in zip(rows, rows.dropFirst()) {
            #expect(next.at - row.at == 10_000 && next.low > row.high)
        }
        let now = DoorWorld.epoch.wall.milliseconds + 120_000
        let last = try #require(rows.last)
        #expect((now - 10_001...now).contains(last.at))
    }

    @Test func silenceIsAGap() throws {
        var world = try DoorWorld(nodes: Self.node("2s"))
        world.run(for: .seconds(60))
        world.silent = [1]
        world.run(for: .seconds(120))
        world.silent = []
        world.run(for: .seconds(120))
        let times = try rows(&world, "device=meter-1&point=a").map(\.at)
        let widest = try #require(zip(times, times.dropFirst()).map { $1 - $0 }.max())
        #expect(widest >= 120_000, "\(times)")
    }

    /// The last hour is kept in buckets of 10 s, what is older in buckets of 5 min.
    @Test func whatIsOlderThanAnHourIsKeptToo() throws {
        var world = try DoorWorld(
            "listen: \"127.0.0.1:8420\", history: { keep: \"4h\" }", nodes: Self.node("30s"))
        world.run(for: .seconds(6 * 3600 + 7))
        let day = try rows(
            &world, "device=meter-1&point=a&step=5m&from=\(DoorWorld.epoch.wall.milliseconds)")
        #expect((47...49).contains(day.count), "\(day.count)")
        for (row, next) in zip(day, day.dropFirst()) {
            #expect(next.at - row.at == 300_000 && next.low > row.high)
        }
        for row in day.dropFirst().dropLast() {
            #expect(row.count == 10 && row.last == row.high, "\(row)")
        }
        let hour = try rows(&world, "device=meter-1&point=a")
        #expect((118...122).contains(hour.count), "\(hour.count)")
        // A time that has nothing in it.
        #expect(
            try rows(&world, "device=meter-1&point=a&to=\(DoorWorld.epoch.wall.milliseconds)").count
                <= 1)
        #expect(try rows(&world, "device=meter-1&point=a&from=2100-01-01T00:00:00Z").count <= 1)
    }

    /// Points that stay keep their past, wherever they stand in the new file.
    @Test func aReloadKeepsThePast() throws {
        var world = try DoorWorld(nodes: Self.node("2s"))
        world.run(for: .seconds(100))
        let before = try rows(&world, "device=meter-1&point=a")
        let other = "\"first-0\": { unit: 2, points: { a: { holding: 0 }, b: { holding: 1 } } }, "
        try world.reload("listen: \"127.0.0.1:8420\"", nodes: other + Self.node("2s"))
        let after = try rows(&world, "device=meter-1&point=a")
        #expect(
            before.count > 8 && Array(after.prefix(before.count - 1)) == Array(before.dropLast()))
        #expect(try rows(&world, "device=first-0&point=b").isEmpty)
    }

    @Test func itCanBeOffAndWrongQuestionsAreRefused() throws {
        var world = try DoorWorld()
        for query in [
            "", "device=meter-2", "device=meter-1&point=z", "device=meter-1&from=yesterday",
            "device=meter-1&step=0",
        ] {
            let reply = try world.ask("/api/v1/history?\(query)")
            #expect(
                reply.status == 400 && reply.text.contains("\"error\""), "\(query): \(reply.text)")
        }
        var other = try DoorWorld("listen: \"127.0.0.1:8420\", history: false")
        #expect(try other.ask("/api/v1/history?device=meter-1").status == 404)
    }

    @Test(
        arguments: [
            ("8MiB", 1000, nil), ("8MiB", 2000, "the last 53m is kept"),
            ("64KiB", 2000, "nothing is kept"),
        ] as [(String, Int, String?)])
    func whatDoesNotFitIsToldBefore(_ size: String, _ count: Int, _ part: String?) throws {
        let points = (0..<count).map { "p\($0): { holding: \($0) }" }.joined(separator: ", ")
        let text = DoorWorld.text(
            "listen: \"127.0.0.1:80\", history: { keep: \"24h\", maxBytes: \"\(size)\" }",
            "\"m-1\": { unit: 1, points: { \(points) } }")
        let told = Samples.read(text).1.filter { $0.message.contains("history") }
        #expect(told.isEmpty == (part == nil), "\(told)")
        if let part { #expect(told.first?.message.contains(part) == true, "\(told)") }
    }
}
