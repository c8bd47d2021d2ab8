import Base
import FuzzKit
import HTTP
import Simulators

/// The HTTP request decoder at every cut, and the admin API behind it. The first byte chooses
/// between bytes as they are and requests made of parts.
package enum HTTPFuzz: FuzzTarget {
    package static func run(_ input: [UInt8]) {
        guard let kind = input.first else { return }
        let rest = Array(input.dropFirst())
        if kind & 1 == 0 {
            decode(rest)
            serve([rest])
        } else {
            serve(requests(rest))
        }
    }

    // MARK: The decoder

    private struct Outcome: Equatable {
        var requests: [HTTPRequest] = []
        var fault: HTTPRequestDecoder.Fault?
    }

    private static func decode(_ input: [UInt8]) {
        let whole = decode(input, cuts: [])
        demand(
            decode(input, cuts: Array(input.indices.dropFirst())) == whole,
            "byte by byte it is another stream")
        for cut in stride(from: 1, to: input.count, by: max(1, input.count / 16)) {
            demand(decode(input, cuts: [cut]) == whole, "cut at \(cut) it is another stream")
        }
    }

    private static func decode(_ input: [UInt8], cuts: [Int]) -> Outcome {
        var decoder = HTTPRequestDecoder()
        var outcome = Outcome()
        var start = 0
        for end in cuts + [input.count] {
            decoder.receive(input[start..<end])
            start = end
            do {
                while let request = try decoder.next() {
                    outcome.requests.append(request)
                    demand(
                        request.body.count <= HTTPRequestDecoder.Limits().body,
                        "a body of \(request.body.count) bytes")
                    demand(
                        request.headers.count <= HTTPRequestDecoder.Limits().headers,
                        "too many headers")
                    demand(request.path.utf8.first == 0x2F, "a path without a slash")
                }
                if decoder.wantsContinue {
                    demand(decoder.isPartial, "100 Continue for no request")
                }
            } catch {
                outcome.fault = error
                demand(decoder.buffered == 0, "bytes are held after a fault")
                demand((400...505).contains(error.status), "a fault with status \(error.status)")
                return outcome
            }
        }
        return outcome
    }

    // MARK: The admin API

    private static let plant = "/v1/projects/acme/locations/us-central1/registries"
    private static let paths = [
        "", "/plant", "/plant/devices", "/plant/devices/gw-7", "/plant/devices/meter-1",
        "/plant/devices/none",
        "/plant/devices/gw-7:modifyCloudToDeviceConfig", "/plant/devices/gw-7:sendCommandToDevice",
        "/plant/devices/gw-7/configVersions", "/plant/devices/gw-7/states",
        "/plant:bindDeviceToGateway",
        "/plant:unbindDeviceFromGateway", "/other", "/plant/devices/loner",
    ]
    private static let queries = [
        "", "?pageSize=1", "?pageToken=1", "?fieldMask=id,config", "?updateMask=blocked",
        "?numVersions=3",
        "?gatewayListOptions.gatewayType=GATEWAY", "?deviceIds=a&deviceIds=b",
        "?updateMask=credentials,metadata",
        "?pageSize=-1", "?from=0&max=2", "?updateMask=logLevel,gatewayConfig", "?deviceNumIds=7",
        "?pageSize=99999999999",
    ]
    private static let bodies = [
        "{}", "", "{\"id\":\"new\"}", "{\"blocked\":true}", "{\"binaryData\":\"YWJj\"}",
        "{\"binaryData\":\"?\"}",
        "{\"binaryData\":\"\",\"versionToUpdate\":\"1\"}",
        "{\"gatewayId\":\"gw-7\",\"deviceId\":\"meter-2\"}",
        "{\"id\":\"gw-9\",\"gatewayConfig\":{\"gatewayType\":\"GATEWAY\",\"gatewayAuthMethod\":\"ASSOCIATION_ONLY\"}}",
        "{\"metadata\":{\"a\":\"b\"},\"logLevel\":\"DEBUG\"}",
        "{\"binaryData\":\"YQ==\",\"subfolder\":\"x/y\"}",
        "{\"credentials\":[{\"publicKey\":{\"format\":\"ES256_PEM\",\"key\":\"-----BEGIN TEST KEY 1\"}}]}",
        "{\"id\":\"r\",\"eventNotificationConfigs\":[{\"pubsubTopicName\":\"projects/p/topics/t\"}]}",
    ]
    private static let orders = [
        "away 5s", "mute", "detach meter-1", "config gw-7 {\"a\":1}", "drop-pubacks 50%",
        "throttle 10", "close", "back",
    ]

    private static func requests(_ input: [UInt8]) -> [[UInt8]] {
        var choices = Choices(input)
        var requests: [[UInt8]] = []
        while !choices.isAtEnd, requests.count < 16 {
            let method = choices.pick(["GET", "POST", "PATCH", "DELETE", "HEAD", "PUT"])
            var path = plant + choices.pick(paths) + choices.pick(queries)
            var body = Array(choices.pick(bodies).utf8)
            switch choices.below(8) {
            case 0: body = choices.block()
            case 1: (path, body) = ("/emulator/orders", Array(choices.pick(orders).utf8))
            case 2: (path, body) = ("/emulator/orders", choices.block())
            case 3:
                path = choices.pick([
                    "/emulator/status", "/emulator/messages?from=1", "/emulator/messages?max=0",
                ])
            case 4: path = "/" + String(decoding: choices.block(), as: UTF8.self)
            default: break
            }
            let head =
                "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.count)\r\n\r\n"
            requests.append(Array(head.utf8) + body)
        }
        return requests
    }

    private static let cloud = BridgeCloud([BridgeFuzz.registry])

    private static func serve(_ requests: [[UInt8]]) {
        var cloud = cloud
        var server = AdminServer()
        var now = BridgeFuzz.start
        let id = ConnectionID(1)
        server.connected(id, at: now)
        for request in requests {
            server.received(id, request[...], &cloud, at: now)
            settle(&server, &cloud, at: now)
            now = now + .seconds(1)
        }
        var limit = StepLimit(1000, "the server never rests")
        let end = now + .seconds(300)
        while let due = server.deadline, due <= end.instant {
            limit.step()
            now = now + max(.zero, due - now.instant)
            server.timeout(&cloud, at: now)
            settle(&server, &cloud, at: now)
            demand(
                server.deadline.map { $0 > now.instant } ?? true,
                "the server's deadline stays in the past")
        }
    }

    private static func settle(
        _ server: inout AdminServer, _ cloud: inout BridgeCloud, at now: Moment
    ) {
        var limit = StepLimit(10_000, "outputs without end")
        while true {
            limit.step()
            if let output = cloud.next() {
                guard case .commandEnded(let ticket, let isGood) = output else { continue }
                server.commandEnded(ticket, isAcknowledged: isGood, &cloud, at: now)
            } else if let output = server.next() {
                if case .send(_, let bytes) = output { check(bytes) }
            } else {
                return
            }
        }
    }

    /// Head, length and body of an answer agree; JSON is JSON. To HEAD there is no body.
    private static func check(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        demand(text.hasPrefix("HTTP/1.1 "), "an answer that is none: \(text)")
        guard let end = bytes.indices.first(where: { bytes[$0...].starts(with: [13, 10, 13, 10]) })
        else {
            fatalError("an answer without the end of its head")
        }
        let head = String(decoding: bytes[..<end], as: UTF8.self)
        let body = Array(bytes[(end + 4)...])
        if head.hasPrefix("HTTP/1.1 100") { return }
        let length = head.split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }
            .flatMap { Int($0.dropFirst(16)) }
        demand(body.isEmpty || length == body.count, "\(body.count) bytes with the head \(head)")
        if head.contains("application/json"), !body.isEmpty { StrictJSON.demand(body, "an answer") }
    }
}
