import Base
import Drivers
import Line
import FuzzKit
import Modbus
import TestKit

/// The Modbus master of one port: units that answer, refuse, stay silent, are damaged, late or
/// double; orders, other masters, bursts that break off, and a line that comes and goes.
package enum DriverFuzz: FuzzTarget {
    package static let budget = Duration.milliseconds(300)

    package static func run(_ input: [UInt8]) {
        var choices = Choices(input)
        var rig = DriverRig(&choices)
        while !choices.isAtEnd { rig.step(&choices) }
        rig.end()
    }
}

private struct DriverRig {
    private var driver: ModbusDriver
    private var now = Moment(.zero, WallTime(milliseconds: 1_800_000_000_000))
    /// Those that are polled.
    private let units: Set<UInt8>
    /// Those that an order by hand was for.
    private var byHand: Set<UInt8> = []
    private let timing: RTUTiming
    /// What the units do with the next requests, by a byte of the input each.
    private var script: [UInt8] = []
    private var scriptPlace = 0
    private var arrivals: [(at: Instant, bytes: [UInt8])] = []
    private let line: LineSettings
    private var tty: CarriedLine
    /// Some reply came late, twice or from nowhere: what is read then is judged elsewhere.
    private var isTrusted = true
    private var isOpen = false
    private var openOrders: Set<UInt64> = []
    private var lastOrder: UInt64 = 0
    /// Requests of other masters that wait for their answers.
    private var openServed: [UInt64: ServedRequest] = [:]

    init(_ choices: inout Choices) {
        let flags = choices.byte()
        let line = LineSettings(
            device: .path("/dev/test"), baud: flags & 1 == 0 ? 19_200 : 115_200, parity: .even,
            echo: flags & 2 == 0 ? .never : .learn)
        var nodes: [NodePlan] = []
        for number in 1...(1 + choices.below(4)) {
            guard let unit = UnitID(number) else { continue }
            var node = NodePlan(
                unit: unit, spans: (0..<(1 + choices.below(6))).map { _ in Self.span(&choices) })
            let kind = choices.byte()
            node.noMerge = kind & 1 != 0
            if kind & 2 != 0 { node.maxRegisters = 1 + choices.below(8) }
            if kind & 4 != 0 { node.delay = .milliseconds(20) }
            if kind & 8 != 0 { node.isUrgent = true }
            if kind & 16 != 0 {
                let address = Address(port: PortName("a"), unit: unit)
                node.setup = [
                    Order(
                        id: 0, address: address, table: .holding, start: 9, data: .registers([1]),
                        expires: .distantFuture)
                ]
            }
            if kind & 32 != 0 { node.ranges = [.holding: [0...15, 40...60]] }
            nodes.append(node)
        }
        units = Set(nodes.map(\.unit.value))
        timing = RTUTiming(line)
        self.line = line
        tty = CarriedLine(line)
        var settings = ModbusDriver.Settings(
            port: PortName("a"), line: line,
            responseTimeout: .milliseconds(100 + 10 * Int64(choices.byte())),
            retries: choices.below(4), nodes: nodes)
        if flags & 8 != 0 {
            settings.serve = ServeSettings(maxAge: .milliseconds(Int64(flags >> 4) * 100))
        }
        driver = ModbusDriver(
            settings, seed: UInt64(flags), autonomy: LineAutonomy(schedules: flags & 4 != 0))
        open()
    }

    private static func span(_ choices: inout Choices) -> Span {
        let table = choices.pick(Table.allCases.filter { $0.isBits || $0.isRegisters })
        let every = Duration.milliseconds([200, 500, 1000, 5000][choices.below(4)])
        return Span(table, choices.below(64), 1 + choices.below(4), every: every)
    }

    mutating func step(_ choices: inout Choices) {
        switch choices.byte() & 15 {
        case 0...4: script.append(contentsOf: choices.bytes(1 + choices.below(8)))
        case 5: order(&choices)
        case 6:
            isTrusted = false
            arrivals.insert((now.instant, choices.block()), at: 0)
        case 7: close(isPause: choices.bool())
        case 8: open()
        case 9:
            driver.receive(
                .errors(LineErrors(framing: choices.below(3), parity: choices.below(3))), at: now)
        case 10: tty.carryOut(.recall, at: now.instant)
        case 11: serve(&choices)
        default: run(for: .milliseconds(40 * Int64(choices.byte())))
        }
        drain()
    }

    // MARK: The line

    private mutating func open() {
        guard !isOpen else { return }
        isOpen = true
        driver.opened(LineFacts(path: "/dev/test", isPseudoTerminal: false), at: now)
        drain()
    }

    private mutating func close(isPause: Bool) {
        guard isOpen else { return }
        isOpen = false
        (arrivals, tty) = ([], CarriedLine(line))
        if isPause { driver.pause(at: now) } else { driver.closed(at: now) }
        drain()
    }

    private mutating func run(for duration: Duration) {
        let end = now + duration
        var limit = StepLimit(20_000, "the driver never rests")
        while true {
            limit.step()
            let due = [driver.deadline?.due, arrivals.first?.at, tty.due].compactMap { $0 }.min()
            guard let due, due <= end.instant else { break }
            if due > now.instant { now = now + (due - now.instant) }
            turn()
            drain()
        }
        now = end
    }

    private mutating func turn() {
        takeArrivals()
        if let due = tty.due, due <= now.instant {
            tty.timeout(at: now.instant)
        } else if let due = driver.deadline?.due, due <= now.instant {
            driver.timeout(at: now)
            demand(
                driver.deadline.map { $0.due > now.instant } ?? true,
                "the driver's deadline stays in the past")
        }
    }

    private mutating func takeArrivals() {
        while let first = arrivals.first, first.at <= now.instant {
            arrivals.removeFirst()
            tty.arrive(first.bytes)
        }
    }

    // MARK: The units

    private mutating func answer(_ frame: [UInt8]) {
        demand(
            frame.count >= RTUFrame.shortest && frame.count <= Limits.adu,
            "a frame of \(frame.count) bytes")
        demand(CRC16.checksum(frame[...]) == 0, "a frame with a wrong checksum is sent")
        demand(isOpen, "a frame is sent on a line that is closed")
        demand(
            units.contains(frame[0]) || byHand.contains(frame[0]),
            "unit \(frame[0]) is not on this line")
        let pdu = Array(frame[1..<(frame.count - 2)])
        guard let request = try? Request(pdu: pdu[...]) else { fatalError("no request: \(pdu)") }
        guard frame[0] != 0 else { return }
        let choice = scriptPlace < script.count ? script[scriptPlace] : 0
        scriptPlace += 1
        let start = now.instant + timing.time(of: frame.count) + .milliseconds(2)
        let reply = RTUFrame.encode(unit: frame[0], Self.serve(request, frame[0]).pdu)
        switch choice & 15 {
        case 1: break
        case 2:
            deliver(
                RTUFrame.encode(unit: frame[0], [frame[1] | 0x80, 1 + choice >> 4]), from: start)
        case 3:
            var damaged = reply
            damaged[Int(choice >> 4) % damaged.count] ^= 0x10
            deliver(damaged, from: start)
        case 4: deliver(Array(reply.dropLast(1 + Int(choice >> 6))), from: start)
        case 5:
            isTrusted = false
            deliver(reply, from: start + .milliseconds(100 * Int64(choice >> 4)))
        case 6:
            isTrusted = false
            deliver(reply, from: start)
            deliver(reply, from: start + .milliseconds(Int64(choice >> 4)))
        case 7:
            deliver(
                RTUFrame.encode(unit: frame[0] &+ 1, Self.serve(request, frame[0]).pdu), from: start
            )
        case 8: deliver([0, 0xFF] + reply, from: start)
        case 9: deliver(reply + [choice, 0x55], from: start)
        case 10:
            deliver(
                RTUFrame.encode(unit: frame[0], Array(reply[1..<(reply.count - 2)]) + [0, 1]),
                from: start)
        default: deliver(reply, from: start)
        }
    }

    private mutating func deliver(_ bytes: [UInt8], from start: Instant) {
        arrivals.append((start + timing.time(of: 1), Array(bytes.prefix(1))))
        arrivals.append((start + timing.time(of: bytes.count), Array(bytes.dropFirst())))
        arrivals.sort { $0.at < $1.at }
    }

    private static func value(_ unit: UInt8, _ address: Int) -> UInt16 {
        UInt16(unit) << 12 ^ UInt16(truncatingIfNeeded: address &* 257)
    }

    private static func serve(_ request: Request, _ unit: UInt8) -> Response {
        switch request {
        case .read(let function, let address, let count):
            let words = (0..<Int(count)).map { value(unit, Int(address) + $0) }
            if function.readsBits { return .read(function, Bits.pack(words.map { $0 & 1 == 1 })) }
            return .read(function, words.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] })
        case .writeRegister(let address, let value):
            return .wroteSingle(.writeSingleRegister, address: address, value: value)
        case .writeCoil(let address, let on):
            return .wroteSingle(.writeSingleCoil, address: address, value: on ? 0xFF00 : 0)
        case .writeRegisters(let address, let values):
            return .wroteMany(request.function, address: address, count: UInt16(values.count))
        case .writeCoils(let address, let values):
            return .wroteMany(request.function, address: address, count: UInt16(values.count))
        case .maskWrite(let address, let and, let or):
            return .maskWrote(address: address, and: and, or: or)
        default: return .exception(request.function, .illegalFunction)
        }
    }

    // MARK: Orders and outputs

    private mutating func order(_ choices: inout Choices) {
        lastOrder += 1
        let kind = choices.byte()
        guard let unit = UnitID(kind & 0x80 == 0 ? 1 + choices.below(4) : 9) else { return }
        let data: Order.Data
        switch kind & 7 {
        case 0: data = .registers([UInt16](repeating: choices.short(), count: 1 + choices.below(6)))
        case 1: data = .bits([Bool](repeating: choices.bool(), count: 1 + choices.below(20)))
        case 2: data = .masked(mask: [0x0F], value: [choices.short()])
        case 3: data = .custom(function: 65 + choices.byte() & 7, choices.bytes(choices.below(8)))
        case 4: data = .nothing(count: 1 + choices.below(130))
        default: data = .registers([choices.short()])
        }
        let table: Table = kind & 7 == 1 ? .coil : .holding
        let functions: [UInt8?] = [nil, nil, 5, 6, 15, 16, 22]
        openOrders.insert(lastOrder)
        if kind & 32 != 0 { byHand.insert(unit.value) }
        driver.submit(
            Order(
                id: lastOrder, address: Address(port: PortName("a"), unit: unit), table: table,
                start: choices.below(70),
                data: data, function: choices.pick(functions), readBack: kind & 8 != 0,
                compare: kind & 16 != 0,
                isManual: kind & 32 != 0, expires: now.instant + choices.duration()), at: now)
    }

    private mutating func drain() {
        var limit = StepLimit(20_000, "outputs without end")
        repeat {
            while let output = driver.next() {
                limit.step()
                take(output)
            }
        } while drainLine()
    }

    private mutating func take(_ output: LineOutput) {
        switch output {
        case .line(let command):
            let isFree = tty.upcoming == nil && tty.burst == nil
            switch command {
            case .schedule, .burst: demand(isFree, "a request is scheduled behind another")
            case .discardInput: takeArrivals()
            case .transmit, .recall, .unschedule, .lookAway: break
            }
            tty.carryOut(command, at: now.instant)
        case .reading(let reading): check(reading)
        case .outcome(let outcome):
            demand(
                openOrders.remove(outcome.id) != nil,
                "order \(outcome.id) ends twice, or was never given")
        case .served(let reply): check(reply)
        case .setup, .unit, .learned: break
        case .notice(let notice): demand(!notice.message.isEmpty, "an empty line")
        }
    }

    /// Does what the carrier wants, until the driver has been told of something.
    private mutating func drainLine() -> Bool {
        while let output = tty.next(at: now.instant) {
            switch output {
            case .sent(let frame): answer(frame)
            case .report(let event):
                tell(event)
                return true
            }
        }
        return false
    }

    private mutating func tell(_ event: LineEvent) {
        switch event {
        case .received(let bytes): driver.receive(.received(bytes), at: now)
        case .intruded(let bytes): driver.receive(.intruded(bytes), at: now)
        case .sentLate(let delay): driver.receive(.sentLate(delay), at: now)
        case .carried(let log, let bytes): driver.receive(.carried(log, bytes), at: now)
        case .opened, .failed, .errors, .lost, .closed: fatalError("a line tells \(event)")
        }
    }

    private mutating func serve(_ choices: inout Choices) {
        lastOrder += 1
        let kind = choices.byte()
        let known = kind & 0x87 == 0x80 ? nil : UnitID(1 + choices.below(6))
        let place = UInt16(choices.below(64))
        let request: Request =
            switch kind & 7 {
            case 0: .writeRegisters(address: place, [choices.short()])
            case 1: .other(FunctionCode(rawValue: 100), choices.bytes(choices.below(8)))
            case 2: .read(.readCoils, address: place, count: UInt16(1 + choices.below(30)))
            default: .read(.readHoldingRegisters, address: place, count: UInt16(1 + kind >> 4))
            }
        let one = ServedRequest(
            id: lastOrder, client: ConnectionID(UInt64(kind >> 3 & 3)), unit: known ?? .broadcast,
            request)
        byHand.insert(one.unit.value)
        openServed[lastOrder] = one
        driver.serve(one, at: now)
    }

    /// Each is answered once, with what its request asked for.
    private mutating func check(_ reply: ServedReply) {
        guard let one = openServed.removeValue(forKey: reply.id) else {
            fatalError("request \(reply.id) is answered twice, or was never asked")
        }
        let isGood = (reply.pdu.first ?? 0) & FunctionCode.exceptionBit == 0
        guard isTrusted, isGood, case .read = one.request else { return }
        let wanted = Self.serve(one.request, one.unit.value).pdu
        demand(reply.pdu == wanted, "\(reply.pdu) for \(one.request), not \(wanted)")
    }

    /// A value is the one of its place, unless a reply was late or double.
    private func check(_ reading: Reading) {
        let unit = reading.address.unit.value
        demand(units.contains(unit), "a reading of unit \(unit)")
        demand(!reading.parts.isEmpty, "a reading without parts")
        for part in reading.parts {
            guard case .success(let bytes) = part.result else { continue }
            let size = part.table.isBits ? (part.count + 7) / 8 : 2 * part.count
            demand(
                bytes.count == size, "\(part.count) items of \(part.table) in \(bytes.count) bytes")
            demand(part.at.instant <= now.instant, "a value from the future")
            guard isTrusted else { continue }
            for index in 0..<part.count {
                let wanted = Self.value(unit, part.address + index)
                let isRight =
                    part.table.isBits
                    ? bytes[index / 8] >> UInt8(index % 8) & 1 == UInt8(wanted & 1)
                    : UInt16(bytes[2 * index]) << 8 | UInt16(bytes[2 * index + 1]) == wanted
                demand(
                    isRight,
                    "\(part.table) \(part.address + index) of unit \(unit) has another's value: \(bytes)"
                )
            }
        }
    }

    /// With units that answer, every order comes to its end.
    mutating func end() {
        open()
        script = []
        for _ in 0..<30 where !openOrders.isEmpty || !openServed.isEmpty {
            run(for: .seconds(30))
        }
        demand(openServed.isEmpty, "requests without an answer: \(openServed.keys.sorted())")
        demand(openOrders.isEmpty, "orders without an outcome: \(openOrders)")
    }
}
