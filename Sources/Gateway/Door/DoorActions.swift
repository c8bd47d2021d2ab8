import Adapter
import Base
import HTTP

/// Actions that a person may request through the HTTP door: `POST /api/v1/actions` with one JSON
/// object. Each is carried out and answered like the same request at the control socket.
///
/// | request | does |
/// |---|---|
/// | `{"action":"pause","port":"bus-a","for":"10m"}` | closes the line for another program |
/// | `{"action":"resume","port":"bus-a"}` | takes it back |
/// | `{"action":"release","device":"meter-1"}` | another try for a device that the bridge has refused |
/// | `{"action":"capture","port":"bus-a"}` | `{"pcap":"base64",…}`: the line's latest traffic |
/// | `{"action":"write","device":"tank-2","write":{"setpoint":42}}` | a command by point name, within its limits |
extension Gateway {
    private static let actions: [ByteString] = ["pause", "resume", "release", "capture", "write"]

    mutating func act(_ id: ConnectionID, _ request: HTTPRequest, at now: Moment) {
        guard request.method == "POST" else {
            var response = Self.refusal(405, "actions are asked for with POST", "usage")
            response.headers.append(HTTPResponse.Header("Allow", "POST"))
            return door.respond(id, response, at: now)
        }
        guard let settings = door.settings, settings.actions, settings.token != nil else {
            return door.respond(
                id, Self.refusal(403, "actions are off: `http.actions` switches them on", "denied"),
                at: now)
        }
        do throws(Control.Misuse) {
            try act(id, Self.parse(request.body), at: now)
        } catch {
            door.respond(id, Self.refusal(400, error.reason, error.kind), at: now)
        }
    }

    private static func parse(_ body: [UInt8]) throws(Control.Misuse) -> JSON {
        do throws(JSONError) { return try JSONReader.parse(body) } catch {
            throw Control.Misuse(
                reason: "not JSON: \(error.message) at column \(error.position.column)")
        }
    }

    private mutating func act(
        _ id: ConnectionID, _ action: JSON, at now: Moment
    ) throws(Control.Misuse) {
        guard let word = action["action"]?.string, Self.actions.contains(word) else {
            let known = Self.actions.map(\.string).joined(separator: ", ")
            throw Control.Misuse(reason: "\"action\" is one of \(known)")
        }
        let subject = action["port"]?.string ?? action["device"]?.string ?? ""
        var line = JSONWriter()
        line.beginObject()
        switch word {
        case "pause":
            line.key("pause")
            line.object { line in
                line.member("port", subject)
                if let time = action["for"]?.string { line.member("for", time) }
            }
        case "resume":
            line.key("resume")
            line.object { $0.member("port", subject) }
        case "release": line.member("release", subject)
        case "capture":
            line.member("get", "pcap")
            line.member("port", subject)
        default: return try write(id, action, at: now)
        }
        line.endObject()
        note(id, "\(word) \(Notice.printable(subject))", at: now)
        control(door.takeTicket(for: id), line.bytes, at: now)
    }

    /// Every action is told once in the log, with who asked for it.
    private mutating func note(_ id: ConnectionID, _ words: String, at now: Moment) {
        let client = door.peer(of: id)?.client ?? "a client"
        effects.append(
            .notice(Notice(.info, "door", "", "\(client) asks for: \(words)", kind: .audit)))
    }

    private mutating func write(
        _ id: ConnectionID, _ action: JSON, at now: Moment
    ) throws(Control.Misuse) {
        let device = try device(named: action["device"] ?? JSON(.null))
        guard let writes = action["write"]?.members, (1...32).contains(writes.count) else {
            throw Control.Misuse(
                reason: "\"write\" is an object of 1 to 32 points with their values")
        }
        let points = writes.map { (name: $0.name, value: $0.value) }
        let steps = try steps(points, of: device, at: now)
        let words = Set(points.map(\.name)).sorted().map { Notice.printable($0) }.joined(
            separator: ", ")
        note(id, "write \(device.text): \(words)", at: now)
        run(steps, of: device, origin: .http, ticket: door.takeTicket(for: id), at: now)
    }
}
