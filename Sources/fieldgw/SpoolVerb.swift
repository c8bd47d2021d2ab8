import Base
import Platform
import Spool

/// A look into a journal without the daemon, also while it runs, on a copy and on a damaged one.
enum SpoolVerb {
    static let verb = Verb(
        "spool", "list|verify|export|wipe DIR",
        summary: "look into a journal directory, check it, take its records out, empty it",
        details: """
            list    what waits for the bridge, a line each
            verify  every file with its records and its damage; exit code 65 if records are lost
            export  the records as JSON lines, or as CSV with a row for each value
            wipe    removes all records; refused while a gateway uses the directory

            All but wipe only read, also while the gateway runs, on a copied directory and on a damaged one.
            """,
        options: [
            Option("all", nil, "list and export: acknowledged records too"),
            Option("json", nil, "list and verify: one JSON object a line"),
            Option("format", "jsonl|csv", "export: JSON lines (default) or CSV"),
            Option("device", "ID", "list and export: this device's records alone"),
            Option("yes", nil, "wipe: do not ask, the records are not wanted"),
        ]
    ) { arguments in
        guard let action = arguments.positional.first else {
            throw Arguments.Misuse(
                message: "one of list, verify, export and wipe is needed, and a DIR")
        }
        guard let run = actions[action] else {
            let near = Suggestion.nearest(to: action, in: actions.keys.sorted())
            throw Arguments.Misuse(
                message: "spool has no \"\(action)\""
                    + (near.map { "; did you mean \"\($0)\"?" }
                        ?? "; there are list, verify, export and wipe"))
        }
        guard arguments.positional.count == 2 else {
            throw Arguments.Misuse(message: "one DIR is needed")
        }
        return try run(arguments.positional[1], arguments)
    }

    private typealias Action = @Sendable (String, Arguments) throws -> ExitCode
    private static let actions: [String: Action] = [
        "list": list, "verify": verify, "export": export, "wipe": wipe,
    ]

    @Sendable private static func list(_ path: String, _ arguments: Arguments) throws -> ExitCode {
        let isJSON = arguments.has("json")
        return try show(path, arguments) { isJSON ? SpoolRows.json($0) : SpoolRows.text($0) }
    }

    @Sendable private static func export(_ path: String, _ arguments: Arguments) throws -> ExitCode
    {
        switch arguments["format"] ?? "jsonl" {
        case "jsonl", "json": return try show(path, arguments) { SpoolRows.json($0) }
        case "csv":
            Console.say(SpoolRows.csvHeader)
            return try show(path, arguments) { SpoolRows.csv($0) }
        case let other: throw Arguments.Misuse(message: "--format is jsonl or csv, not \(other)")
        }
    }

    private static func show(
        _ path: String, _ arguments: Arguments, _ row: (SegmentReader.Item) -> String
    ) throws -> ExitCode {
        let folder = try SpoolFolder(path)
        let device = arguments["device"]
        var (waiting, unreadable, lost) = (0, 0, 0)
        folder.forEach { file in
            switch file.content {
            case .failure(let words):
                Console.complain("\(path)/\(file.name): \(words)")
                unreadable += 1
                lost += file.missing
            case .empty: break
            case .success(let reader):
                waiting += reader.waiting
                lost += report(reader, file, path)
                for item in reader.items where arguments.has("all") || !item.settled {
                    guard device == nil || item.record.device.text == device else { continue }
                    let text = row(item)
                    if !text.isEmpty { Console.say(text) }
                }
            }
        }
        Console.complain(
            Plural.text(waiting, "record waits", "records wait") + " for the bridge"
                + (lost > 0 ? ", \(lost) lost to damage" : ""))
        return lost + unreadable > 0 ? .badData : .ok
    }

    /// Tells a file's damage; answers how many records it cost.
    private static func report(
        _ reader: SegmentReader, _ file: SpoolFolder.File, _ path: String
    ) -> Int {
        for each in reader.damage where each.lost > 0 {
            Console.complain(
                "\(path)/\(file.name): damaged from byte \(each.range.lowerBound) to "
                    + "\(each.range.upperBound): \(Plural.text(each.lost, "record")) lost")
        }
        if file.missing > 0 {
            Console.complain(
                "\(path)/\(file.name): \(Plural.text(file.missing, "record")) lost at its end")
        }
        return reader.damage.reduce(file.missing) { $0 + $1.lost }
    }

    @Sendable private static func verify(_ path: String, _ arguments: Arguments) throws -> ExitCode
    {
        let folder = try SpoolFolder(path)
        var (files, records, waiting, lost, unreadable) = (0, 0, 0, 0, 0)
        folder.forEach { file in
            files += 1
            switch file.content {
            case .failure(let words):
                unreadable += 1
                lost += file.missing
                if arguments.has("json") {
                    var writer = JSONWriter()
                    writer.object {
                        $0.member("file", file.name)
                        $0.member("error", words)
                        $0.member("lost", file.missing)
                    }
                    Console.say(writer.text)
                } else {
                    Console.say("\(file.name)  unreadable: \(words)")
                }
            case .empty:
                if !arguments.has("json") {
                    Console.say("\(file.name)  \(Segment.HeaderError.empty.sentence)")
                }
            case .success(let reader):
                records += reader.items.count
                waiting += reader.waiting
                lost += reader.damage.reduce(file.missing) { $0 + $1.lost }
                Console.say(
                    arguments.has("json")
                        ? SpoolRows.verdictJSON(reader, file) : SpoolRows.verdict(reader, file))
            }
        }
        for name in folder.aside {
            Console.complain("\(path)/\(name): set aside as damaged, not read")
        }
        let verdict =
            lost + unreadable == 0
            ? "clean"
            : "\(Plural.text(lost, "record")) lost, \(Plural.text(unreadable, "file")) unreadable"
        Console.complain(
            "\(Plural.text(files, "file")), \(Plural.text(records, "record")), \(waiting) waiting: \(verdict)"
        )
        return lost + unreadable > 0 ? .badData : .ok
    }

    @Sendable private static func wipe(_ path: String, _ arguments: Arguments) throws -> ExitCode {
        let folder = try SpoolFolder(path)
        guard arguments.has("yes") else {
            Console.complain(
                "\(path): \(Plural.text(folder.names.count + folder.aside.count, "file")) would be removed, waiting "
                    + "records with them; say --yes")
            return .usage
        }
        // Through the daemon's own hands: its lock, its names, its directory sync.
        let disk = DiskExecutor([.spool: path])
        defer { disk.close() }
        func perform(_ operation: DiskRequest.Operation) -> DiskFailure? {
            if case .failure(let failure) = disk.execute(
                DiskRequest(ticket: 0, volume: .spool, operation))
            {
                return failure
            }
            return nil
        }
        if let failure = perform(.open) {
            Console.complain(failure.detail)
            return failure.kind == .locked ? .unavailable : .inputOutput
        }
        var removed = 0
        for name in folder.names + folder.aside {
            let read = disk.execute(
                DiskRequest(
                    ticket: 0, volume: .spool, .read(name: name, offset: 0, count: 16 << 10)))
            if case .success(.bytes(let bytes)) = read, !Segment.isBeginning(bytes),
                (try? Segment.anyHeader(bytes)) == nil
            {
                Console.complain("\(path)/\(name) is no file of a journal: it is left alone")
                continue
            }
            if let failure = perform(.remove(name: name)), failure.kind != .missing {
                Console.complain(failure.detail)
                return .inputOutput
            }
            removed += 1
        }
        if let failure = perform(.open) { Console.complain(failure.detail); return .inputOutput }
        Console.complain(Plural.text(removed, "file") + " removed")
        return .ok
    }
}
