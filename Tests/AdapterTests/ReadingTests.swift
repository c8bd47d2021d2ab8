import Adapter
import Base
import Testing

@Test func findsPointsInsideLongerPartsAndSaysWhatFailed() {
    var machine = adapter(
        Point(name: "a", table: .holding, address: 4),
        Point(name: "b", table: .holding, address: 7),
        Point(name: "c", table: .input, address: 7, type: .uint32),
        Point(name: "d", table: .coil, address: 9))
    let telemetry = machine.receive(
        reading(
            good(.holding, 2, "00 01 00 02 00 03 00 04 00 05 00 06", at: 1.5),
            failed(.input, 0, 20, .exception(2), at: 2), failed(.coil, 0, 16, .timeout, at: 3)))
    #expect(
        telemetry.map(\.text) == [
            #""values":{"a":3,"b":6},"bad":{"c":"exception-2","d":"timeout"}"#
        ])
    #expect(telemetry.first?.at == at(1.5))  // the last good answer, not the failures after it
    #expect(telemetry.first?.good == 2)
    #expect(telemetry.first?.bad == 2)
}

@Test func publishesAFailedCycleWithEveryPointBad() {
    var machine = adapter(
        Point(name: "a", table: .holding, address: 4), Point(name: "b", table: .holding, address: 7)
    )
    let telemetry = machine.receive(reading(failed(.holding, 4, 4, .timeout, at: 9)))
    #expect(telemetry.map(\.text) == [#""values":{},"bad":{"a":"timeout","b":"timeout"}"#])
    #expect(telemetry.first?.at == at(9))
}

@Test func prefersAGoodPartOverAFailedOneForTheSamePlace() {
    var machine = adapter(Point(name: "a", table: .holding, address: 4))
    let telemetry = machine.receive(
        reading(failed(.holding, 0, 9, .exception(2)), good(.holding, 4, "00 07")))
    #expect(telemetry.map(\.text) == [#""values":{"a":7}"#])
}

@Test func callsAPointBadThatNoPartHolds() {
    var machine = adapter(Point(name: "a", table: .holding, address: 4, type: .uint32))
    #expect(
        machine.receive(reading(good(.holding, 4, "00 07"))).map(\.text) == [
            #""values":{},"bad":{"a":"format"}"#
        ])
    let short = ReadPart(.holding, 4, 2, .success([0]), at: at(1))
    #expect(machine.receive(reading(short)).map(\.text) == [#""values":{},"bad":{"a":"format"}"#])
    #expect(machine.receive(reading()).isEmpty)
}

@Test func saysNothingOfAPointThatWasNotAskedFor() {
    var machine = adapter(
        Point(name: "a", table: .holding, address: 4), Point(name: "b", table: .holding, address: 7)
    )
    var partial = reading(good(.holding, 4, "00 07"))
    partial.isPartial = true
    #expect(machine.receive(partial).map(\.text) == [#""values":{"a":7}"#])
    partial.parts = [failed(.holding, 4, 1, .timeout, at: 9)]
    #expect(machine.receive(partial).map(\.text) == [#""values":{},"bad":{"a":"timeout"}"#])
}

@Test func givesEveryDeviceOfASharedUnitItsOwn() {
    let one = Binding(
        device: device("pump-1"), address: address(5),
        points: [
            Point(name: "a", table: .holding, address: 0),
            Point(name: "x", table: .holding, address: 1, interval: .seconds(1)),
        ])
    let two = Binding(
        device: device("pump-2"), address: address(5),
        points: [Point(name: "a", table: .holding, address: 1)])
    var machine = Adapter([one, two, Binding(device: device("pump-3"), address: address(6))])
    let telemetry = machine.receive(
        Reading(address(5), every: .seconds(10), [good(.holding, 0, "00 01 00 02")]))
    #expect(telemetry.map(\.device.text) == ["pump-1", "pump-2"])
    #expect(telemetry.map(\.text) == [#""values":{"a":1}"#, #""values":{"a":2}"#])
    #expect(machine.devices(at: address(5)) == [device("pump-1"), device("pump-2")])
    #expect(machine.receive(Reading(address(6), every: .seconds(10), [])).isEmpty)
    #expect(
        machine.receive(Reading(address(5, port: PortName("other")), every: .seconds(10), []))
            .isEmpty)
}

@Test func asksForEverySpanOnceAndMergesSharedUnits() {
    let one = Binding(
        device: device("pump-1"), address: address(5),
        points: [
            Point(name: "a", table: .holding, address: 4, type: .float32),
            Point(name: "b", table: .coil, address: 9),
            Point(name: "s", table: .input, address: 0, type: .string, length: 8),
        ])
    let two = Binding(
        device: device("pump-2"), address: address(5),
        points: [
            Point(name: "q", table: .holding, address: 4, type: .uint32),
            Point(name: "r", table: .holding, address: 4, interval: .seconds(1)),
        ])
    let machine = Adapter([Binding(device: device("pump-0"), address: address(7)), two, one])
    let spans = machine.spans(of: busA)
    #expect(spans.map(\.unit.value) == [5, 7])
    let ten = Duration.seconds(10)
    #expect(
        spans[0].spans == [
            Span(.coil, 9, 1, every: ten), Span(.input, 0, 8, every: ten),
            Span(.holding, 4, 1, every: .seconds(1)),
            Span(.holding, 4, 2, every: ten),
        ])
    #expect(machine.spans(of: PortName("none")).isEmpty)
}

@Test func withholdsWhatStaysInsideItsDeadband() {
    var machine = adapter(
        Point(
            name: "a", table: .holding, address: 0, type: .int16, deadband: 2,
            heartbeat: .seconds(60)))
    func send(_ hex: String, _ seconds: Double) -> String? {
        machine.receive(reading(good(.holding, 0, hex, at: seconds))).first?.text
    }
    #expect(send("00 0A", 0) == #""values":{"a":10}"#)  // the first always
    #expect(send("00 0C", 10) == nil)  // 2 away is not more than 2
    #expect(send("00 0D", 20) == #""values":{"a":13}"#)
    #expect(send("00 0B", 30) == nil)  // measured from what was published
    #expect(send("00 0D", 79) == nil)
    #expect(send("00 0D", 80) == #""values":{"a":13}"#)  // the heartbeat
    _ = machine.receive(reading(failed(.holding, 0, 1, .timeout, at: 90)))
    #expect(send("00 0D", 91) == #""values":{"a":13}"#)  // good again is news
    #expect(machine.lastValues(of: device("meter-1")).first?.json == "13")
}

@Test func publishesOnChangeOnly() {
    var machine = adapter(
        Point(name: "s", table: .holding, address: 0, type: .string, length: 1, onChange: true),
        Point(name: "n", table: .holding, address: 1))
    func send(_ hex: String) -> String? {
        machine.receive(reading(good(.holding, 0, hex))).first?.text
    }
    #expect(send("41 42 00 01") == #""values":{"s":"AB","n":1}"#)
    #expect(send("41 42 00 01") == #""values":{"n":1}"#)
    #expect(send("41 43 00 01") == #""values":{"s":"AC","n":1}"#)
}

@Test func scalesByAnotherPointOfTheSameNode() {
    var machine = adapter(
        Point(name: "A", table: .holding, address: 0, scaleFrom: "A_SF"),
        Point(name: "A_SF", table: .holding, address: 1, type: .int16))
    func send(_ hex: String) -> String? {
        machine.receive(reading(good(.holding, 0, hex))).first?.text
    }
    #expect(send("00 7B FF FE") == #""values":{"A_SF":-2,"A":1.23}"#)
    #expect(send("00 7B 00 02") == #""values":{"A_SF":2,"A":12300}"#)
    #expect(send("00 7B 80 00") == #""values":{"A_SF":-32768},"bad":{"A":"invalid"}"#)
    #expect(
        machine.receive(reading(good(.holding, 0, "00 01"), failed(.holding, 1, 1, .checksum)))
            .first?.text
            == #""values":{},"bad":{"A_SF":"checksum","A":"checksum"}"#)
}

@Test func takesTheScaleFactorFromASlowerInterval() {
    var machine = adapter(
        Point(
            name: "A", table: .holding, address: 0, type: .float32, scaleFrom: "A_SF",
            interval: .seconds(1)),
        Point(name: "A_SF", table: .holding, address: 9, type: .int16))
    let fast = reading(good(.holding, 0, "42 F6 00 00"), every: .seconds(1))  // 123.0
    #expect(machine.receive(fast).first?.text == #""values":{},"bad":{"A":"invalid"}"#)
    _ = machine.receive(reading(good(.holding, 9, "FF FF")))
    #expect(machine.receive(fast).first?.text == #""values":{"A":12.3}"#)
}

@Test func marksPriority() {
    var machine = adapter(
        Point(name: "alarm", table: .discrete, address: 0, priority: true, onChange: true),
        Point(name: "n", table: .holding, address: 1))
    let parts = [good(.discrete, 0, "01"), good(.holding, 1, "00 01")]
    #expect(
        machine.receive(Reading(address(1), every: .seconds(10), parts)).first?.priority == true)
    #expect(
        machine.receive(Reading(address(1), every: .seconds(10), parts)).first?.priority == false)
}

@Test func remembersTheLastGoodValueBesideWhyItIsBadNow() {
    var machine = adapter(
        Point(name: "a", table: .holding, address: 0, units: "V"),
        Point(name: "b", table: .coil, address: 0))
    _ = machine.receive(reading(good(.holding, 0, "00 09", at: 1), failed(.coil, 0, 1, .timeout)))
    _ = machine.receive(
        reading(failed(.holding, 0, 1, .checksum, at: 2), failed(.coil, 0, 1, .timeout)))
    #expect(
        machine.lastValues(of: device("meter-1")) == [
            LastValue(
                name: "a", units: "V", json: "9", at: at(1), registers: [9], bad: .checksum),
            LastValue(name: "b", bad: .timeout),
        ])
    #expect(machine.health(of: device("meter-1")) == (0, 2))
}

@Test func tellsTheRegistersOfTheLastGoodValue() {
    var apart = Coding()
    apart.registers = [0, 4]
    var machine = adapter(
        Point(name: "f", table: .holding, address: 1, type: .float32),
        Point(name: "s", table: .holding, address: 0, type: .uint32, coding: apart),
        Point(name: "t", table: .holding, address: 0, type: .string, length: 10),
        Point(name: "b", table: .coil, address: 0))
    _ = machine.receive(
        reading(good(.holding, 0, "12 34 42 F6 E9 79 00 00 56 78"), good(.coil, 0, "01")))
    let values = machine.lastValues(of: device("meter-1"))
    #expect(values.map(\.registers) == [[0x42F6, 0xE979], [0x1234, 0x5678], nil, nil])
    #expect(values[0].json?.hasPrefix("123.456") == true)
}

/// Every cut and every garbage byte: no trap, and always one JSON object per reading.
@Test func survivesAnyBytesInAnyLength() throws {
    var random = RandomSource(seed: 7)
    var points: [Point] = []
    for type in ValueType.allCases {
        for table in [Table.holding, .frame, .coil] {
            points.append(
                Point(
                    name: "\(type.rawValue)-\(table.rawValue)", table: table,
                    address: points.count % 7, type: type,
                    length: Int(random.next() % 9),
                    scale: [1, 0.1, -1e300, 1e-300][points.count % 4],
                    offset: [0, 1e300, 0.5][points.count % 3],
                    bits: [BitField(name: "x", low: 70, high: -3)],
                    invalid: [.code(.max), .number(.nan), .nan],
                    deadband: points.count % 2 == 0 ? 0 : nil))
        }
    }
    var machine = Adapter([Binding(device: device("meter-1"), address: address(1), points: points)])
    for _ in 0..<500 {
        let data = (0..<Int(random.next() % 40)).map { _ in UInt8(truncatingIfNeeded: random.next())
        }
        let start = Int(random.next() % 5)
        let parts = [Table.holding, .frame, .coil].map {
            ReadPart($0, start, 100, .success(data), at: at(1))
        }
        for telemetry in machine.receive(Reading(address(1), every: .seconds(10), parts)) {
            let object = try JSONReader.parse("{" + telemetry.text + "}")
            #expect(object["values"]?.members?.count == telemetry.good)
            #expect(object["bad"]?.members?.count ?? 0 == telemetry.bad)
        }
    }
}

/// The scale factor's own interval is an hour: one lost reply must not blind the value for an hour.
@Test func aScaleFactorOfAnotherIntervalOutlivesALostReply() {
    var machine = adapter(
        Point(name: "A", table: .holding, address: 0, scaleFrom: "A_SF", interval: .seconds(1)),
        Point(
            name: "A_SF", table: .holding, address: 9, type: .int16, invalid: [.code(0x8000)],
            hidden: true))
    func send(_ hex: String) -> String? {
        machine.receive(reading(good(.holding, 0, hex), every: .seconds(1))).first?.text
    }
    // Hidden: nothing to publish.
    #expect(machine.receive(reading(good(.holding, 9, "FF FF"))).isEmpty)
    #expect(send("00 7B") == #""values":{"A":12.3}"#)
    #expect(machine.receive(reading(failed(.holding, 9, 1, .timeout))).isEmpty)
    #expect(send("00 7C") == #""values":{"A":12.4}"#)
    _ = machine.receive(reading(good(.holding, 9, "80 00")))  // the device says: none
    #expect(send("00 7D") == #""values":{},"bad":{"A":"invalid"}"#)
    _ = machine.receive(reading(good(.holding, 9, "00 01")))
    #expect(send("00 7D") == #""values":{"A":1250}"#)
}

@Test func aClampedValueStopsAtItsLimit() {
    let point = Point(
        name: "v", table: .holding, address: 0, type: .int16, scale: 0.1, min: 0, max: 99.5,
        clamp: true)
    #expect(body(point, "FF F0") == #""values":{"v":0}"#)
    #expect(body(point, "03 E8") == #""values":{"v":99.5}"#)
    #expect(body(point, "00 64") == #""values":{"v":10}"#)
    let float = Point(
        name: "v", table: .holding, address: 0, type: .float32, min: -1, max: 1, clamp: true)
    #expect(body(float, "42 F6 00 00") == #""values":{"v":1}"#)
    #expect(body(float, "7F 80 00 00") == #""values":{},"bad":{"v":"invalid"}"#)
}

/// Sixty readings of a second are a minute, also if one comes a millisecond early.
@Test func theHeartbeatIsNotLateForAMillisecond() {
    var machine = adapter(
        Point(
            name: "a", table: .holding, address: 0, interval: .seconds(1), onChange: true,
            heartbeat: .seconds(60)))
    var published: [Int] = []
    for second in 0...180 {
        let early = second % 2 == 0 ? 0.003 : 0
        let one = reading(
            good(.holding, 0, "00 01", at: Double(second) + early), every: .seconds(1))
        if !machine.receive(one).isEmpty { published.append(second) }
    }
    #expect(published == [0, 60, 120, 180])
}

@Test func sentinelsOf64BitsAreOneValueOnly() {
    let codes: [Sentinel] = [.code(0x7FFF_FFFF_FFFF_FFFF), .code(0x8000_0000_0000_0000)]
    let point = Point(name: "v", table: .holding, address: 0, type: .int64, invalid: codes)
    #expect(body(point, "7F FF FF FF FF FF FF FF") == #""values":{},"bad":{"v":"invalid"}"#)
    #expect(body(point, "7F FF FF FF FF FF FF FE") == #""values":{"v":9223372036854775806}"#)
    #expect(body(point, "80 00 00 00 00 00 00 01") == #""values":{"v":-9223372036854775807}"#)
}
