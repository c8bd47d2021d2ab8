import Base
import Bridge
import Drivers
import FuzzKit
import Gateway
import Line
import Modbus
import MQTT
import TestKit

/// A whole composed gateway between lines, a link and a disk that do what the input says. A value:
/// a gateway that is connected and polls is made once and copied for each input.
struct GatewayRig {
    /// The next thing that the other side does, by a byte of the input; empty: everything is well.
    struct Moods {
        var line: [UInt8] = []
        var link: [UInt8] = []
        var disk: [UInt8] = []
    }

    static let start = Moment(
        Instant(nanoseconds: 60_000_000_000), WallTime(milliseconds: 1_800_000_000_000))
    static let devices = ["gw-7", "meter-1", "tank-2", "scale-3", "all-4"]

    private let settings: Gateway.Settings
    private(set) var gateway: Gateway
    var disk: VirtualDisk
    var moods = Moods()
    var now = Self.start
    private var life: UInt8 = 1
    private var events: [Event] = []
    private var arrivals: [(at: Instant, port: PortName, bytes: [UInt8])] = []
    /// The lines that are open.
    private var ttys: [PortName: CarriedLine] = [:]
    private var broker = PacketDecoder()
    private(set) var isUp = false
    private var replies: [UInt8] = []
    private var closes = false
    private var held: [DiskRequest] = []
    private var signatures: [UInt64] = []
    var door = Visitors.ofDoor
    var guests = Visitors(answersBeginWith: "")
    private var openTickets: [Int: Int] = [:]
    private(set) var isFinished = false
    /// What was published under each device and number, without time and marks.
    private var told: [String: String] = [:]
    private(set) var published = 0
    /// The result of each command, by device and id.
    private var results: [String: String] = [:]
    private(set) var lastPublish: (topic: String, id: UInt16) = ("/devices/gw-7/events", 1)

    init(_ settings: Gateway.Settings) {
        self.settings = settings
        disk = VirtualDisk()
        gateway = Self.make(settings, life: 1)
        gateway.start(at: now)
        drain()
    }

    private static func make(_ settings: Gateway.Settings, life: UInt8) -> Gateway {
        Gateway(settings, bootID: [UInt8](repeating: life, count: 16), seed: UInt64(life))
    }

    // MARK: Events from outside

    mutating func receive(_ event: Event) {
        events.append(event)
        drain()
    }

    mutating func cut() {
        guard isUp else { return }
        (isUp, replies, closes) = (false, [], false)
        receive(.link(.closed(LinkFailure(.reset, "reset"))))
    }

    mutating func unplug(_ port: PortName) {
        guard ttys.removeValue(forKey: port) != nil else { return }
        arrivals.removeAll { $0.port == port }
        receive(.line(port, .lost(LineFailure(.lost, "pulled"))))
    }

    mutating func say(_ bytes: [UInt8], on port: PortName) {
        arrivals.append((now.instant, port, bytes))
    }

    /// One line of a client of the control socket.
    mutating func ask(_ line: [UInt8], mayWrite: Bool) {
        let ticket = ControlTicket(openTickets.count + 1, mayWrite: mayWrite)
        openTickets[ticket.number] = 0
        receive(.control(ticket, line))
    }

    mutating func finishDisk() {
        let requests = held
        held = []
        for request in requests { events.append(.disk(request.ticket, disk.perform(request))) }
        drain()
    }

    /// The power goes, or the process is killed; a new one starts on what is left.
    mutating func restart(powerCut: Bool) {
        if let request = held.first { disk.interrupted(request) }
        if powerCut { disk.crash(seed: UInt64(life)) }
        life &+= 1
        (events, arrivals, held, signatures, replies) = ([], [], [], [], [])
        (ttys, isUp, closes, isFinished) = ([:], false, false, false)
        openTickets = [:]
        door = .ofDoor
        guests.end()
        gateway = Self.make(settings, life: life)
        gateway.start(at: now)
        drain()
    }

    mutating func wait(_ duration: Duration) {
        let end = now + duration
        var limit = StepLimit(50_000, "the gateway never rests")
        while true {
            limit.step()
            let dues = [gateway.deadline, arrivals.first?.at, ttys.values.compactMap(\.due).min()]
            guard let due = dues.compactMap({ $0 }).min(), due <= end.instant else { break }
            if due > now.instant { now = now + (due - now.instant) }
            turn()
        }
        now = end
    }

    private mutating func turn() {
        for port in ttys.keys.sorted() {
            guard let due = ttys[port]?.due, due <= now.instant else { continue }
            ttys[port]?.timeout(at: now.instant)
            drain(line: port)
            return drain()
        }
        if let first = arrivals.first, first.at <= now.instant {
            arrivals.removeFirst()
            ttys[first.port]?.arrive(first.bytes)
            drain(line: first.port)
            return drain()
        }
        gateway.timeout(at: now)
        drain()
        demand(
            gateway.deadline.map { $0 > now.instant } ?? true || !arrivals.isEmpty,
            "the gateway's deadline stays in the past")
    }

    // MARK: Effects

    private mutating func drain() {
        var limit = StepLimit(20_000, "effects without end")
        while true {
            limit.step()
            while let effect = gateway.next() {
                limit.step()
                carryOut(effect)
            }
            if isUp, !replies.isEmpty {
                let bytes = replies
                replies = []
                events.append(.link(.received(bytes)))
            } else if isUp, closes {
                (isUp, closes) = (false, false)
                events.append(.link(.closed(LinkFailure(.closed, "closed"))))
            }
            guard !events.isEmpty else { return }
            let batch = events
            events = []
            for event in batch { gateway.receive(event, at: now) }
        }
    }

    private mutating func carryOut(_ effect: Effect) {
        switch effect {
        case .openLine(let name, let settings): open(name, settings)
        case .closeLine(let name), .removeLine(let name):
            ttys[name] = nil
            events.append(.line(name, .closed))
        case .line(let name, let command):
            if case .discardInput = command {
                arrivals.removeAll { $0.port == name && $0.at <= now.instant }
            }
            ttys[name]?.carryOut(command, at: now.instant)
            drain(line: name)
        case .connect: connect()
        case .send(let bytes): if isUp { receiveAtBroker(bytes) }
        case .disconnect: (isUp, replies, closes) = (false, [], false)
        case .disk(let request): perform(request)
        case .sign(let ticket, _, _): events.append(.signed(ticket, signature()))
        case .answer(let ticket, let line), .progress(let ticket, let line): check(ticket, line)
        case .notice(let notice):
            demand(
                !notice.message.isEmpty && !notice.message.utf8.contains(10),
                "a line of the log: \(notice.message)")
        case .scan(let entry): events.append(.scanned(entry, .failure(ScanFailure("nobody"))))
        case .finished: isFinished = true
        case .door(let effect): carryOut(effect).map { events.append($0) }
        case .service(_, let effect): carryOut(effect).map { events.append($0) }
        case .endScan, .logLevel, .ready, .reloaded, .measure: break
        }
    }

    private mutating func signature() -> Result<[UInt8], SigningFailure> {
        next(\.link) & 0x3F == 0x3F
            ? .failure(SigningFailure("no key")) : .success([UInt8](repeating: 7, count: 64))
    }

    private mutating func next(_ mood: WritableKeyPath<Moods, [UInt8]>) -> UInt8 {
        moods[keyPath: mood].isEmpty ? 0 : moods[keyPath: mood].removeFirst()
    }

    // MARK: Lines

    private mutating func open(_ name: PortName, _ settings: LineSettings) {
        guard next(\.line) & 31 != 31 else {
            events.append(.line(name, .failed(LineFailure(.missing, "not there"))))
            return
        }
        ttys[name] = CarriedLine(settings)
        events.append(.line(name, .opened(LineFacts(path: "/dev/\(name)", isPseudoTerminal: true))))
    }

    private mutating func drain(line name: PortName) {
        while let output = ttys[name]?.next(at: now.instant) {
            switch output {
            case .sent(let frame): answer(frame, on: name)
            case .report(let event): events.append(.line(name, event))
            }
        }
    }

    private mutating func answer(_ frame: [UInt8], on port: PortName) {
        demand(ttys[port] != nil, "a request on a line that is closed")
        let mood = next(\.line)
        let reply =
            port.text == "scale" ? Array("ST,GS,+  12.34kg\r\n".utf8) : Self.reply(to: frame)
        guard !reply.isEmpty else { return }
        var bytes = reply
        var after = Duration.milliseconds(12)
        switch mood & 7 {
        case 1: return
        case 2: bytes = RTUFrame.encode(unit: frame[0], [frame[1] | 0x80, 1 + mood >> 5])
        case 3: bytes[Int(mood >> 3) % bytes.count] ^= 0x20
        case 4: after = .milliseconds(100 * Int64(mood >> 3))
        case 5: bytes.removeLast(min(bytes.count, 1 + Int(mood >> 6)))
        case 6: bytes += reply
        default: break
        }
        arrivals.append((now.instant + after, port, bytes))
        arrivals.sort { $0.at < $1.at }
    }

    /// Registers hold a number that tells unit and place.
    private static func reply(to frame: [UInt8]) -> [UInt8] {
        guard frame.count >= RTUFrame.shortest, CRC16.checksum(frame[...]) == 0, frame[0] != 0,
            let request = try? Request(pdu: frame[1..<(frame.count - 2)])
        else { return [] }
        let response: Response
        switch request {
        case .read(let function, let address, let count):
            let size = function.readsBits ? (Int(count) + 7) / 8 : 2 * Int(count)
            response = .read(
                function,
                (0..<size).map { UInt8(truncatingIfNeeded: Int(address) + $0 &* 3 + Int(frame[0])) }
            )
        case .writeRegister(let address, let value):
            response = .wroteSingle(.writeSingleRegister, address: address, value: value)
        case .writeCoil(let address, let on):
            response = .wroteSingle(.writeSingleCoil, address: address, value: on ? 0xFF00 : 0)
        case .writeRegisters(let address, let values):
            response = .wroteMany(request.function, address: address, count: UInt16(values.count))
        case .other(let function, let data): response = .other(function, data)
        default: response = .exception(request.function, .illegalFunction)
        }
        return RTUFrame.encode(unit: frame[0], response.pdu)
    }

    // MARK: Disk

    private mutating func perform(_ request: DiskRequest) {
        let mood = next(\.disk)
        switch mood & 15 {
        case 13: disk.failAt[disk.operations] = DiskFailure(.noSpace, "ENOSPC")
        case 14: disk.failAt[disk.operations] = DiskFailure(.io, "EIO")
        case 15: held.append(request)
        default: break
        }
        guard held.isEmpty else {
            if mood & 15 != 15 { held.append(request) }
            return
        }
        events.append(.disk(request.ticket, disk.perform(request)))
    }

    // MARK: Bridge

    private mutating func connect() {
        demand(!isUp, "a second link")
        guard next(\.link) & 31 != 31 else {
            events.append(.link(.failed(LinkFailure(.refused, "refused"))))
            return
        }
        isUp = true
        broker = PacketDecoder()
        events.append(.link(.up))
    }

    private mutating func receiveAtBroker(_ bytes: [UInt8]) {
        broker.receive(bytes[...])
        do {
            while let packet = try broker.next() { take(packet) }
        } catch {
            fatalError("the gateway breaks the protocol: \(error)")
        }
        demand(!broker.isPartial, "a part of a packet is sent")
    }

    private mutating func take(_ packet: Packet) {
        let mood = next(\.link)
        switch packet {
        case .connect:
            let code: UInt8 = mood & 31 == 30 ? 5 : 0
            replies += Packet.connack(Connack(code: code)).bytes
            if code != 0 { closes = true }
        case .subscribe(let subscribe):
            replies +=
                Packet.suback(
                    Suback(
                        subscribe.packetID,
                        subscribe.requests.map { _ in mood & 31 == 29 ? 0x80 : 1 })
                ).bytes
        case .unsubscribe(let unsubscribe):
            replies += Packet.unsuback(Unsuback(unsubscribe.packetID)).bytes
        case .pingreq: replies += Packet.pingresp(Pingresp()).bytes
        case .disconnect: closes = true
        case .publish(let publish):
            check(publish)
            lastPublish = (publish.topic.text, publish.packetID?.value ?? 1)
            if mood & 31 == 28 { return }
            if mood & 31 == 27 { closes = true }
            if let id = publish.packetID { replies += Packet.puback(Puback(id)).bytes }
        default: break
        }
    }

    // MARK: Judgements

    /// Everything that is published is JSON; one device and number always stand for the same
    /// record.
    private mutating func check(_ publish: Publish) {
        published += 1
        let topic = publish.topic.text
        // What says whether the gateway is there is a word, not a document.
        if topic.hasSuffix("/detach") || publish.retain { return }
        StrictJSON.demand(publish.payload, "what is published on \(topic)")
        guard topic.contains("/events"), let json = try? JSONReader.parse(publish.payload) else {
            return
        }
        for record in json.array ?? [json] {
            guard let seq = record["seq"]?.text else { continue }
            let content = JSON(
                .object(
                    (record.members ?? []).filter {
                        !["ts", "clock", "backfill"].contains($0.name)
                    })
            ).text
            let name = "\(topic.split(separator: "/")[1]) \(seq)"
            if let before = told[name] {
                demand(before == content, "record \(name) is \(before) and \(content)")
            }
            told[name] = content
            guard topic.hasSuffix("/commands"), let id = record["id"]?.string else { continue }
            let command = "\(topic.split(separator: "/")[1]) \(id)"
            let words = JSON(
                .object(
                    (record.members ?? []).filter {
                        !["ts", "seq", "clock", "backfill"].contains($0.name)
                    })
            ).text
            if let before = results[command] {
                demand(before == words, "\(command) is answered with \(before) and \(words)")
            }
            results[command] = words
        }
    }

    private mutating func check(_ ticket: ControlTicket, _ line: [UInt8]) {
        StrictJSON.demand(line, "an answer on the control socket")
        demand(!line.contains(10), "an answer of more than one line")
        demand(openTickets[ticket.number] == 0, "a request is answered twice")
        openTickets[ticket.number] = 1
    }

    /// With lines that work, whoever asks is answered.
    mutating func endQuestions() {
        moods = Moods()
        finishDisk()
        wait(.seconds(90))
        demand(isFinished || !openTickets.values.contains(0), "a request is never answered")
    }
}
