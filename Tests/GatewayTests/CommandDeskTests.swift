import Adapter
import Base
import Gateway
import Testing

private let start = Moment(.zero, WallTime(milliseconds: 1_800_000_000_000))

/// A desk in front of one pump with a writable setpoint and a mode coil.
private struct Desk {
    var desk = CommandDesk()
    var adapter: Adapter
    let pump = try! DeviceID("pump-1")
    private(set) var notices: [String] = []

    init(_ rule: WriteRule = WriteRule()) {
        var together = WriteRule()
        together.isTogether = true
        let address = Address(port: PortName("a"), unit: UnitID(3)!)
        adapter = Adapter([
            Binding(
                device: pump, address: address,
                points: [
                    Point(
                        name: "setpoint", table: .holding, address: 6,
                        writable: WriteRule(min: 0, max: 100)),
                    Point(name: "mode", table: .coil, address: 1, type: .bool, writable: rule),
                    Point(name: "level", table: .holding, address: 7),
                    Point(name: "low", table: .holding, address: 20, writable: together),
                    Point(
                        name: "high", table: .holding, address: 21, type: .uint32,
                        writable: together),
                ], actions: [Action(name: "reset", function: 0x42, payload: .fixed([1, 0]))])
        ])
    }

    /// What comes out of one command: orders for the wire and results for the bridge.
    mutating func send(
        _ text: String, isRetained: Bool = false, at seconds: Int = 0
    ) -> (orders: [Order], results: [String]) {
        desk.receive(
            Array(text.utf8), for: pump, isRetained: isRetained, adapter: &adapter,
            at: start + .seconds(seconds))
        return drain()
    }

    mutating func answer(
        _ order: Order, _ result: Result<ReadPart?, Outcome.Failure>
    ) -> (orders: [Order], results: [String]) {
        #expect(desk.receive(Outcome(id: order.id, result, at: start), adapter: &adapter))
        return drain()
    }

    private mutating func drain() -> (orders: [Order], results: [String]) {
        var (orders, results): ([Order], [String]) = ([], [])
        while let output = desk.next() {
            switch output {
            case .submit(let order): orders.append(order)
            case .result(_, let body): results.append(String(decoding: body, as: UTF8.self))
            case .notice(let notice): notices.append(notice.message)
            case .answer, .safe: Issue.record("nobody asked for this")
            }
        }
        return (orders, results)
    }
}

private func readBack(
    _ table: Table, _ address: Int, _ bytes: [UInt8]
) -> Result<ReadPart?, Outcome.Failure> {
    .success(ReadPart(table, address, 1, .success(bytes), at: start))
}

@Suite struct CommandDeskTests {
    @Test func aWriteGoesToTheWireAndItsReadBackIsTheResult() throws {
        var desk = Desk()
        let (orders, early) = desk.send(#"{"id":"c-1","write":{"setpoint":42}}"#)
        let order = try #require(orders.first)
        #expect(early.isEmpty && orders.count == 1)
        #expect(order.table == .holding && order.start == 6 && order.data == .registers([42]))
        #expect(order.expires == start.instant + .seconds(30))
        let (_, results) = desk.answer(order, readBack(.holding, 6, [0, 42]))
        #expect(results == [#""id":"c-1","ok":true,"values":{"setpoint":42}"#])
    }

    @Test func severalPointsAreWrittenInTheOrderGivenAndTheFirstFailureEndsIt() throws {
        var desk = Desk()
        let first = try #require(
            desk.send(#"{"id":"c-2","write":{"mode":true,"setpoint":7}}"#).orders.first)
        #expect(first.table == .coil)
        let second = try #require(desk.answer(first, readBack(.coil, 1, [1])).orders.first)
        #expect(second.table == .holding)
        let (orders, results) = desk.answer(second, .failure(.read(.timeout)))
        #expect(orders.isEmpty)
        #expect(
            results == [
                #""id":"c-2","ok":false,"values":{"mode":true},"error":"setpoint: the unit did not answer""#
            ])
    }

    /// Neighbours that are written together: one request, and a value for each of them.
    @Test func pointsThatAreWrittenTogetherAreOneOrder() throws {
        var desk = Desk()
        let orders = desk.send(#"{"id":"c-8","write":{"high":70000,"setpoint":1,"low":5}}"#).orders
        #expect(orders.map(\.start) == [20] && orders.map(\.data) == [.registers([5, 1, 4464])])
        let part = ReadPart(.holding, 20, 3, .success([0, 5, 0, 1, 0x11, 0x70]), at: start)
        let first = try #require(orders.first)
        let second = try #require(desk.answer(first, .success(part)).orders.first)
        #expect(second.start == 6)
        #expect(
            desk.answer(second, readBack(.holding, 6, [0, 1])).results
                == [#""id":"c-8","ok":true,"values":{"low":5,"high":70000,"setpoint":1}"#])
        // What reads back as another value is told for the point that has it.
        let again = try #require(
            desk.send(#"{"id":"c-9","write":{"low":5,"high":70000}}"#).orders.first)
        let other = ReadPart(.holding, 20, 3, .success([0, 5, 0, 1, 0x11, 0x71]), at: start)
        #expect(
            desk.answer(again, .success(other)).results == [
                #""id":"c-9","ok":false,"values":{"low":5,"high":70001},"error":"high: written, but it reads back as another value""#
            ])
    }

    /// A unit may acknowledge a write and keep its old value: the command has not done what it
    /// says.
    @Test func aReadBackThatDiffersOrFailsIsNoSuccess() throws {
        var desk = Desk()
        let order = try #require(desk.send(#"{"id":"c-5","write":{"setpoint":12}}"#).orders.first)
        let results = desk.answer(order, readBack(.holding, 6, [0, 11])).results
        #expect(
            results == [
                #""id":"c-5","ok":false,"values":{"setpoint":11},"error":"setpoint: written, but it reads back as another value""#
            ])
        let second = try #require(desk.send(#"{"id":"c-6","write":{"setpoint":12}}"#).orders.first)
        let silent = ReadPart(.holding, 6, 1, .failure(.timeout), at: start)
        #expect(
            desk.answer(second, .success(silent)).results.first?.contains("reading it back failed")
                == true)
    }

    @Test("Fault 36, a command twice: carried out once, answered twice alike")
    func aRepeatedIdIsExecutedOnceAndAnsweredTwiceAlike() throws {
        var desk = Desk()
        let command = #"{"id":"c-3","write":{"setpoint":5}}"#
        let order = try #require(desk.send(command).orders.first)
        let underWay = desk.send(command)
        #expect(underWay.orders.isEmpty && underWay.results.isEmpty)
        let result = desk.answer(order, readBack(.holding, 6, [0, 5])).results
        let again = desk.send(command)
        #expect(again.orders.isEmpty)
        #expect(again.results == result)
    }

    @Test(arguments: [
        (#"{"id":"x","write":{"setpoint":101}}"#, "setpoint"),
        (#"{"id":"x","write":{"level":1}}"#, "level"),
        (#"{"id":"x","write":{"nothing":1}}"#, "nothing"),
        (#"{"id":"x","write":{"setpoint":"much"}}"#, "setpoint"),
        (#"{"id":"x","write":{}}"#, "write"),
        (#"{"id":"x"}"#, "write"),
        (#"{"id":"x","write":{"setpoint":1},"expires":"soon"}"#, "expires"),
        (#"{"id":"x","write":{"setpoint":1},"now":true}"#, "unknown key"),
        (#"{"write":{"setpoint":1}}"#, "id"),
        (#"{"id":"","write":{"setpoint":1}}"#, "id"),
        (#"{"id":"x","id":"y","write":{"setpoint":1}}"#, "twice"),
        (#"[1,2]"#, "object"),
        ("", "JSON"),
    ])
    func whatCannotBeDoneIsRefusedWithAReasonAndNothingIsWritten(
        _ command: String, _ reason: String
    ) {
        var desk = Desk()
        let (orders, results) = desk.send(command)
        #expect(orders.isEmpty)
        #expect(results.count == 1)
        #expect(
            results.first?.contains("\"ok\":false") == true
                && results.first?.contains(reason) == true, "\(results)")
    }

    /// One point that may not be written refuses the whole command before anything is on the wire.
    @Test func aCommandIsCheckedAsAWhole() {
        var desk = Desk()
        #expect(desk.send(#"{"id":"c-4","write":{"setpoint":5,"level":1}}"#).orders.isEmpty)
    }

    @Test func noMoreThanTheLimitIsUnderWayAndOldIdsAreForgotten() {
        var desk = Desk()
        for number in 0..<CommandDesk.openMax {
            #expect(desk.send(#"{"id":"n-\#(number)","write":{"mode":true}}"#).orders.count == 1)
        }
        #expect(
            desk.send(#"{"id":"more","write":{"mode":true}}"#).results.first?.contains("under way")
                == true)
    }

    @Test func aPulseIsNotReadBackAndItsAcknowledgementIsTheResult() throws {
        var desk = Desk(WriteRule(readBack: false, compare: false))
        let order = try #require(desk.send(#"{"id":"p","write":{"mode":true}}"#).orders.first)
        #expect(!order.readBack)
        #expect(
            desk.answer(order, .success(nil)).results == [
                #""id":"p","ok":true,"values":{"mode":true}"#
            ])
    }

    @Test func withoutCompareAnyReadBackIsGoodEnough() throws {
        var desk = Desk(WriteRule(compare: false))
        let first = try #require(desk.send(#"{"id":"a","write":{"mode":true}}"#).orders.first)
        #expect(
            desk.answer(first, readBack(.coil, 1, [0])).results == [
                #""id":"a","ok":true,"values":{"mode":false}"#
            ])
        let second = try #require(desk.send(#"{"id":"b","write":{"mode":true}}"#).orders.first)
        let silent = ReadPart(.coil, 1, 1, .failure(.timeout), at: start)
        #expect(
            desk.answer(second, .success(silent)).results == [#""id":"b","ok":true,"values":{}"#])
    }

    @Test func theReplyOfACustomFunctionComesBackInHexadecimal() throws {
        var desk = Desk()
        let order = try #require(desk.send(#"{"id":"r","write":{"reset":true}}"#).orders.first)
        #expect(order.data == .custom(function: 0x42, [1, 0]))
        let reply = ReadPart(.frame, 0, 2, .success([0xAB, 1]), at: start)
        #expect(
            desk.answer(order, .success(reply)).results == [
                #""id":"r","ok":true,"values":{"reset":"hex:AB 01"}"#
            ])
    }

    @Test func everyCommandIsToldOnceWithWhoGaveIt() throws {
        var desk = Desk()
        let order = try #require(desk.send(#"{"id":"n-1","write":{"setpoint":5}}"#).orders.first)
        _ = desk.answer(order, readBack(.holding, 6, [0, 5]))
        _ = desk.send(#"{"id":"n-1","write":{"setpoint":5}}"#)
        _ = desk.send(#"{"id":"n-2","write":{"setpoint":500}}"#)
        #expect(desk.notices.count == 2)
        #expect(desk.notices.first == "n-1 by bridge: setpoint = 5: done")
    }

    @Test func aThousandAndTwentyFourIdsAreRememberedAndTheOldestIsForgotten() throws {
        var desk = Desk()
        func command(_ n: Int) -> String { "{\"id\":\"n-\(n)\",\"write\":{\"mode\":true}}" }
        for n in 0...1024 {
            let order = try #require(desk.send(command(n), at: n).orders.first)
            _ = desk.answer(order, readBack(.coil, 1, [1]))
        }
        #expect(desk.send(command(1), at: 2000).orders.isEmpty)
        #expect(desk.send(command(1024), at: 2000).results.count == 1)
        #expect(desk.send(command(0), at: 2000).orders.count == 1)
    }

    @Test func aFloodIsRefusedAndItsAnswersAreFew() {
        var desk = Desk()
        var (orders, results) = (0, 0)
        for n in 0..<5000 {
            let (new, answers) = desk.send("{\"id\":\"f-\(n)\",\"write\":{\"level\":1}}")
            orders += new.count
            results += answers.count
        }
        #expect(orders == 0)
        #expect(results == CommandDesk.burst + 20)
        #expect(desk.send(#"{"id":"later","write":{"mode":true}}"#, at: 10).orders.count == 1)
    }

    /// A command that comes again after a crash is answered, not executed; one that was under way
    /// at the end is answered with what is known about it.
    @Test func whatWasRememberedBeforeACrashIsNotExecutedAgain() throws {
        var desk = Desk()
        let order = try #require(
            desk.send(#"{"id":"before \"1\"","write":{"setpoint":5}}"#).orders.first)
        let result = desk.answer(order, readBack(.holding, 6, [0, 5])).results
        _ = desk.send(#"{"id":"open","write":{"setpoint":6}}"#)
        let kept = desk.desk.takeChanges()
        #expect(kept.count == 3 && desk.desk.takeChanges().isEmpty)

        var next = Desk()
        next.desk.restore(kept.reversed() + kept)
        let again = next.send(#"{"id":"before \"1\"","write":{"setpoint":5}}"#)
        #expect(again.orders.isEmpty && again.results == result)
        let unknown = next.send(#"{"id":"open","write":{"setpoint":6}}"#)
        #expect(unknown.orders.isEmpty)
        #expect(unknown.results.first?.contains("restarted") == true)
    }

    /// The document that versions before the log have kept.
    @Test func theDocumentOfAnEarlierVersionIsReadAndGoesIntoTheLog() throws {
        let document = Array(#"[["a",""id":"a","ok":true,"values":{}"],["b",null],["",1],7]"#.utf8)
        let sound = Array(#"[["a","\"id\":\"a\",\"ok\":true"],["b",null]]"#.utf8)
        var desk = Desk()
        desk.desk.restore(document, of: desk.pump)
        #expect(desk.desk.takeChanges().isEmpty)
        desk.desk.restore(sound, of: desk.pump)
        #expect(desk.desk.takeChanges().count == 2)
        #expect(
            desk.send(#"{"id":"a","write":{"setpoint":5}}"#).results == [#""id":"a","ok":true"#])
        #expect(
            desk.send(#"{"id":"b","write":{"setpoint":5}}"#).results.first?.contains("restarted")
                == true)
        for cut in 0..<sound.count { desk.desk.restore(Array(sound[..<cut]), of: desk.pump) }
    }

    @Test func aRetainedCommandIsRefusedUnlessEachOfItsPointsAllowsIt() throws {
        var allowing = WriteRule()
        allowing.retained = true
        var desk = Desk(allowing)
        func send(_ text: String) -> (orders: [Order], results: [String]) {
            desk.send(text, isRetained: true)
        }
        let refused = send(#"{"id":"r-1","write":{"setpoint":5}}"#)
        #expect(refused.orders.isEmpty && refused.results.first?.contains("retained: true") == true)
        #expect(send(#"{"id":"r-2","write":{"mode":true,"setpoint":5}}"#).orders.isEmpty)
        #expect(send(#"{"id":"r-3","write":{"mode":true}}"#).orders.count == 1)
        #expect(desk.send(#"{"id":"r-4","write":{"setpoint":5}}"#).orders.count == 1)
        // The same again is the same command, however it comes.
        #expect(desk.send(#"{"id":"r-1","write":{"setpoint":5}}"#).results == refused.results)
    }
}
