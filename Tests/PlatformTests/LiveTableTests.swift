import Platform
import Testing

/// What fills a terminal's window: widths, keys and the table between them.
@Suite struct LiveTableTests {
    private static let columns = [
        TextTable.Column("port"), TextTable.Column("unit", isNumber: true),
        TextTable.Column("device", rank: 1),
        TextTable.Column("requests/s", isNumber: true, rank: 2),
        TextTable.Column(""),
    ]

    private static let rows = (1...60).map { unit in
        LiveTable.Row(
            ["bus-a", "\(unit)", "meter-\(unit)", "\(unit).5", "last answer 2 s ago"],
            numbers: [1: Double(unit), 3: Double(unit % 7)])
    }

    @Test func numbersEndAtOnePlace() {
        let lines = TextTable(
            Self.columns,
            [
                ["bus-a", "1", "meter-1", "0.5", ""], ["bus-b", "247", "x", "12.5", "note"],
            ]
        ).lines()
        #expect(
            lines == [
                "port   unit  device   requests/s",
                "bus-a     1  meter-1         0.5",
                "bus-b   247  x              12.5  note",
            ])
    }

    @Test(arguments: [10, 20, 39, 40, 60, 80, 200])
    func nothingIsWiderThanTheTerminal(_ width: Int) {
        let names = ["Zähler 1", "温度計", "e\u{301}tage", String(repeating: "x", count: 255)]
        let rows = names.map { ["bus-a", "1", $0, "1.5", "a note that is quite long indeed"] }
        let lines = TextTable(Self.columns, rows).lines(within: width)
        for line in lines { #expect(TextWidth.of(line) <= width, "\(line)") }
        if width >= 60 { #expect(lines[1].hasPrefix("bus-a     1")) }
    }

    @Test func theLeastImportantColumnsGoFirst() {
        let rows = [["bus-a", "1", "meter-1", "0.5", "a note"]]
        func titles(_ width: Int) -> [Substring] {
            TextTable(Self.columns, rows).lines(within: width)[0].split(separator: " ")
        }
        #expect(titles(80) == ["port", "unit", "device", "requests/s"])
        #expect(titles(35) == ["port", "unit", "device"])
        #expect(titles(24) == ["port", "unit"])
    }

    @Test func namesAreCutBeforeTheyAreLeftOut() {
        let columns = [
            TextTable.Column("port", least: 5), TextTable.Column("unit", isNumber: true),
            TextTable.Column("device", rank: 1, least: 6),
            TextTable.Column("requests/s", isNumber: true, rank: 2), TextTable.Column("note"),
        ]
        let rows = [["line-north", "17", "inverter-12", "0.5", "a note"]]
        func lines(_ width: Int) -> [String] {
            TextTable(columns, rows).lines(within: width)
        }
        #expect(lines(53)[1] == "line-north    17  inverter-12         0.5  a note")
        // A rate goes before a name is cut, and a name is cut before it goes.
        #expect(lines(43)[1] == "line-north    17  inverter-12  a note")
        #expect(lines(34)[1] == "line-north    17  inverte…  a note")
        #expect(lines(32)[1] == "line-north    17  inver…  a note")
        #expect(lines(31)[1] == "line-north    17  a note")
        #expect(lines(21)[1] == "line-n…    17  a note")
        #expect(lines(21)[0] == "port     unit  note")
        #expect(lines(12)[1].hasPrefix("line…"))
    }

    /// A sentence at the end is worth more than numbers, and less than names.
    @Test func theLastColumnHasItsRoomBeforeColumnsOfAHigherRank() {
        let columns = [
            TextTable.Column("unit"), TextTable.Column("device", rank: 1, least: 6),
            TextTable.Column("requests/s", isNumber: true, rank: 2),
            TextTable.Column("timeouts/s", isNumber: true, rank: 3),
            TextTable.Column("note", rank: 1, least: 20),
        ]
        let note = "no answer to 12 requests in a row"
        func lines(_ width: Int) -> [String] {
            TextTable(columns, [["17", "meter-17", "0.5", "0.1", note]]).lines(within: width)
        }
        #expect(lines(60)[0] == "unit  device    requests/s  timeouts/s  note")
        #expect(lines(60)[1].hasSuffix("no answer to 12 req…"))
        #expect(lines(59)[0] == "unit  device    requests/s  note")
        #expect(lines(47)[1].hasPrefix("17    meter-17  no answer"))
        #expect(lines(24)[1] == "17    meter-17  no answ…")
        #expect(lines(23)[1] == "17    meter-…  no answ…")
        #expect(lines(21)[0] == "unit  note")
    }

    @Test func aTextIsCutWithAMark() {
        #expect(TextWidth.cut("abcdef", to: 6) == "abcdef")
        #expect(TextWidth.cut("abcdef", to: 4) == "abc…")
        #expect(TextWidth.cut("温度計", to: 4) == "温…")
        #expect(TextWidth.cut("abc", to: 0).isEmpty)
    }

    // MARK: Keys

    private static let typed: [(String, [Key])] = [
        ("\u{1B}[A\u{1B}[B", [.up, .down]), ("\u{1B}[5~\u{1B}[6~", [.pageUp, .pageDown]),
        ("\u{1B}OH\u{1B}[4~", [.home, .end]),
        ("q/é", [.character("q"), .character("/"), .character("é")]),
        ("\r\u{7F}", [.enter, .backspace]), ("\u{1B}[1;5Aq", [.character("q")]),
        ("\u{1B}[200~x", [.character("x")]),
    ]

    @Test(arguments: typed.indices) func keysAreTheSameAtEverySplit(_ index: Int) {
        let (text, wanted) = Self.typed[index]
        let bytes = Array(text.utf8)
        for split in 0...bytes.count {
            var decoder = KeyDecoder()
            let keys = decoder.receive(bytes[..<split]) + decoder.receive(bytes[split...])
            #expect(keys == wanted, "split at \(split)")
        }
    }

    @Test func anEscapeAloneIsAKeyAfterAPause() {
        var decoder = KeyDecoder()
        var keys = decoder.receive([0x1B])
        #expect(keys.isEmpty)
        keys = decoder.pause()
        #expect(keys == [.escape])
        keys = decoder.pause()
        #expect(keys.isEmpty)
        keys = decoder.receive(Array("\u{1B}x".utf8))
        #expect(keys == [.escape, .character("x")])
        let endless = [0x1B, 0x5B] + [UInt8](repeating: 0x31, count: 10_000)
        keys = decoder.receive(endless)
        #expect(keys.count < 10_000)
    }

    // MARK: The table

    private func lines(
        _ table: inout LiveTable, height: Int = 24, width: Int = 80
    ) -> [String] {
        table.lines(
            ["head", ""], Self.columns, Self.rows, height: height, width: width, colours: false)
    }

    private func press(_ key: Key, _ table: inout LiveTable) {
        let stays = table.receive(key, columns: 5, page: 20)
        #expect(stays, "\(key)")
    }

    @Test func aWindowIsFilledExactlyAndScrolled() {
        var table = LiveTable()
        var shown = lines(&table)
        #expect(shown.count == 24 && shown[3].contains("meter-1 "))
        #expect(shown[23].hasPrefix("1-20 of 60"))
        press(.pageDown, &table)
        shown = lines(&table)
        #expect(shown[3].contains("meter-21 ") && shown[23].hasPrefix("21-40 of 60"))
        press(.end, &table)
        shown = lines(&table)
        #expect(shown[22].contains("meter-60 ") && shown[23].hasPrefix("41-60 of 60"))
        press(.up, &table)
        shown = lines(&table)
        #expect(shown[23].hasPrefix("40-59 of 60"))
        press(.home, &table)
        shown = lines(&table)
        #expect(shown[23].hasPrefix("1-20 of 60"))
        for (height, width) in [(1, 1), (3, 10), (5, 40), (100, 300)] {
            let window = lines(&table, height: height, width: width)
            #expect(window.count == max(height, 1), "\(height)")
            #expect(window.allSatisfy { TextWidth.of($0) <= width })
        }
    }

    @Test func rowsAreFilteredAndSorted() {
        var table = LiveTable()
        var shown: [String]
        for key in "/METER-6".map(Key.character) { _ = table.receive(key, columns: 5, page: 20) }
        shown = lines(&table)
        #expect(shown[23] == "filter: METER-6_")
        press(.enter, &table)
        shown = lines(&table)
        #expect(shown[23].hasPrefix("1-2 of 2, filter METER-6"))
        press(.escape, &table)
        for _ in 0..<2 { _ = table.receive(.character("s"), columns: 5, page: 20) }
        shown = lines(&table)
        #expect(shown[3].contains("meter-60") && shown[23].contains("by unit"))
        press(.character("r"), &table)
        shown = lines(&table)
        #expect(shown[3].contains("meter-1 "))
        let stays = table.receive(.character("q"), columns: 5, page: 20)
        #expect(!stays)
    }
}
