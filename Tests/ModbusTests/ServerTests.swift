import Base
import Modbus
import Testing

/// One server and the bytes that its clients get.
private struct Bench {
    var server: ModbusServer
    var now = Instant.zero
    var received: [ConnectionID: [UInt8]] = [:]
    var closed: [ConnectionID: ModbusServer.Ending] = [:]
    var queries: [ModbusServer.Query] = []
    private var last: UInt64 = 0

    init(
        _ framing: TCPFraming = .modbusTCP,
        _ change: (inout ModbusServer.Settings) -> Void = { _ in }
    ) {
        var settings = ModbusServer.Settings()
        settings.framing = framing
        change(&settings)
        server = ModbusServer(settings)
    }

    mutating func open() -> ConnectionID {
        last += 1
        server.connected(ConnectionID(last), at: now)
        drain()
        return ConnectionID(last)
    }

    mutating func send(_ id: ConnectionID, _ bytes: some Collection<UInt8>) {
        server.received(id, Array(bytes)[...], at: now)
        drain()
    }

    mutating func answer(_ number: UInt64, _ pdu: [UInt8]) {
        server.answer(number, pdu, at: now)
        drain()
    }

    mutating func wait(_ time: Duration) {
        let end = now + time
        while let due = server.deadline, due <= end {
            now = max(now, due)
            server.timeout(at: now)
            drain()
        }
        now = end
    }

    mutating func drain() {
        while let output = server.next() {
            switch output {
            case .send(let id, let bytes): received[id, default: []] += bytes
            case .close(let id, let ending): closed[id] = ending
            case .query(let query): queries.append(query)
            }
        }
        #expect(server.invariants() == [])
    }
}

/// Frames of Modbus TCP and what becomes of them.
private struct FrameCase: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let bytes: [UInt8]
    /// Transaction ids of the requests that come out.
    var requests: [UInt16] = []
    var ending: ModbusServer.Ending?

    init(
        _ name: String, _ bytes: [UInt8], requests: [UInt16] = [],
        ending: ModbusServer.Ending? = nil
    ) {
        testDescription = name
        self.bytes = bytes
        self.requests = requests
        self.ending = ending
    }
}

private let read: [UInt8] = [3, 0, 16, 0, 2]

private func frame(_ transaction: UInt16, _ unit: UInt8 = 17, _ pdu: [UInt8] = read) -> [UInt8] {
    MBAPFrame(transaction: transaction, unit: unit, pdu: pdu).bytes
}

private let frames: [FrameCase] = [
    FrameCase("one request", frame(0x1234), requests: [0x1234]),
    FrameCase(
        "three in one segment", frame(1) + frame(0xFFFF) + frame(1), requests: [1, 0xFFFF, 1]),
    FrameCase("half a header", [0, 1, 0, 0]),
    FrameCase("a header alone", [0, 1, 0, 0, 0, 6, 17]),
    FrameCase("the longest", frame(7, 1, [UInt8](repeating: 66, count: 253)), requests: [7]),
    FrameCase("the shortest", frame(8, 1, [7]), requests: [8]),
    FrameCase("another protocol", [0, 1, 0, 9, 0, 6, 17, 3, 0, 0, 0, 1] + frame(2), requests: [2]),
    FrameCase(
        "a length of 0", frame(1) + [0, 2, 0, 0, 0, 0] + frame(3), requests: [1], ending: .length(0)
    ),
    FrameCase("a length of 1", [0, 2, 0, 0, 0, 1, 17], ending: .length(1)),
    FrameCase("a length of 255", [0, 2, 0, 0, 0, 255, 17], ending: .length(255)),
    FrameCase(
        "the text of another protocol", Array("GET / HTTP/1.1\r\n\r\n".utf8),
        ending: .length(0x2F20)),
]

@Suite struct ServerTests {
    @Test(arguments: frames) fileprivate func aStreamGivesTheSameRequestsAtEverySplit(
        _ sample: FrameCase
    ) {
        for split in 0..<sample.bytes.count {
            var bench = Bench()
            let id = bench.open()
            bench.send(id, sample.bytes[..<split])
            bench.send(id, sample.bytes[split...])
            for query in bench.queries { bench.answer(query.number, [0x83, 2]) }
            let expected = sample.requests.flatMap { number in
                MBAPFrame(transaction: number, unit: bench.queries[0].unit, pdu: [0x83, 2]).bytes
            }
            #expect(bench.received[id] ?? [] == (sample.ending == nil ? expected : []))
            #expect(bench.queries.count == sample.requests.count)
            #expect(bench.closed[id] == sample.ending)
        }
    }

    @Test func bytesOneByOneGiveTheSameRequests() {
        var bench = Bench()
        let id = bench.open()
        for byte in frames.filter({ $0.ending == nil && $0.bytes.count > 7 }).flatMap(\.bytes) {
            bench.send(id, [byte])
        }
        let wanted = frames.filter { $0.ending == nil && $0.bytes.count > 7 }.flatMap(\.requests)
        #expect(bench.queries.count == wanted.count)
    }

    @Test func pipelinedRequestsAreAnsweredInAnyOrderWithTheirTransactionIDs() {
        var bench = Bench()
        let (one, other) = (bench.open(), bench.open())
        bench.send(one, frame(1) + frame(2, 18))
        bench.send(other, frame(1, 19))
        let numbers = bench.queries.map(\.number)
        bench.answer(numbers[1], [3, 2, 0, 2])
        bench.answer(numbers[2], [3, 2, 0, 3])
        bench.answer(numbers[0], [3, 2, 0, 1])
        bench.answer(numbers[0], [3, 2, 0, 9])
        #expect(bench.received[one] == frame(2, 18, [3, 2, 0, 2]) + frame(1, 17, [3, 2, 0, 1]))
        #expect(bench.received[other] == frame(1, 19, [3, 2, 0, 3]))
    }

    @Test func theSeventeenthWaitingRequestIsBusyAndOtherClientsAreNot() {
        var bench = Bench()
        let (flood, other) = (bench.open(), bench.open())
        for number in 1...17 as ClosedRange<UInt16> { bench.send(flood, frame(number)) }
        #expect(bench.queries.count == 16)
        #expect(bench.received[flood] == frame(17, 17, [0x83, 6]))
        #expect(bench.server.overflows == 1)
        bench.send(other, frame(1))
        #expect(bench.queries.count == 17)
        bench.answer(bench.queries[0].number, [0x83, 2])
        bench.send(flood, frame(18))
        #expect(bench.queries.count == 18, "an answer makes room for another request")
    }

    @Test func oneConnectionTooManyIsClosedUnlessOneIsUnused() {
        var bench = Bench { $0.clients = 2 }
        let (one, other) = (bench.open(), bench.open())
        let late = bench.open()
        #expect(bench.closed == [late: .tooMany(limit: 2)])
        bench.wait(.seconds(70))
        bench.send(other, frame(1))
        bench.wait(.seconds(10))
        let next = bench.open()
        #expect(bench.closed[one] == .idle(.seconds(80)), "the one that was unused longest goes")
        #expect(bench.closed[next] == nil)
        bench.wait(.seconds(200))
        let last = bench.open()
        #expect(bench.closed[other] == nil, "a request waits on it")
        #expect(bench.closed[last] == nil)
        #expect(bench.closed[next] == .idle(.seconds(200)))
    }

    @Test func anIdleClientIsClosedAfterTenMinutesAndAWaitingOneIsNot() {
        var bench = Bench()
        let (idle, waiting) = (bench.open(), bench.open())
        bench.wait(.seconds(300))
        bench.send(idle, frame(1))
        bench.send(waiting, frame(1))
        bench.answer(bench.queries[0].number, [0x83, 2])
        bench.wait(.seconds(599))
        #expect(bench.closed.isEmpty)
        bench.wait(.seconds(2))
        #expect(bench.closed == [idle: .idle(.seconds(600))])
    }

    @Test func aFrameThatIsNotFinishedEndsTheConnection() {
        var bench = Bench()
        let (half, whole) = (bench.open(), bench.open())
        bench.send(half, frame(1) + frame(2).prefix(4))
        bench.send(whole, frame(1))
        bench.wait(.seconds(5))
        bench.send(half, frame(2).dropFirst(4).prefix(1))
        bench.wait(.seconds(6))
        #expect(bench.closed == [half: .incomplete])
        bench.answer(bench.queries[0].number, [0x83, 2])
        #expect(bench.received[half] == nil, "its client has gone")
    }

    @Test func aClientThatTakesNoAnswersIsClosed() {
        var bench = Bench { $0.unsentMax = 100 }
        let id = bench.open()
        for number in 0..<40 as Range<UInt16> {
            guard bench.closed[id] == nil else { break }
            bench.send(id, frame(number))
            bench.answer(bench.queries[bench.queries.count - 1].number, [0x83, 2])
            if number < 20 { bench.server.drained(id) }
        }
        #expect(bench.closed[id] == .untaken(limit: 100))
        #expect(bench.queries.count > 25, "what was taken does not count")
    }

    // MARK: RTU over TCP

    private func rtu(_ unit: UInt8 = 17, _ pdu: [UInt8] = read) -> [UInt8] {
        RTUFrame.encode(unit: unit, pdu)
    }

    @Test func rtuFramesAreCutByLengthAtEverySplit() {
        let stream = rtu() + rtu(18, [16, 0, 1, 0, 1, 2, 0, 5]) + rtu()
        for split in 0...stream.count {
            var bench = Bench(.rtuOverTCP)
            let id = bench.open()
            bench.send(id, stream[..<split])
            bench.wait(.milliseconds(20))
            bench.send(id, stream[split...])
            #expect(bench.queries.count == 1, "without ids, one after the other")
            for index in 0..<3 where index < bench.queries.count {
                bench.answer(bench.queries[index].number, [0x83, UInt8(index)])
            }
            #expect(bench.queries.map(\.unit) == [17, 18, 17])
            #expect(
                bench.received[id]
                    == rtu(17, [0x83, 0]) + rtu(18, [0x83, 1]) + rtu(17, [0x83, 2]))
        }
    }

    @Test func aDamagedRTUFrameIsDroppedUntilSilence() {
        var bench = Bench(.rtuOverTCP)
        let id = bench.open()
        var damaged = rtu()
        damaged[3] ^= 1
        bench.send(id, damaged + rtu())
        #expect(bench.queries.isEmpty)
        bench.wait(.milliseconds(60))
        bench.send(id, rtu(18))
        #expect(bench.queries.map(\.unit) == [18])
    }

    @Test func anUnknownFunctionOnRTUEndsWithSilence() {
        var bench = Bench(.rtuOverTCP)
        let id = bench.open()
        bench.send(id, rtu(5, [100, 1, 2, 3]))
        #expect(bench.queries.isEmpty)
        bench.wait(.milliseconds(60))
        #expect(bench.queries.map(\.pdu) == [[100, 1, 2, 3]])
    }

    @Test func nobodyAnswersABroadcastOnRTU() {
        var bench = Bench(.rtuOverTCP)
        let id = bench.open()
        bench.send(id, rtu(0, [6, 0, 1, 0, 5]) + rtu())
        bench.answer(bench.queries[0].number, [6, 0, 1, 0, 5])
        #expect(bench.received[id] == nil)
        #expect(bench.queries.map(\.unit) == [0, 17])
    }

    @Test func aClientOfRTUThatDoesNotWaitIsClosed() {
        var bench = Bench(.rtuOverTCP)
        let id = bench.open()
        for _ in 0..<600 where bench.closed[id] == nil { bench.send(id, rtu()) }
        #expect(bench.closed[id] == .ahead(limit: 4096))
        #expect(bench.queries.count == 1)
    }
}
