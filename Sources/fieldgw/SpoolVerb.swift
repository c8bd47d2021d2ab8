import Base
import Platform
import Spool

/// A look into a journal without the daemon, also while it runs: read-only.
enum SpoolVerb {
    static let verb = Verb(
        "spool", "list DIR", summary: "show what waits in a journal directory",
        details: "Reads a directory in use, copied or damaged; nothing is changed.",
        options: [
            Option("all", nil, "acknowledged records too"),
            Option("json", nil, "one JSON object a line, with the record's body"),
        ]
    ) { arguments in
        guard arguments.positional.first == "list" else {
            throw Arguments.Misuse(message: "spool list DIR is what there is")
        }
        guard arguments.positional.count == 2 else { throw Arguments.Misuse(message: "one DIR is needed") }
        return try list(arguments.positional[1], all: arguments.has("all"), json: arguments.has("json"))
    }

    private static func list(_ directory: String, all: Bool, json: Bool) throws -> ExitCode {
        let names: [String]
        do { names = try FileSystem.names(in: directory) } catch {
            Console.complain("\(directory): \(error.words)")
            return .noInput
        }
        let segments = names.sorted().filter { $0.hasPrefix("seg-") && $0.hasSuffix(".log") }
        guard !segments.isEmpty else {
            Console.complain("\(directory): no journal here: there is no file seg-*.log")
            return .noInput
        }
        var waiting = 0
        var unreadable = 0
        var shown = 0
        var lost = 0
        for name in segments {
            let reader: SegmentReader
            do { reader = try SegmentReader(try FileSystem.read("\(directory)/\(name)", limit: 16 << 20)) } catch {
                let words = (error as? Segment.HeaderError)?.sentence ?? (error as? SystemFailure)?.words ?? "\(error)"
                Console.complain("\(directory)/\(name): \(words)")
                unreadable += 1
                continue
            }
            waiting += reader.waiting
            for each in reader.damage {
                lost += each.lost
                Console.complain("\(directory)/\(name): damaged from byte \(each.range.lowerBound) to "
                    + "\(each.range.upperBound): \(each.lost) records lost")
            }
            for item in reader.items where all || !item.settled {
                shown += 1
                Console.say(json ? line(item) : row(item))
            }
        }
        Console.complain("\(waiting) records wait for the bridge" + (lost > 0 ? ", \(lost) lost to damage" : ""))
        return lost + unreadable > 0 ? .badData : .ok
    }

    private static func row(_ item: SegmentReader.Item) -> String {
        let record = item.record
        let folder = record.subfolder.isEmpty ? "events" : "events/\(record.subfolder)"
        return "\(record.seq)  \(record.at.wall.timestamp)\(record.clockTrusted ? "" : " unsynced")  "
            + "\(item.settled ? "settled" : "waiting")  \(record.device)  \(folder)  "
            + Notice.printable(record.body)
    }

    private static func line(_ item: SegmentReader.Item) -> String {
        let record = item.record
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("seq", record.seq)
            writer.member("ts", record.at.wall)
            if !record.clockTrusted { writer.member("clock", "unsynced") }
            writer.member("device", record.device.text)
            writer.member("subfolder", record.subfolder)
            writer.member("settled", item.settled)
            writer.raw(record.body)
        }
        return writer.text
    }
}
