import Base
import Modbus
import Simulators
import Testing

private func ms(_ value: Double) -> Instant { Instant(nanoseconds: Int64(value * 1e6)) }

/// A client of the simulator: sends, waits and notes when each byte came.
struct BusClient {
    var bus: BusSimulator
    var now = ms(1000)
    var received: [UInt8] = []
    var firstByte: Instant?
    var lastByte: Instant?

    init(_ description: BusDescription, seed: UInt64 = 1) {
        bus = BusSimulator(description, seed: seed)
    }

    mutating func send(_ unit: UInt8, _ request: Request) {
        send(RTUFrame.encode(unit: unit, request))
    }

    mutating func send(_ frame: [UInt8]) {
        received = []
        firstByte = nil
        lastByte = nil
        bus.receive(frame[...], at: now)
        drain()
    }

    mutating func drain() {
        for _ in 0..<1000 {
            guard case .transmit(let bytes)? = bus.next() else { return }
            firstByte = firstByte ?? now
            lastByte = now
            received += bytes
        }
    }

    /// Runs until nothing is due any more; `now` becomes the time of the last event.
    mutating func run() {
        for _ in 0..<1000 {
            guard let deadline = bus.deadline else { return }
            now = max(now, deadline.due)
            bus.timeout(at: now)
            drain()
        }
        Issue.record("the bus never comes to rest")
    }

    mutating func ask(_ unit: UInt8, _ request: Request) -> [UInt8] {
        send(unit, request)
        run()
        now = now + .milliseconds(10)
        return received
    }

    mutating func registers(_ unit: UInt8, _ address: UInt16, _ count: UInt16) -> [UInt16]? {
        let request = Request.read(.readHoldingRegisters, address: address, count: count)
        let reply = ask(unit, request)
        guard reply.count >= 5, reply[0] == unit, (try? RTUFrame.verify(reply[...])) != nil,
            case .read(_, let data)? = try? Response(
                pdu: reply[1..<(reply.count - 2)], answering: request)
        else { return nil }
        return stride(from: 0, to: data.count, by: 2).map {
            UInt16(data[$0]) << 8 | UInt16(data[$0 + 1])
        }
    }
}

private func bus(
    _ cells: [Int: CellDescription], baud: Int = 9600, turnaround: Duration = .milliseconds(5),
    faults: BusFaults = BusFaults()
) -> BusDescription {
    let unit = BusUnitDescription(
        cells: [.holding: cells, .coil: cells], turnaround: turnaround, faults: faults)
    return BusDescription(
        baud: baud, parity: .even,
        units: [1: unit, 9: BusUnitDescription(cells: [.holding: cells])])
}

private let constants = Dictionary(
    uniqueKeysWithValues: (0..<20).map { ($0, CellDescription(.constant(Double($0) * 3))) })

@Test(arguments: [1200, 9600, 19_200, 115_200]) func givesEveryByteItsTimeOnTheWire(_ baud: Int) {
    var client = BusClient(bus(constants, baud: baud))
    let start = client.now
    client.send(1, .read(.readHoldingRegisters, address: 0, count: 10))
    client.run()
    let character = 11.0 / Double(baud)
    let silence = baud <= 19_200 ? 3.5 * character : 0.00175
    let begin = 8 * character + max(silence, 0.005)
    #expect(client.received.count == 25)
    // A chunk of 8.
    #expect(abs((client.firstByte! - start).secondsValue - (begin + 8 * character)) < 1e-6)
    #expect(abs((client.lastByte! - start).secondsValue - (begin + 25 * character)) < 1e-6)
    #expect(abs(client.bus.statistics.busTime.secondsValue - 33 * character) < 1e-6)
    #expect(client.bus.deadline == nil)
}

@Test func takesWritesOfEveryKindAndReadsThemBack() {
    var client = BusClient(bus(constants))
    #expect(client.registers(1, 4, 2) == [12, 15])
    let six = RTUFrame.encode(unit: 1, Request.writeRegister(address: 4, 777))
    #expect(client.ask(1, .writeRegister(address: 4, 777)) == six)  // an echo
    _ = client.ask(1, .writeRegisters(address: 5, [1, 2]))
    #expect(client.registers(1, 4, 4) == [777, 1, 2, 21])
    #expect(client.registers(9, 4, 2) == [12, 15])  // the other unit is untouched
    _ = client.ask(1, .maskWrite(address: 4, and: 0x00FF, or: 0x1200))
    #expect(client.registers(1, 4, 1) == [0x1209])
    _ = client.ask(1, .writeCoil(address: 2, true))
    _ = client.ask(1, .writeCoils(address: 4, [true, true, false]))
    let coils = client.ask(1, .read(.readCoils, address: 0, count: 8))
    #expect(Array(coils.prefix(4)) == [1, 1, 1, 0b1011_1110])  // constants 3, 9 and 21 are odd
    #expect(client.bus.statistics(of: 1)?.writes == 5)
    #expect(client.bus.served.filter(\.content.isWrite).count == 5)
}

@Test func carriesOutABroadcastAndAnswersNothing() {
    var client = BusClient(bus(constants))
    #expect(client.ask(0, .writeRegister(address: 3, 42)) == [])
    #expect(client.registers(1, 3, 1) == [42])
    #expect(client.registers(9, 3, 1) == [42])
}

@Test func refusesAsTheSpecificationSays() {
    var refused = BusFaults()
    refused.refusals = [BusFaults.Refusal(table: .holding, addresses: 5...6, code: 4)]
    var client = BusClient(bus(constants, faults: refused))
    #expect(
        client.ask(1, .read(.readHoldingRegisters, address: 18, count: 3)).prefix(3) == [
            1, 0x83, 2,
        ])
    #expect(
        client.ask(1, .read(.readInputRegisters, address: 0, count: 1)).prefix(3) == [1, 0x84, 2])
    #expect(
        client.ask(1, .read(.readHoldingRegisters, address: 6, count: 1)).prefix(3) == [1, 0x83, 4])
    #expect(
        client.ask(1, .read(.readHoldingRegisters, address: 0, count: 126)).prefix(3) == [
            1, 0x83, 3,
        ])
    #expect(client.ask(1, .other(FunctionCode(rawValue: 65), [1, 2])).prefix(3) == [1, 0xC1, 1])
    #expect(client.registers(1, 3, 2) == [9, 12])
    #expect(client.bus.statistics(of: 1)?.exceptions == 5)
}

@Test func saysNothingForStrangersDeadUnitsAndDamagedRequests() {
    var client = BusClient(bus(constants, faults: BusFaults(dead: true)))
    #expect(client.registers(1, 0, 1) == nil)
    #expect(client.registers(33, 0, 1) == nil)
    var frame = RTUFrame.encode(unit: 9, Request.read(.readHoldingRegisters, address: 0, count: 1))
    frame[4] ^= 1
    client.send(frame)
    client.run()
    client.now = client.now + .milliseconds(20)
    client.send(Array(frame.prefix(3)))
    client.run()
    #expect(client.received.isEmpty)
    #expect(client.bus.statistics.badFrames == 2)
    #expect(client.bus.statistics.strangers == 1)
    #expect(client.bus.statistics(of: 1)?.unanswered == 1)
    #expect(client.registers(9, 1, 1) == [3])  // and is well again after silence
}

@Test func understandsARequestThatArrivesInPieces() {
    let frame = RTUFrame.encode(unit: 1, Request.read(.readHoldingRegisters, address: 0, count: 1))
    for cut in 1..<frame.count {
        var client = BusClient(bus(constants))
        client.bus.receive(frame[..<cut], at: client.now)
        client.now = client.now + client.bus.timing.time(of: cut)
        client.bus.receive(frame[cut...], at: client.now)
        client.run()
        #expect(client.received.count == 7, "cut at \(cut)")
        #expect(client.bus.statistics.frames == 1)
    }
}

@Test func countsRequestsThatDoNotWaitForSilence() {
    var client = BusClient(bus(constants))
    let silence = client.bus.timing.silence
    client.send(1, .read(.readHoldingRegisters, address: 0, count: 1))
    client.run()
    client.now = client.now + silence - .nanoseconds(1)
    client.send(9, .read(.readHoldingRegisters, address: 0, count: 1))
    client.run()
    #expect(client.bus.statistics.earlyStarts == 1)
    client.now = client.now + silence
    client.send(9, .read(.readHoldingRegisters, address: 0, count: 1))
    client.run()
    #expect(client.bus.statistics.earlyStarts == 1)
    #expect(client.bus.statistics.collisions == 0)
}

@Test func garblesBothWhenTwoSpeakAtOnce() {
    var client = BusClient(bus(constants))
    client.send(1, .read(.readHoldingRegisters, address: 0, count: 20))
    client.now = client.now + .milliseconds(30)  // in the middle of the reply
    let before = client.bus.statistics
    client.bus.receive(
        RTUFrame.encode(unit: 9, Request.read(.readHoldingRegisters, address: 0, count: 1))[...],
        at: client.now)
    client.drain()
    client.run()
    #expect(before.collisions == 0)
    #expect(client.bus.statistics.collisions == 1)
    #expect(client.bus.statistics.earlyStarts == 1)
    #expect(client.bus.statistics.badFrames == 1)
    #expect((try? RTUFrame.verify(client.received[...])) == nil)
}

@Test func doesWhatItsFaultsSay() {
    var client = BusClient(bus(constants))
    func faulty(_ faults: BusFaults) -> [UInt8] {
        client.bus.set(faults, of: 1)
        return client.ask(1, .read(.readHoldingRegisters, address: 0, count: 2))
    }
    let sound = faulty(BusFaults())
    #expect(sound.count == 9)
    let stranger = faulty(BusFaults(wrongUnit: 1))
    #expect(stranger[0] == 2 && (try? RTUFrame.verify(stranger[...])) != nil)
    let noisy = faulty(BusFaults(noise: 1))
    #expect(zip(sound, noisy).allSatisfy { ($0 ^ $1).nonzeroBitCount == 1 })
    #expect(faulty(BusFaults(silence: 1)).isEmpty)
    #expect(faulty(BusFaults(truncated: 1)) == Array(sound.prefix(5)))
    let start = client.now
    #expect(faulty(BusFaults(late: 1, lateBy: .milliseconds(700))) == sound)
    #expect(client.lastByte! - start > .milliseconds(700))
    #expect(client.bus.statistics(of: 1)?.damaged == 3)
    #expect(client.bus.served.map(\.intact) == [true, false, false, false, true])
}

@Test func flipsBitsAsOftenAsAsked() {
    var client = BusClient(bus(constants, baud: 115_200, faults: BusFaults(noise: 0.02)))
    let damaged = (0..<1000).filter { _ in client.registers(1, 0, 2) == nil }.count
    #expect((100...240).contains(damaged))  // 9 bytes: 16.6 % expected
    #expect(client.bus.statistics(of: 1)?.damaged == damaged)
}

@Test func remembersWhatItServedAndNoMoreThanItsLimit() {
    var description = bus(
        [0: CellDescription(.reads), 1: CellDescription(.constant(5))], baud: 115_200)
    description.logLimit = 50
    var client = BusClient(description)
    for round in 1...200 { #expect(client.registers(1, 0, 2) == [UInt16(round), 5]) }
    let served = client.bus.served
    #expect(served.count == 50)
    #expect(served.first?.content.values == [151, 5])
    #expect(client.bus.didServe([200], unit: 1, .holding, 0, between: ms(0), and: client.now))
    #expect(client.bus.didServe([5], unit: 1, .holding, 1, between: ms(0), and: client.now))
    #expect(!client.bus.didServe([201], unit: 1, .holding, 0, between: ms(0), and: client.now))
    #expect(!client.bus.didServe([200], unit: 1, .holding, 0, between: ms(0), and: ms(1)))
    #expect(!client.bus.didServe([200], unit: 9, .holding, 0, between: ms(0), and: client.now))
}

@Test func movesItsValuesWithTime() {
    let cells: [Int: CellDescription] = [
        0: CellDescription(.counter(start: 65_534, step: 1, every: .seconds(1))),
        1: CellDescription(.ramp(from: 0, to: 100, period: .seconds(10))),
        2: CellDescription(.sine(mean: 0, amplitude: 100, period: .seconds(4)), type: .int16),
        3: CellDescription(.constant(12.34), type: .float32),
        5: CellDescription(.constant(12.34), type: .float32, swapped: true),
        7: CellDescription(.constant(-2), type: .int32),
        9: CellDescription(.walk(start: 50, step: 3, every: .milliseconds(100), low: 0, high: 100)),
    ]
    let simulator = BusSimulator(bus(cells), seed: 5)
    func value(_ address: Int, _ seconds: Double) -> UInt16 {
        simulator.value(of: 1, .holding, address, at: ms(seconds * 1000)) ?? 9999
    }
    #expect([0, 1, 2, 3].map { value(0, $0) } == [65_534, 65_535, 0, 1])
    #expect([0, 2.5, 9.9, 10].map { value(1, $0) } == [0, 25, 99, 0])
    #expect([0, 1, 2, 3].map { Int16(bitPattern: value(2, $0)) } == [0, 100, 0, -100])
    #expect((3...8).map { value($0, 0) } == [0x4145, 0x70A4, 0x70A4, 0x4145, 0xFFFF, 0xFFFE])
    let walk = stride(from: 0.0, to: 50, by: 0.1).map { Int(value(9, $0)) }
    #expect(zip(walk, walk.dropFirst()).allSatisfy { abs($0 - $1) <= 4 } && Set(walk).count > 10)
    #expect(walk.allSatisfy { (0...100).contains($0) })
}

@Test func doesTheSameForTheSameSeed() {
    func run(_ seed: UInt64) -> [[UInt8]] {
        var description = BusDescription.sample(units: 3, registers: 12)
        description.units[2]?.faults = BusFaults(noise: 0.05, silence: 0.2, wrongUnit: 0.1)
        var client = BusClient(description, seed: seed)
        return (0..<60).map {
            client.ask(UInt8($0 % 3 + 1), .read(.readHoldingRegisters, address: 0, count: 12))
        }
    }
    #expect(run(1) == run(1))
    #expect(run(1) != run(2))
}

@Test func staysBoundedUnderGarbageAtAnyMoment() {
    var random = RandomSource(seed: 9)
    var client = BusClient(BusDescription.sample(units: 2, registers: 5))
    for _ in 0..<3000 {
        var bytes = (0..<Int(random.next() % 300)).map { _ in
            UInt8(truncatingIfNeeded: random.next())
        }
        if random.chance(0.5) {
            bytes = RTUFrame.encode(
                unit: UInt8(random.next() % 4),
                Request.read(.readInputRegisters, address: 0, count: 5))
        }
        client.bus.receive(bytes[...], at: client.now)
        client.now = client.now + .milliseconds(Int64(random.next() % 30))
        client.bus.timeout(at: client.now)
        client.drain()
        client.received.removeAll()
    }
    client.run()
    client.now = client.now + .seconds(1)
    #expect(client.ask(1, .read(.readInputRegisters, address: 0, count: 5)).count == 15)
}
