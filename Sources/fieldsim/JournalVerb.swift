import Base
import Platform
import Spool

/// The journal alone under load: the gateway's own journal and disk code, a clock that runs as fast
/// as the disk allows, and figures at the end. For benchmarks, and for backlogs to try a start
/// with.
enum JournalVerb {
    static let verb = Verb(
        "journal", "DIR",
        summary: "fill a journal directory as a gateway would, as fast as the disk allows",
        details: """
            Records go in --commit at a time, one commit a simulated second. With --settle all of them are
            acknowledged, as with a bridge that is there; without, they stay: a backlog.
            Prints one JSON object: what was written, by the journal's own count, and how long it took.
            """,
        options: [
            Option("records", "N", "how many (default 10000)"),
            Option("size", "BYTES", "length of a record's body (default 200)"),
            Option("commit", "N", "records in a commit (default 50)"),
            Option("devices", "N", "devices they belong to, in turn (default 10)"),
            Option("max-bytes", "BYTES", "bound of the journal (default 67108864)"),
            Option(
                "identity", "TEXT",
                "whose journal: project/registry/gateway (default //gw-1, a plain broker's)"),
            Option("settle", nil, "acknowledge every record"),
            Option("announce", nil, "print a line SEQ BODY for each record once it is durable"),
        ]
    ) { arguments in
        guard arguments.positional.count == 1 else {
            throw Arguments.Misuse(message: "one DIR is needed")
        }
        var load = try JournalLoad(
            directory: arguments.positional[0],
            identity: arguments["identity"] ?? "//gw-1",
            maxBytes: try arguments.integer(
                "max-bytes", in: (1 << 20)...(1 << 40), default: 64 << 20),
            devices: try arguments.integer("devices", in: 1...1000, default: 10),
            size: try arguments.integer("size", in: 16...60_000, default: 200))
        load.settles = arguments.has("settle")
        load.announces = arguments.has("announce")
        let records = try arguments.integer("records", in: 1...100_000_000, default: 10_000)
        return try load.run(
            records: records,
            perCommit: try arguments.integer("commit", in: 1...10_000, default: 50))
    }
}

/// A journal on a real disk, driven from here.
struct JournalLoad {
    private let disk: DiskExecutor
    private var spool: Journal
    private var now = Clock.now()
    private let devices: [DeviceID]
    private let filler: String
    private var failure: String?
    var settles = false
    var announces = false

    init(directory: String, identity: String, maxBytes: Int, devices count: Int, size: Int) throws {
        let name = String(identity.split(separator: "/").last ?? "gw-1")
        guard let gateway = try? DeviceID(name) else {
            throw Arguments.Misuse(message: "\(identity) names no gateway")
        }
        disk = DiskExecutor([.spool: directory])
        spool = Journal(
            Journal.Settings(identity: identity, gateway: gateway, maxBytes: maxBytes, share: 1),
            bootID: Machine.bootID(), seed: Machine.seed())
        devices = (1...count).compactMap { try? DeviceID("node-\($0)") }
        filler = String(repeating: "x", count: max(size - 34, 0))
    }

    mutating func run(records: Int, perCommit: Int) throws -> ExitCode {
        let started = Clock.instant
        spool.start(at: now)
        carryOut()
        let recovered = Clock.instant - started
        spool.anchor(at: now)
        var index = 0
        while index < records, failure == nil {
            for _ in 0..<min(perCommit, records - index) {
                append(index)
                index += 1
            }
            pass(.seconds(1))
            if settles || announces { settle() }
        }
        spool.drain(at: now)
        carryOut()
        if let failure {
            Console.complain(failure)
            return .unavailable
        }
        report(records, recovered, Clock.instant - started)
        return .ok
    }

    private mutating func append(_ index: Int) {
        // 34 bytes with the quotes for the first million.
        let number = String(1_000_000 + index % 1_000_000_000).suffix(10)
        let body = "\"values\":{\"count\":\(number),\"text\":\"\(filler)\"}"
        spool.append(
            Entry(device: devices[index % devices.count], body: Array(body.utf8), at: now), at: now)
        carryOut()
    }

    private mutating func carryOut() {
        while let output = spool.next() {
            switch output {
            case .disk(let request): spool.completed(request.ticket, disk.execute(request), at: now)
            case .notice(let notice): if notice.level < .info { Console.complain(notice.message) }
            case .failed(let reason): failure = reason
            }
        }
    }

    private mutating func pass(_ duration: Duration) {
        let end = now + duration
        while let due = spool.deadline?.due, due <= end.instant {
            if due > now.instant { now = now + (due - now.instant) }
            spool.timeout(at: now)
            carryOut()
        }
        now = end
    }

    private mutating func settle() {
        while let device = spool.readyDevices.first, let record = spool.take(device, at: now) {
            if announces {
                Console.say(
                    "\(record.seq) \(record.device) \(String(decoding: record.body, as: UTF8.self))"
                )
            }
            if settles { spool.settle(record.seq, at: now) }
            carryOut()
        }
    }

    private func report(_ records: Int, _ recovered: Duration, _ elapsed: Duration) {
        let figures = spool.statistics
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("records", records)
            writer.member("commits", figures.commits)
            writer.member("bytesWritten", figures.bytesWritten)
            writer.member("waiting", spool.waiting)
            writer.member("dropped", figures.dropped)
            writer.member("segments", figures.segments)
            writer.member("recoverySeconds", recovered.secondsValue)
            writer.member("seconds", elapsed.secondsValue)
        }
        Console.say(writer.text)
    }
}
