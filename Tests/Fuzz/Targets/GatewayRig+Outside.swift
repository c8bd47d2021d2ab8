import Base
import FuzzKit
import Gateway
import MQTT

/// What happens to a rig from outside: the broker's messages, and clients of its servers.
extension GatewayRig {
    // MARK: the broker

    /// A message from the broker on a config or command topic.
    mutating func deliver(_ topic: String, _ payload: [UInt8], id: UInt16?) {
        guard isUp, let name = try? TopicName(topic) else { return }
        let packet =
            id.flatMap { PacketID($0) }.map { Publish(topic: name, payload: payload, packetID: $0) }
            ?? Publish(topic: name, payload: payload)
        receive(.link(.received(Packet.publish(packet).bytes)))
    }

    /// An error document about the last message.
    mutating func report(_ code: String, about device: String) {
        let document = """
            {"error_type":"\(code)","description":"x","device_id":"\(device)","mqtt_message_info":\
            {"message_type":"PUBLISH","topic":"\(lastPublish.topic)","packet_id":\(lastPublish.id)}}
            """
        deliver("/devices/gw-7/errors", Array(document.utf8), id: nil)
    }

    mutating func hear(_ bytes: [UInt8]) { if isUp { receive(.link(.received(bytes))) } }

    mutating func setClock(back: Bool) { now.wall = now.wall + .seconds(back ? -7200 : 7200) }

    // MARK: clients

    private static let headers = "\r\nHost: localhost\r\nAuthorization: Bearer 0123456789"
    private static let pages = [
        "/", "/metrics", "/livez", "/readyz", "/api/v1/status", "/api/v1/site", "/api/v1/values",
        "/api/v1/values?device=meter-1", "/api/v1/line?port=bus", "/api/v1/line?port=%62%75s",
        "/api/v1/history?device=tank-2&point=level", "/api/v1/history?device=tank-2&from=0&to=9",
        "/api/v1/log?after=3", "/api/v1/events", "/login", "/api/v1/actions", "/favicon.ico",
    ]

    private static let actions = [
        #"{"action":"pause","port":"bus","for":"5s"}"#, #"{"action":"resume","port":"bus"}"#,
        #"{"action":"capture","port":"bus"}"#, #"{"action":"release","device":"meter-1"}"#,
        #"{"action":"write","device":"tank-2","point":"set","value":7.5}"#,
        #"{"action":"write","device":"meter-1","point":"c","value":true}"#,
        #"{"action":"write","device":"tank-2","point":"level","value":null}"#, "token=x", "{",
    ]

    /// A client of each comes, is answered and goes.
    mutating func tryDoors() {
        let page = Array("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
        let read: [UInt8] = [0, 7, 0, 0, 0, 6, 1, 3, 0, 0, 0, 2]
        if let event = door.connect(from: "127.0.0.1:1") { receive(.door(event)) }
        if let event = guests.connect(from: "127.0.0.1:1") { receive(.service(Self.modbus, event)) }
        if let event = door.say(page, 0) { receive(.door(event)) }
        if let event = guests.say(read, 0) { receive(.service(Self.modbus, event)) }
        wait(.seconds(1))
        demand(door.answers > 0 && guests.answers > 0, "a client is not answered")
        if let event = door.leave(0) { receive(.door(event)) }
        if let event = guests.leave(0) { receive(.service(Self.modbus, event)) }
    }

    /// Something that a client of the HTTP door does.
    mutating func visitDoor(_ choices: inout Choices) {
        let (what, who) = (choices.byte() & 15, Int(choices.byte()))
        let event: DoorEvent?
        switch what {
        case 0...2: event = door.connect(from: "127.0.0.1:\(who)")
        case 3: event = door.leave(who)
        case 4, 5: event = door.drain(who)
        case 6: event = door.say(choices.block(), who)
        case 7...9:
            let (path, body) = (choices.pick(Self.pages), choices.pick(Self.actions))
            let head = "POST \(path) HTTP/1.1\(Self.headers)\r\nContent-Length: "
            let type = "\r\nContent-Type: application/json\r\n\r\n"
            event = door.say(Array("\(head)\(body.utf8.count)\(type)\(body)".utf8), who)
        default:
            let method = choices.byte() & 7 == 0 ? "HEAD" : "GET"
            let head = "\(method) \(choices.pick(Self.pages)) HTTP/1.1\(Self.headers)\r\n\r\n"
            event = door.say(Array(head.utf8), who)
        }
        if let event { receive(.door(event)) }
    }

    /// Something that another master does at the server of the line.
    mutating func visitLine(_ choices: inout Choices) {
        let (what, who) = (choices.byte() & 15, Int(choices.byte()))
        let event: DoorEvent?
        switch what {
        case 0, 1: event = guests.connect(from: "127.0.0.1:\(who)")
        case 2: event = guests.leave(who)
        case 3, 4: event = guests.drain(who)
        case 5: event = guests.say(choices.block(), who)
        case 6: event = guests.say([0, 1, 0, 0, 0, 2, 9] + choices.block(), who)
        default:
            let (function, unit) = (choices.pick([1, 3, 3, 4, 6, 16, 22, 43]), choices.byte() & 3)
            let pdu = [UInt8(function)] + choices.bytes(4)
            event = guests.say([0, 7, 0, 0, 0, UInt8(pdu.count + 1), unit] + pdu, who)
        }
        if let event { receive(.service(Self.modbus, event)) }
    }

    mutating func carryOut(_ effect: DoorEffect) -> Event? {
        switch effect {
        case .send(let id, let bytes): door.take(bytes, for: id)
        case .close(let id): return door.close(id).map { .door($0) }
        }
        return nil
    }

    mutating func carryOut(_ effect: ServiceEffect) -> Event? {
        switch effect {
        case .listen: guests.listen()
        case .end: guests.end()
        case .send(let id, let bytes): guests.take(bytes, for: id)
        case .close(let id): return guests.close(id).map { .service(Self.modbus, $0) }
        }
        return nil
    }
}
