import Adapter
import Base
import HTTP

/// Paths that the gateway serves through the HTTP door.
///
/// | path | answers |
/// |---|---|
/// | `/` | the page for people, or the question for the token |
/// | `/livez` | 200: the loop turns |
/// | `/readyz` | 200, or 503 with one reason a line |
/// | `/metrics` | everything that is counted and measured, in Prometheus' text format |
/// | `/api/v1/status` | the document of `fieldgw status --json` |
/// | `/api/v1/site` | what the configuration says about lines, devices and points: see `SiteDocument` |
/// | `/api/v1/line?port=` | the latest frames and the last hour of its units: see `LineDocument` |
/// | `/api/v1/values[?device=]` | last good values with their age and registers |
/// | `/api/v1/history?device=` | what was read lately: see `HistoryDocument` |
/// | `/api/v1/log[?after=]` | `{"lines":[…]}`: the latest lines of the log with a higher number |
/// | `/api/v1/events` | server-sent events: see `LiveStream` |
/// | `POST /api/v1/actions` | see `DoorActions` |
extension Gateway {
    mutating func receive(_ event: DoorEvent, at now: Moment) {
        door.receive(event, at: now)
        if case .logged = event { return }
        serveDoor(at: now)
    }

    /// One slice of one answer, and what else is due.
    mutating func continueDoor(at now: Moment) {
        door.timeout(at: now)
        if door.isMinuteOver(at: now.instant) {
            door.noteMinute(ports.map { ($0.name, $0.statistics) }, at: now.instant)
        }
        if let (client, unwritten) = door.takeTurn() {
            var document = unwritten
            let slice = document.slice(of: self, at: now)
            if let (ticket, line) = door.put(client, document, slice, at: now) {
                effects.append(.answer(ticket, line))
            }
        }
        serveDoor(at: now)
    }

    /// Marks the devices of a reading as changed for clients that watch, and keeps its values.
    mutating func note(_ reading: Reading, at now: Moment) {
        for device in adapter.devices(at: reading.address) {
            door.touch(device)
            keepHistory(of: reading, device)
        }
    }

    private mutating func serveDoor(at now: Moment) {
        var hasActed = false
        while let (id, request) = door.nextRequest() {
            recordFresh(at: now)
            if request.path == "/api/v1/actions" {
                act(id, request, at: now)
                hasActed = true
            } else {
                answer(id, request, at: now)
            }
        }
        while let notice = door.nextNotice() { effects.append(.notice(notice)) }
        if hasActed { settle(at: now) } else { combineDeadlines() }
    }

    private mutating func answer(_ id: ConnectionID, _ request: HTTPRequest, at now: Moment) {
        if request.path == "/login", request.method == "POST" { return logIn(id, request, at: now) }
        guard request.method == "GET" || request.method == "HEAD" else {
            var response = Self.refusal(405, "\(request.path.prefix(60)) can only be read", "usage")
            response.headers.append(HTTPResponse.Header("Allow", "GET, HEAD"))
            return door.respond(id, response, at: now)
        }
        switch request.path {
        case "/":
            guard door.isKnown(request) else {
                return door.respond(id, Page.login(settings.gateway.text, isWrong: false), at: now)
            }
            door.respond(id, Page.response(200), with: PageDocument(self), at: now)
        case "/livez": door.respond(id, HTTPResponse(200, text: "ok\n"), at: now)
        case "/readyz":
            door.respond(id, readiness(isKnown: door.isKnown(request), at: now), at: now)
        case "/metrics":
            door.respond(
                id, HTTPResponse(200, [], MetricsWriter.contentType), with: MetricsDocument(self),
                at: now)
        case "/api/v1/status": respond(id, StatusDocument(self), at: now)
        case "/api/v1/site": respond(id, SiteDocument(self), at: now)
        case "/api/v1/line":
            do throws(Control.Misuse) {
                let index = try port(
                    named: request.query("port").map { JSON(.string($0)) } ?? JSON(.null))
                let isModbus = settings.configured[index].driver.isModbus
                respond(
                    id,
                    ReadyDocument(
                        LineDocument.bytes(of: ports[index], door.strips, isModbus: isModbus)),
                    at: now)
            } catch {
                door.respond(id, Self.refusal(404, error.reason, error.kind), at: now)
            }
        case "/api/v1/values":
            do throws(Control.Misuse) {
                var only: DeviceID?
                if let name = request.query("device") {
                    only = try device(named: JSON(.string(name)))
                }
                respond(id, ValuesDocument(self, of: only), at: now)
            } catch {
                door.respond(id, Self.refusal(404, error.reason, error.kind), at: now)
            }
        case "/api/v1/history":
            do throws(Control.Misuse) {
                respond(
                    id, try history(request.query, points: request.queries("point"), at: now),
                    at: now)
            } catch {
                door.respond(
                    id, Self.refusal(error.kind == "usage" ? 400 : 404, error.reason, error.kind),
                    at: now)
            }
        case "/api/v1/log":
            let after = request.query("after").flatMap { UInt64($0.prefix(20)) } ?? 0
            respond(id, ReadyDocument(logDocument(after: after)), at: now)
        case "/api/v1/events":
            let stream = LiveStream(self, after: request.header("last-event-id"))
            door.respond(
                id, HTTPResponse(200, [], "text/event-stream; charset=UTF-8"), with: stream, at: now
            )
        default:
            door.respond(id, Self.refusal(404, "there is nothing at this path", "usage"), at: now)
        }
    }

    private mutating func respond(
        _ id: ConnectionID, _ document: any SlicedDocument, at now: Moment
    ) {
        door.respond(id, HTTPResponse(200, json: []), with: document, at: now)
    }

    private mutating func logIn(_ id: ConnectionID, _ request: HTTPRequest, at now: Moment) {
        let form = PercentCoding.query(ByteString(decoding: request.body)) ?? []
        let token = form.first { $0.name == "token" }?.value ?? ""
        door.logIn(id, token, gateway: settings.gateway.text, at: now)
    }

    static func refusal(_ status: Int, _ reason: String, _ kind: String) -> HTTPResponse {
        HTTPResponse(status, json: Control.error(reason, kind))
    }

    /// - Parameter isKnown: reasons name hosts and devices: only the status code is for everybody.
    private func readiness(isKnown: Bool, at now: Moment) -> HTTPResponse {
        let reasons = hindrances(at: now)
        guard !reasons.isEmpty else { return HTTPResponse(200, text: "ready\n") }
        return HTTPResponse(
            503, text: isKnown ? reasons.joined(separator: "\n") + "\n" : "not ready\n")
    }

    private func logDocument(after number: UInt64) -> [UInt8] {
        Self.document { writer in
            writer.key("lines")
            writer.array { writer in
                for line in door.feed.lines(after: number) { line.write(&writer) }
            }
        }
    }
}
