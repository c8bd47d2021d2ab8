import Base
import HTTP

/// The admin API's server: HTTP in, answers out, and the bridge it works on handed in with each
/// call. Beside Cloud IoT's paths it has the emulator's own, under `/emulator/`.
package struct AdminServer: Sendable {
    /// A command with QoS 1 whose PUBACK does not come in this time is DEADLINE_EXCEEDED.
    package static let commandTimeout = Duration.seconds(30)

    package var messages = MessageLog()
    private var http = HTTPServer()
    private var api = AdminAPI()
    private var waiting: [UInt64: (connection: ConnectionID, due: Instant)] = [:]
    private var outputs: [HTTPServer.Output] = []
    /// Requests that name another host are refused: a web page must not reach a loopback server by
    /// a name that its owner has pointed here.
    private let isLoopback: Bool

    package init(isLoopback: Bool = true) { self.isLoopback = isLoopback }

    package mutating func connected(_ id: ConnectionID, at now: Moment) {
        http.connected(id, at: now.instant)
    }

    package mutating func received(
        _ id: ConnectionID, _ bytes: ArraySlice<UInt8>, _ cloud: inout BridgeCloud, at now: Moment
    ) {
        http.received(id, bytes, at: now.instant)
        work(&cloud, at: now)
    }

    package mutating func disconnected(_ id: ConnectionID) { http.disconnected(id) }

    /// Receives the bridge's result for a command with a ticket.
    package mutating func commandEnded(
        _ ticket: UInt64, isAcknowledged: Bool, _ cloud: inout BridgeCloud, at now: Moment
    ) {
        guard let entry = waiting.removeValue(forKey: ticket) else { return }
        let late = AdminFault(.deadlineExceeded, "The device did not acknowledge the command.")
        http.respond(
            entry.connection, isAcknowledged ? AdminAPI.empty : late.response, at: now.instant)
        work(&cloud, at: now)
    }

    private mutating func work(_ cloud: inout BridgeCloud, at now: Moment) {
        while let output = http.next() {
            guard case .request(let id, let request) = output else {
                outputs.append(output)
                continue
            }
            do {
                try checkOrigin(request)
                switch try answer(request, &cloud, at: now) {
                case .done(let response): http.respond(id, response, at: now.instant)
                case .waits(let ticket): waiting[ticket] = (id, now.instant + Self.commandTimeout)
                }
            } catch {
                http.respond(id, error.response, at: now.instant)
            }
        }
    }

    private func checkOrigin(_ request: HTTPRequest) throws(AdminFault) {
        guard isLoopback else { return }
        if request.header("origin") != nil {
            throw AdminFault(.permissionDenied, "This server answers no web pages.")
        }
        guard let host = request.header("host") else { return }
        let isBracketed = host.hasPrefix("[")
        let name = host.split(isBracketed ? 0x5D : 0x3A, limit: 2)[0]
        guard ["localhost", "127.0.0.1"].contains(name) || isBracketed && name == "[::1" else {
            throw AdminFault(.permissionDenied, "This server answers only requests to localhost.")
        }
    }

    private mutating func answer(
        _ request: HTTPRequest, _ cloud: inout BridgeCloud, at now: Moment
    ) throws(AdminFault) -> AdminAPI.Answer {
        guard case .emulator(let word) = AdminPath(request.path) else {
            return try api.answer(request, &cloud, at: now)
        }
        switch (request.method, word) {
        case ("GET", "messages"):
            let after = try AdminPage.number(request, "from") ?? 1
            let max = try AdminPage.number(request, "max") ?? 1000
            return .done(messages.page(from: after, max: max))
        case ("GET", "status"): return .done(Self.status(cloud, messages))
        case ("POST", "orders"):
            guard let text = String(validating: request.body, as: UTF8.self) else {
                throw AdminFault(.invalidArgument, "Orders are lines of UTF-8.")
            }
            do {
                let count = try cloud.obey(text, at: now)
                return .done(AdminAPI.json { $0.object { $0.member("obeyed", count) } })
            } catch {
                throw AdminFault(.invalidArgument, error.message)
            }
        default:
            throw AdminFault(
                .notFound, "There are GET messages, GET status and POST orders under /emulator/.")
        }
    }

    private static func status(_ cloud: BridgeCloud, _ messages: MessageLog) -> HTTPResponse {
        AdminAPI.json { json in
            json.object { json in
                json.member("listening", cloud.isListening)
                json.member("messages", messages.next - 1)
                json.key("registries")
                json.array { json in
                    for (name, emulator) in cloud.registries.sorted(by: { $0.key < $1.key }) {
                        json.object { status(name, emulator, to: &$0) }
                    }
                }
            }
        }
    }

    private static func status(
        _ name: RegistryName, _ emulator: BridgeEmulator, to json: inout JSONWriter
    ) {
        json.member("name", name.description)
        json.member("devices", emulator.registry.devices.count)
        json.key("online")
        json.array { json in
            for device in emulator.onlineDevices {
                json.object { json in
                    json.member("device", device)
                    json.key("attached")
                    json.array { json in
                        for attached in emulator.attachedDevices(of: device).sorted() {
                            json.string(attached)
                        }
                    }
                }
            }
        }
        let counts = emulator.statistics
        json.key("counts")
        json.object { json in
            json.member("accepted", counts.accepted)
            json.member("refused", counts.refused)
            json.member("closed", counts.closed)
            json.member("attached", counts.attached)
            json.member("attachFailures", counts.attachFailures)
            json.member("events", counts.events)
            json.member("states", counts.states)
            json.member("pubacks", counts.pubacks)
            json.member("pubacksDropped", counts.pubacksDropped)
            json.member("messagesDropped", counts.messagesDropped)
            json.key("errors")
            json.object { json in
                for (type, count) in counts.errors.sorted(by: { $0.key < $1.key }) {
                    json.member(type.string, count)
                }
            }
        }
    }

    // MARK: Time and output

    package var deadline: Instant? {
        let commands = waiting.values.map(\.due).min()
        guard let own = http.deadline else { return commands }
        return min(own, commands ?? own)
    }

    package mutating func timeout(_ cloud: inout BridgeCloud, at now: Moment) {
        for ticket in waiting.filter({ $0.value.due <= now.instant }).keys.sorted() {
            commandEnded(ticket, isAcknowledged: false, &cloud, at: now)
        }
        http.timeout(at: now.instant)
        work(&cloud, at: now)
    }

    /// Never `.request`.
    package mutating func next() -> HTTPServer.Output? {
        // A connection too many is answered without a request.
        while let output = http.next() { outputs.append(output) }
        return outputs.isEmpty ? nil : outputs.removeFirst()
    }
}
