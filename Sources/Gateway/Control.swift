import Adapter
import Base

/// The control protocol: one JSON object a line each way. Whoever may open the socket may ask,
/// pause and release; only the socket's owner and root may write.
///
/// | request | answer |
/// |---|---|
/// | `{"get":"status"}` | the document that `fieldgw status --json` prints |
/// | `{"get":"metrics"}` | `{"metrics":"…"}`: what the HTTP door serves at `/metrics` |
/// | `{"get":"spool"}` | the journal's part of it, as cheap as can be |
/// | `{"get":"values","device":"meter-1"}` | last good values, their age and registers; all without `device` |
/// | `{"get":"values","from":0}` | the same in pages: the next one begins at the answer's `next`, the last has none |
/// | `{"get":"pcap","port":"bus-a"}` | `{"port","link":250,"packets","pcap":"base64"}`: the line's latest traffic |
/// | `{"pause":{"port":"bus-a","for":"10m"}}` | `{"ok":true,"port","device","until"}` once the line is closed |
/// | `{"pause":{"port":"bus-a","lease":true}}` | `{"ok":true,"port","device","lease":true}`: see below |
/// | `{"resume":{"port":"bus-a"}}` | `{"ok":true,"wasPaused":true}` |
/// | `{"device":{"list":true}}` | `{"devices":{"meter-1":{"attached","waiting",…}}}` |
/// | `{"release":"meter-1"}` | `{"ok":true,"was":"refused: …"}` |
/// | `{"get":"point","port","unit","table","address"}` | `{"point","type","order","sign"}` of the point there, or `{}` |
/// | `{"read":{"port","unit","table","address","count"}}` | `{"registers":[…]}` or `{"bits":[…]}` |
/// | `{"read":{"device","point"}}` | `{"value","units"}`, or `bad`, and the registers or bits |
/// | `{"write":{"device","point","value"}}` | `{"ok":true}`, within the point's limits |
/// | `{"write":{"port","unit","table","address","values":[…]}}` | `{"ok":true}`; with `"multiple":true` by function 15 or 16 |
///
/// A lease belongs to its connection. It ends when the connection ends or sends `resume`; the
/// request gets a second answer then, `{"ended":true}`, or an error if somebody else ends it. A
/// `resume` from a connection without a lease ends the pause and every lease of the port. A write
/// keeps to what the points at its place allow, unless it has `"force":true`.
///
/// Anything that goes wrong: `{"error":"a sentence","kind":"timeout|exception|checksum|unavailable|
/// denied|usage","exception":2}`.
enum Control {
    static let lineMax = 64 << 10
    static let requests: [ByteString] = [
        "get", "pause", "resume", "device", "release", "read", "write",
    ]

    static func error(_ reason: String, _ kind: String, exception: UInt8? = nil) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("error", reason)
            writer.member("kind", kind)
            if let exception { writer.member("exception", exception) }
        }
        return writer.bytes
    }

    static func error(_ refusal: CommandDesk.Refusal) -> [UInt8] {
        error(refusal.message, refusal.kind, exception: refusal.exception)
    }

    /// Why a request cannot be carried out.
    struct Misuse: Error {
        var reason: String
        var kind = "usage"
    }
}

extension Gateway {
    /// Answers now, or later by another effect.
    mutating func control(_ ticket: ControlTicket, _ line: [UInt8], at now: Moment) {
        do {
            if let answer = try carryOut(ticket, line, at: now) {
                effects.append(.answer(ticket, answer))
            }
        } catch let misuse as Control.Misuse {
            effects.append(.answer(ticket, Control.error(misuse.reason, misuse.kind)))
        } catch {
            effects.append(.answer(ticket, Control.error("\(error)", "usage")))
        }
    }

    private mutating func carryOut(
        _ ticket: ControlTicket, _ line: [UInt8], at now: Moment
    ) throws -> [UInt8]? {
        guard line.count <= Control.lineMax else {
            throw Control.Misuse(reason: "the request is too long")
        }
        let request: JSON
        do { request = try JSONReader.parse(line) } catch {
            throw Control.Misuse(
                reason: "not JSON: \(error.message) at column \(error.position.column)")
        }
        guard let first = request.members?.first else {
            throw Control.Misuse(reason: "a request is an object such as {\"get\":\"status\"}")
        }
        switch first.name {
        case "get":
            if first.value.string == "metrics" {
                door.gather(MetricsLine(self), for: ticket)
                return nil
            }
            return try get(first.value.string ?? "", request, at: now)
        case "pause": return try pause(ticket, first.value, at: now)
        case "resume":
            let index = try port(named: first.value["port"] ?? first.value)
            let wasPaused =
                ports[index].giveBack(ticket.connection, at: now) || ports[index].resume(at: now)
            return Self.document { writer in
                writer.member("ok", true)
                writer.member("wasPaused", wasPaused)
            }
        case "device":
            guard first.value["list"]?.bool == true else {
                throw Control.Misuse(
                    reason: "a request about devices is {\"device\":{\"list\":true}}")
            }
            return deviceList(at: now)
        case "release": return try release(first.value, at: now)
        case "read":
            try read(ticket, first.value, at: now)
            return nil
        case "write":
            try write(ticket, first.value, at: now)
            return nil
        default:
            let guess = Suggestion.clause(for: first.name, in: Control.requests)
            throw Control.Misuse(
                reason: "unknown request \"\(Notice.printable(first.name))\"\(guess); known are "
                    + Control.requests.map(\.string).joined(separator: ", "))
        }
    }

    private func get(_ what: ByteString, _ request: JSON, at now: Moment) throws -> [UInt8] {
        switch what {
        case "status": return status(at: now)
        case "spool": return Self.document({ writeSpool(&$0, at: now) })
        case "values": return try values(of: request["device"], from: request["from"], at: now)
        case "point": return try pointFacts(request)
        case "pcap":
            let port = ports[try port(named: request["port"] ?? JSON(.null))]
            return Self.document { writer in
                writer.member("port", port.name.text)
                writer.member("link", Int(PcapWriter.linkType))
                writer.member("packets", port.tape.packets)
                writer.member("pcap", Base64.encode(port.tape.pcap))
            }
        default:
            throw Control.Misuse(
                reason:
                    "unknown request \"\(Notice.printable(what))\"; known are status, metrics, spool, values, point and pcap"
            )
        }
    }

    static func document(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        writer.object(body)
        return writer.bytes
    }

    /// The index of a port of the configuration.
    func port(named name: JSON) throws(Control.Misuse) -> Int {
        guard let text = name.string else {
            throw Control.Misuse(reason: "\"port\" must be the name of a port")
        }
        if let index = index(of: PortName(text)) { return index }
        let names = ports.map(\.name.name)
        throw Control.Misuse(
            reason:
                "there is no port \"\(Notice.printable(text))\"\(Suggestion.clause(for: text, in: names)); "
                + "there are \(names.map(\.string).joined(separator: ", "))")
    }

    func device(named name: JSON) throws(Control.Misuse) -> DeviceID {
        try binding(named: name).device
    }

    func binding(
        named name: JSON
    ) throws(Control.Misuse) -> (device: DeviceID, binding: Binding) {
        guard let text = name.string else {
            throw Control.Misuse(reason: "a device is named by its ID")
        }
        guard let device = try? DeviceID(text), let binding = adapter.binding(of: device) else {
            let names = adapter.bindings.lazy.map { ByteString($0.device.text) }
            throw Control.Misuse(
                reason:
                    "there is no device \"\(Notice.printable(text))\"\(Suggestion.clause(for: text, in: names))"
            )
        }
        return (device, binding)
    }

    // MARK: pause

    private mutating func pause(
        _ ticket: ControlTicket, _ request: JSON, at now: Moment
    ) throws -> [UInt8]? {
        let index = try port(named: request["port"] ?? request)
        let isLease = request["lease"]?.bool ?? false
        var time = Duration.seconds(600)
        if let given = request["for"] {
            guard !isLease else {
                throw Control.Misuse(reason: "a lease has no time: it ends with its connection")
            }
            guard let text = given.string, let value = Quantity.duration(text),
                value >= .seconds(1),
                value <= PortPause.timeMax
            else {
                throw Control.Misuse(
                    reason: "a pause is from \"1s\" to \"24h\"; \(Quantity.durationHint)")
            }
            time = value
        }
        if let refusal = ports[index].lend(until: isLease ? nil : now + time, ticket, at: now) {
            throw Control.Misuse(reason: refusal, kind: "unavailable")
        }
        lent[index] = ""
        return nil
    }

    /// The devices of a port that is lent say so, and that nothing is known about them meanwhile;
    /// of one that is back nothing is known until they answer.
    mutating func notePauses(at now: Moment) {
        for (index, told) in lent {
            let words = ports[index].pause?.words
            guard words != told else { continue }
            lent[index] = words
            tell(
                words.map { $0 + ": somebody works on the line" }
                    ?? "the line was paused; not heard since", of: index, at: now)
        }
    }

    private mutating func tell(_ words: String, of index: Int, at now: Moment) {
        for device in settings.configured[index].nodes.map(\.device) {
            if states.set(device, .offline, error: words, at: now) {
                publishState(of: device, at: now)
            }
        }
    }
}
