import Base

/// One client's stream of server-sent events. In each round it is told what has changed since the
/// one before:
///
/// | event | data |
/// |---|---|
/// | `overview` | `{"gateway","version","ts","uptime","tally","problems","bridge","acknowledgeSeconds","spool"}`, every second |
/// | `ports` | `{"bus-a":{…}}` as in the status document, with `errors` of the last 60 minutes; behind `overview` |
/// | `values` | `{"ts","devices":{"meter-1":{"status","values":{"power":[1204.6,0.41]}}}}`: see below |
/// | `log` | `{"lines":[{"n","ts","level","subsystem","subject","message"}]}` |
///
/// A value comes with its age in seconds, and both are null before the first good one; a third item
/// is the reason why the point is bad.
///
/// The id of a round is that of the process and the number of its latest change: after
/// `Last-Event-ID` a new stream of the same process goes on from there.
struct LiveStream: SlicedDocument {
    private enum Stage {
        case idle
        case overview
        case ports(next: Int)
        case devices([DeviceID], next: Int)
        case log
        case end
    }

    private static let overviewInterval = Duration.seconds(1)
    /// Something is sent at least this often, so that a dead connection is noticed.
    private static let silenceMax = Duration.seconds(15)

    /// The number up to which the client has been told.
    private var seen: UInt64
    /// Every device is told, changed or not.
    private var isFull: Bool
    private var isFirst = true
    /// The number up to which this round tells.
    private var round: UInt64 = 0
    private var stage = Stage.idle
    private var overviewDue = Instant.zero
    private var spokenAt = Instant.zero

    /// - Parameter lastID: as the client gave it.
    init(_ gateway: Gateway, after lastID: ByteString?) {
        let parts = lastID?.split(0x2D, limit: 2) ?? []
        let isOurs = parts.count == 2 && parts[0] == Self.epoch(of: gateway)
        let number =
            isOurs
            ? UInt64(parts[1].string).flatMap { $0 <= gateway.door.feed.latest ? $0 : nil } : nil
        seen = number ?? 0
        isFull = number == nil
    }

    private static func epoch(of gateway: Gateway) -> ByteString {
        ByteString(String(gateway.doorEpoch, radix: 36))
    }

    mutating func slice(of gateway: Gateway, at now: Moment) -> DocumentSlice {
        var bytes: [UInt8] = []
        if isFirst {
            isFirst = false
            spokenAt = now.instant
            bytes += "retry: 2000\n\n".utf8
        }
        while bytes.count < DocumentSlice.sizeAimed {
            switch stage {
            case .idle: begin(gateway, at: now)
            case .overview:
                if overviewDue <= now.instant {
                    overviewDue = now.instant + Self.overviewInterval
                    Self.event("overview", to: &bytes) { gateway.writeOverview(&$0, at: now) }
                    stage = .ports(next: 0)
                } else {
                    stage = .devices(changed(gateway), next: 0)
                }
            case .ports(let next): stage = writePorts(gateway, from: next, to: &bytes, at: now)
            case .devices(let devices, let next):
                stage = writeDevices(gateway, devices, from: next, to: &bytes, at: now)
            case .log:
                writeLog(gateway, to: &bytes)
                stage = .end
            case .end:
                if seen != round || !bytes.isEmpty {
                    bytes += "id: \(Self.epoch(of: gateway))-\(round)\n\n".utf8
                } else if now.instant - spokenAt >= Self.silenceMax {
                    bytes += ":\n\n".utf8
                }
                if !bytes.isEmpty { spokenAt = now.instant }
                seen = round
                isFull = false
                stage = .idle
                return DocumentSlice(bytes: bytes, rest: .pause)
            }
        }
        return DocumentSlice(bytes: bytes, rest: .more)
    }

    private mutating func begin(_ gateway: Gateway, at now: Moment) {
        round = gateway.door.feed.latest
        stage = .overview
    }

    private func changed(_ gateway: Gateway) -> [DeviceID] {
        guard !isFull else { return gateway.adapter.bindings.map(\.device) }
        guard seen < round else { return [] }
        return gateway.adapter.bindings.map(\.device).filter {
            gateway.door.feed.change(of: $0) > seen
        }
    }

    private static func event(
        _ name: String, to bytes: inout [UInt8], _ body: (inout JSONWriter) -> Void
    ) {
        var writer = JSONWriter()
        writer.object(body)
        bytes += "event: \(name)\ndata: ".utf8
        bytes += writer.bytes
        bytes += [0x0A, 0x0A]
    }

    private func writePorts(
        _ gateway: Gateway, from first: Int, to bytes: inout [UInt8], at now: Moment
    ) -> Stage {
        var next = first
        var writer = JSONWriter()
        writer.beginObject()
        while next < gateway.ports.count, writer.bytes.count < DocumentSlice.sizeAimed {
            let port = gateway.ports[next]
            writer.key(port.name.text)
            writer.object { writer in
                gateway.writePort(port, &writer, .replyTimes, at: now)
                writer.key("errors")
                writer.array { writer in
                    for count in gateway.door.strips.failures(of: port.name) {
                        writer.integer(count)
                    }
                }
            }
            next += 1
        }
        writer.endObject()
        if next > first {
            bytes += "event: ports\ndata: ".utf8
            bytes += writer.bytes
            bytes += [0x0A, 0x0A]
        }
        return next < gateway.ports.count ? .ports(next: next) : .devices(changed(gateway), next: 0)
    }

    private func writeDevices(
        _ gateway: Gateway, _ devices: [DeviceID], from first: Int, to bytes: inout [UInt8],
        at now: Moment
    ) -> Stage {
        guard first < devices.count else { return .log }
        var next = first
        Self.event("values", to: &bytes) { writer in
            writer.member("ts", now.wall)
            writer.key("devices")
            writer.beginObject()
            while next < devices.count, writer.bytes.count < DocumentSlice.sizeAimed {
                writer.key(devices[next].text)
                writer.object { gateway.writeLive(devices[next], &$0, at: now) }
                next += 1
            }
            writer.endObject()
        }
        return .devices(devices, next: next)
    }

    private func writeLog(_ gateway: Gateway, to bytes: inout [UInt8]) {
        let lines = gateway.door.feed.lines(after: seen)
        guard !lines.isEmpty else { return }
        Self.event("log", to: &bytes) { writer in
            writer.key("lines")
            writer.array { writer in for line in lines { line.write(&writer) } }
        }
    }
}

extension Gateway {
    /// Tells the streams of this process from those of another.
    var doorEpoch: Int64 { startedAt.instant.nanoseconds / 1000 }

    func writeOverview(_ writer: inout JSONWriter, at now: Moment) {
        writeHead(&writer, at: now)
        writeProblems(&writer, at: now)
        writer.key("bridge")
        writer.object { writeBridge(&$0, at: now) }
        writer.member("acknowledgeSeconds", lanes.roundTrip.secondsValue)
        writer.key("spool")
        writer.object { writeSpool(&$0, at: now) }
    }

    func writeLive(_ device: DeviceID, _ writer: inout JSONWriter, at now: Moment) {
        if let state = states.state(of: device) {
            writer.member("status", state.status.rawValue)
            writer.member("since", state.since.wall)
            if let error = state.error { writer.member("error", error) }
        }
        if let attachment = session.status(of: device) {
            writer.member("attached", attachment.words)
        }
        writer.key("values")
        writer.object { writer in
            for value in adapter.lastValues(of: device) {
                writer.key(value.name)
                writer.array { writer in
                    if let json = value.json, let at = value.at {
                        writer.raw(Array(json.utf8))
                        writer.number(
                            ((now.instant - at.instant).secondsValue * 100).rounded() / 100)
                    } else {
                        writer.null()
                        writer.null()
                    }
                    if let bad = value.bad { writer.string(bad.word) }
                }
            }
        }
    }
}
