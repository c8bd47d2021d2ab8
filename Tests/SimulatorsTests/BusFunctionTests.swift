import Base
import Modbus
import Simulators
import Testing

private let description = """
    { baud: 19200, parity: "even", units: {
      1: { holding: { 0: 1 },
           identification: { vendor: "Acme", product: "M1", revision: "1.2", name: "Meter", 128: "hex:01 02" },
           serverID: "hex:41 42 FF", exceptionStatus: 0x6D,
           files: { 4: { 1: [10, 11, 12], 9: [13] } }, fifo: { 1246: [440, 4740] }, custom: { 100: "hex:09 08" } },
      2: { holding: { 0: 1 }, diagnostics: false } } }
    """

/// The functions beyond the tables, asked and answered over the simulated wire.
@Suite struct BusFunctionTests {
    var client: BusClient

    init() throws { client = BusClient(try BusDescription.parse(Array(description.utf8))) }

    mutating func answer(_ unit: UInt8, _ request: Request) throws -> Response? {
        let reply = client.ask(unit, request)
        guard !reply.isEmpty else { return nil }
        var decoder = ReplyDecoder(unit: unit, request: request)
        return try decoder.receive(reply[...]) ?? decoder.silence()
    }

    mutating func count(_ function: DiagnosticFunction) throws -> UInt16? {
        guard case .diagnosed(function, let value)? = try answer(1, .diagnose(function, 0)) else {
            return nil
        }
        return value
    }

    @Test mutating func tellsWhatItIs() throws {
        #expect(try answer(1, .reportServerID) == .serverID([0x41, 0x42, 0xFF]))
        #expect(try answer(1, .readExceptionStatus) == .exceptionStatus(0x6D))
        for (access, ids) in [
            (DeviceIdentification.Access.basic, [0, 1, 2] as [UInt8]), (.regular, [0, 1, 2, 4]),
            (.extended, [0, 1, 2, 4, 128]),
        ] {
            guard case .identification(let found)? = try answer(1, .identify(access, from: 0))
            else {
                Issue.record("no identification")
                continue
            }
            #expect(found.objects.map(\.id) == ids && found.next == nil && found.conformity == 0x83)
        }
        let single = try answer(1, .identify(.individual, from: 4))
        guard case .identification(let one)? = single else {
            throw FrameError.tooLong(received: 0, limit: 0)
        }
        #expect(one.objects == [.init(id: 4, value: Array("Meter".utf8))])
        let refusal = Response.exception(.encapsulatedInterface, .illegalDataAddress)
        #expect(try answer(1, .identify(.individual, from: 9)) == refusal)
    }

    @Test mutating func readsAndWritesFilesAndQueues() throws {
        let both = Request.readFile([
            FileReference(file: 4, record: 1, count: 2),
            FileReference(file: 4, record: 9, count: 1),
        ])
        #expect(try answer(1, both) == .fileRecords([[10, 11], [13]]))
        let write = [FileRecord(file: 4, record: 2, values: [77, 78])]
        #expect(try answer(1, .writeFile(write)) == .wroteFile(write))
        #expect(try answer(1, both) == .fileRecords([[10, 77], [13]]))
        let beyond = Request.readFile([FileReference(file: 4, record: 3, count: 2)])
        #expect(try answer(1, beyond) == .exception(.readFileRecord, .illegalDataAddress))
        #expect(try answer(1, .readFIFO(address: 1246)) == .fifo([440, 4740]))
        #expect(
            try answer(1, .readFIFO(address: 1)) == .exception(.readFIFOQueue, .illegalDataAddress))
        let custom = FunctionCode(rawValue: 100)
        #expect(try answer(1, .other(custom, [1])) == .other(custom, [9, 8]))
    }

    @Test mutating func refusesWhatItDoesNotHave() throws {
        for request in [
            Request.reportServerID, .readExceptionStatus, .identify(.basic, from: 0),
            .readFIFO(address: 0),
            .readFile([FileReference(file: 4, record: 1, count: 1)]), .getEventCounter,
            .getEventLog,
            .diagnose(.returnQueryData, 1), .other(FunctionCode(rawValue: 100), []),
        ] {
            #expect(try answer(2, request) == .exception(request.function, .illegalFunction))
        }
    }

    @Test mutating func countsItsMessagesAndForgetsThemWhenTold() throws {
        #expect(
            try answer(1, .diagnose(.returnQueryData, 0xA537))
                == .diagnosed(.returnQueryData, 0xA537))
        _ = client.ask(2, .read(.readHoldingRegisters, address: 0, count: 1))
        _ = client.ask(1, .read(.readHoldingRegisters, address: 5, count: 1))  // refused
        _ = client.ask(0, .writeRegister(address: 0, 3))  // unanswered
        var damaged = RTUFrame.encode(unit: 1, .getEventCounter)
        damaged[2] ^= 1
        client.send(damaged)
        client.run()
        client.now = client.now + .milliseconds(10)
        #expect(try count(.busMessageCount) == 5)
        #expect(try count(.busCommunicationErrorCount) == 1)
        #expect(try count(.busExceptionErrorCount) == 1)
        #expect(try count(.serverMessageCount) == 7)
        #expect(try count(.serverNoResponseCount) == 1)
        // Loop back and five counters; what was refused or is about the counter does not count.
        #expect(try answer(1, .getEventCounter) == .eventCounter(isBusy: false, events: 6))
        #expect(try answer(1, .diagnose(.clearCounters, 0)) == .diagnosed(.clearCounters, 0))
        #expect(try count(.busMessageCount) == 1)
        #expect(try count(.busCommunicationErrorCount) == 0)
        guard case .eventLog(false, _, _, let log)? = try answer(1, .getEventLog) else {
            Issue.record("no event log")
            return
        }
        #expect(log.prefix(3) == [0x80, 0x40, 0x80] && log.contains(0x41) && log.count <= 64)
    }

    @Test mutating func onlyListensUntilItIsRestarted() throws {
        #expect(try answer(1, .diagnose(.forceListenOnly, 0)) == nil)
        #expect(try answer(1, .writeRegister(address: 0, 9)) == nil)
        #expect(try answer(1, .diagnose(.returnQueryData, 1)) == nil)
        #expect(try answer(1, .diagnose(.restartCommunications, 0xFF00)) == nil)
        #expect(client.registers(1, 0, 1) == [1])
        #expect(
            try answer(1, .diagnose(.restartCommunications, 0xFF00))
                == .diagnosed(.restartCommunications, 0xFF00))
        #expect(
            try answer(1, .getEventLog)
                == .eventLog(isBusy: false, events: 1, messages: 1, [0x80, 0x40, 0]))
    }

    @Test(arguments: [
        ("identification: { maker: \"x\" }", "maker is no object"),
        ("serverID: \"hex:4\"", "hex:4 is not hexadecimal"),
        ("files: { 0: {} }", "0 is no number from 1 to 65535"),
        ("files: { 1: 2 }", "a file is an object"),
        ("fifo: { 1: [70000] }", "a register is a whole number"),
        ("custom: { 200: \"\" }", "200 is no number"),
        ("exceptionStatus: 256", "exceptionStatus is a whole number"),
        ("diagnostics: 1", "diagnostics is true or false"),
    ]) func aWrongDescriptionIsTold(_ member: String, _ message: String) {
        do {
            _ = try BusDescription.parse(Array("{ units: { 1: { \(member) } } }".utf8))
            Issue.record("accepted \(member)")
        } catch {
            #expect(error.message.hasPrefix(message), "\(error.message)")
        }
    }
}
