import Base
import MQTT
import Testing

@Suite struct TopicTests {
    /// The examples of section 4.7, and the corners around them.
    static let matches: [(filter: String, topic: String, expected: Bool)] = [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
        ("sport/tennis/player1/#", "sport/tennis/player10", false),
        ("sport/#", "sport", true), ("#", "a/b/c", true), ("#", "/", true), ("/#", "/a", true),
        ("/#", "a", false),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false), ("sport/+", "sport/", true),
        ("+/+", "/finance", true), ("/+", "/finance", true), ("+", "/finance", false),
        ("+", "finance", true),
        ("+/tennis/#", "sport/tennis", true), ("+/a/+", "x/a/y", true), ("+/a/+", "x/a/y/z", false),
        ("a/b", "a/b", true), ("a/b", "a/bc", false), ("a/bc", "a/b", false), ("A", "a", false),
        ("a//b", "a//b", true), ("a/+/b", "a//b", true), ("a/", "a/", true), ("a/", "a", false),
        ("a", "a/", false),
        ("#", "$SYS/x", false), ("+/x", "$SYS/x", false), ("$SYS/#", "$SYS/x", true),
        ("$SYS/+", "$SYS/x", true),
        ("/devices/gw/commands/#", "/devices/gw/commands", true),
        ("/devices/gw/commands/#", "/devices/gw/commands/a/b", true),
        ("/devices/gw/commands/#", "/devices/gw2/commands", false),
    ]

    @Test(arguments: matches) func matchesAsSection4_7Says(
        _ item: (filter: String, topic: String, expected: Bool)
    ) {
        #expect(filter(item.filter).matches(name(item.topic)) == item.expected)
    }

    /// The definition, level by level, on split texts.
    private func matchesByDefinition(_ filter: String, _ topic: String) -> Bool {
        if topic.hasPrefix("$"), filter.hasPrefix("+") || filter.hasPrefix("#") { return false }
        let filters = filter.split(separator: "/", omittingEmptySubsequences: false)
        let topics = topic.split(separator: "/", omittingEmptySubsequences: false)
        for (index, level) in filters.enumerated() {
            if level == "#" { return true }
            guard index < topics.count, level == "+" || level == topics[index] else { return false }
        }
        return filters.count == topics.count
    }

    @Test func matchesTheDefinitionOnRandomTexts() {
        var random = RandomSource(seed: 11)
        var agreed = 0
        for _ in 0..<30_000 {
            let levels = ["a", "b", "", "+", "$", "ab"]
            func pick(_ words: [String]) -> String {
                (0...Int(random.next() % 4)).map { _ in
                    words[Int(random.next() % UInt64(words.count))]
                }
                .joined(separator: "/")
            }
            var wanted = pick(levels)
            if random.chance(0.3) { wanted += "/#" }
            let topic = pick(["a", "b", "", "$", "ab"])
            guard let filter = try? TopicFilter(wanted), let name = try? TopicName(topic) else {
                continue
            }
            #expect(
                filter.matches(name) == matchesByDefinition(wanted, topic), "\(wanted) and \(topic)"
            )
            agreed += 1
        }
        #expect(agreed > 20_000)
    }

    @Test("Fault 32, 65,000 slashes in a topic: matched without recursion")
    func sixtyFiveThousandSlashesAreMatchedWithoutRecursion() {
        let slashes = String(repeating: "/", count: 65_535)
        let wild = String(repeating: "+/", count: 32_000) + "#"
        #expect(filter(slashes).matches(name(slashes)))
        #expect(filter(wild).matches(name(slashes)))
        #expect(name(slashes).levels.count == 65_536)
    }

    @Test func namesAndFiltersThatCannotBeBuilt() {
        func fault(_ build: () throws -> Void) -> ProtocolFault? {
            do { try build() } catch { return error as? ProtocolFault }
            return nil
        }
        #expect(fault { _ = try TopicName("") } == .emptyTopic)
        #expect(fault { _ = try TopicName("a/+") } == .wildcardInName)
        #expect(fault { _ = try TopicName("a\u{0}") } == .nullCharacter)
        #expect(
            fault { _ = try TopicName(String(repeating: "a", count: 65_536)) }
                == .topicTooLong(65_536))
        #expect(fault { _ = try TopicFilter("") } == .emptyTopic)
        for bad in ["a#", "#/a", "a/#/b", "##", "/a#"] {
            #expect(fault { _ = try TopicFilter(bad) } == .misplacedHash)
        }
        for bad in ["a+", "+a", "a/b+", "++"] {
            #expect(fault { _ = try TopicFilter(bad) } == .misplacedPlus)
        }
        for good in ["#", "+", "/", "+/+/#", "/+", "a/+/b/#", "\u{FEFF}"] {
            #expect(fault { _ = try TopicFilter(good) } == nil)
        }
    }
}
