import Adapter
import Base
import Testing

private let meter = device("meter-1")

/// The order's data, or the refusal's kind.
private func write(
    _ machine: inout Adapter, _ value: String, point: ByteString = "v", at seconds: Double = 0
) -> Result<Order.Data, WriteRefusal> {
    do {
        let orders = try machine.orders(
            [(point, json(value))], of: meter, firstID: 7, expires: .distantFuture, at: at(seconds))
        let order = try #require(orders.first)
        #expect(orders.count == 1 && order.id == 7 && order.address == address(1) && order.readBack)
        return .success(order.data)
    } catch let refusal as WriteRefusal {
        return .failure(refusal)
    } catch {
        Issue.record("\(error)")
        return .failure(WriteRefusal(.type, "no refusal"))
    }
}

private func write(
    _ machine: inout Adapter, _ value: String, custom name: ByteString
) -> Result<Order.Data, WriteRefusal> {
    do {
        let orders = try machine.orders(
            [(name, json(value))], of: meter, firstID: 1, expires: .distantFuture, at: at(0))
        #expect(orders.count == 1 && orders.first?.readBack == false)
        return orders.first.map { .success($0.data) } ?? .failure(WriteRefusal(.type, "nothing"))
    } catch {
        return .failure(error)
    }
}

private func write(_ point: Point, _ value: String) -> Result<Order.Data, WriteRefusal> {
    var machine = adapter(point)
    return write(&machine, value)
}

private func kind(_ result: Result<Order.Data, WriteRefusal>) -> WriteRefusal.Kind? {
    if case .failure(let refusal) = result { refusal.kind } else { nil }
}

private func point(
    _ type: ValueType, _ order: String = "", length: Int = 1, scale: Double = 1, offset: Double = 0,
    rule: WriteRule? = WriteRule()
) -> Point {
    Point(
        name: "v", table: .holding, address: 0x20, type: type, order: ByteOrder(order),
        length: length,
        scale: scale, offset: offset, writable: rule)
}

@Test func encodesTheInverseOfDecoding() {
    let cases: [(Point, String, [UInt16])] = [
        (point(.uint16), "65535", [0xFFFF]), (point(.int16), "-1", [0xFFFF]),
        (point(.int16, "BA"), "-2", [0xFEFF]),
        (point(.uint16, scale: 0.1), "0.3", [3]),
        (point(.uint16, scale: 0.1, offset: -273.15), "20.25", [2934]),
        (point(.uint32, "CDAB"), "305419896", [0x5678, 0x1234]), (point(.bcd16), "1234", [0x1234]),
        (point(.bcd32, "CDAB"), "98765432", [0x5432, 0x9876]),
        (point(.float32), "12.34", [0x4145, 0x70A4]),
        (point(.float32, "DCBA"), "12.34", [0xA470, 0x4541]), (point(.float16), "0.1", [0x2E66]),
        (point(.uint64), "18446744073709551615", [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF]),
        (point(.int64), "-9223372036854775808", [0x8000, 0, 0, 0]), (point(.bool), "true", [1]),
        (point(.string, length: 2), "\"ABC\"", [0x4142, 0x4300]),
        (point(.string, "BA", length: 2), "\"ABC\"", [0x4241, 0x0043]),
        (point(.uint16), "1e2", [100]),
    ]
    for (point, value, registers) in cases {
        #expect(write(point, value) == .success(.registers(registers)), "\(point.type) \(value)")
    }
    let coil = Point(name: "v", table: .coil, address: 3, writable: WriteRule())
    #expect(write(coil, "true") == .success(.bits([true])))
    #expect(write(coil, "0") == .success(.bits([false])))
}

@Test func refusesWhatIsNotAllowedWithASentence() {
    let ruled = point(.int16, scale: 0.5, rule: WriteRule(min: 0, max: 100, step: 2))
    #expect(write(ruled, "101") == .failure(WriteRefusal(.range, "v takes at most 100, not 101")))
    #expect(write(ruled, "-2") == .failure(WriteRefusal(.range, "v takes at least 0, not -2")))
    #expect(
        write(ruled, "3") == .failure(WriteRefusal(.step, "v takes multiples of 2, and 3 is none")))
    #expect(write(ruled, "100") == .success(.registers([200])))
    #expect(kind(write(point(.uint16, rule: nil), "1")) == .notWritable)
    #expect(kind(write(point(.uint16), "65536")) == .range)
    #expect(kind(write(point(.uint16), "-1")) == .range)
    #expect(kind(write(point(.bcd16), "10000")) == .range)
    var exact = WriteRule()
    exact.isExact = true
    #expect(
        write(point(.uint16, scale: 0.1, rule: exact), "0.35")
            == .failure(
                WriteRefusal(.resolution, "v is stored in steps of 0.1; 0.35 is none of them")))
    #expect(kind(write(point(.uint16), "1.5")) == .resolution)
    #expect(kind(write(point(.float32), "1e39")) == .range)
    #expect(kind(write(point(.float64), "1e999")) != nil)
    #expect(kind(write(point(.uint16), "\"1\"")) == .type)
    #expect(kind(write(point(.uint16), "null")) == .type)
    #expect(kind(write(point(.bool), "2")) == .type)
    #expect(kind(write(point(.string, length: 1), "\"ABC\"")) == .range)
    #expect(kind(write(point(.uint8), "256")) == .range)
    #expect(kind(write(point(.bits), "1")) == .type)
    #expect(
        kind(write(Point(name: "v", table: .input, address: 0, writable: WriteRule()), "1"))
            == .notWritable)
    var listed = point(.uint16, rule: WriteRule(values: [10, 20]))
    #expect(write(listed, "15") == .failure(WriteRefusal(.range, "v takes only 10, 20, not 15")))
    #expect(write(listed, "20") == .success(.registers([20])))
    listed = point(.uint16)
    listed.map = [0: "off", 5: "auto"]
    #expect(write(listed, "\"auto\"") == .success(.registers([5])))
    #expect(kind(write(listed, "\"on\"")) == .type)
    var hole = point(.int16)
    hole.invalid = [.code(0x8000)]
    #expect(kind(write(hole, "-32768")) == .range)
}

@Test func refusesUnknownNames() {
    var machine = adapter(point(.uint16))
    #expect(kind(write(&machine, "1", point: "w")) == .unknownPoint)
    do {
        _ = try machine.orders(
            [("v", json("1"))], of: device("nobody"), firstID: 1, expires: .zero, at: at(0))
        Issue.record("a stranger was written")
    } catch {
        #expect(error.kind == .unknownDevice)
    }
}

/// Bits and halves of a register change nothing beside themselves.
@Test func writesPartsOfARegisterUnderAMask() {
    var half = point(.uint8)
    #expect(write(half, "7") == .success(.masked(mask: [0xFF], value: [7])))
    half.byte = .high
    #expect(write(half, "255") == .success(.masked(mask: [0xFF00], value: [0xFF00])))
    half.type = .int8
    #expect(write(half, "-1") == .success(.masked(mask: [0xFF00], value: [0xFF00])))
    #expect(kind(write(half, "128")) == .range)

    var flags = point(.bits)
    flags.bits = [
        BitField(name: "run", bit: 0), BitField(name: "speed", low: 4, high: 6),
        BitField(name: "top", bit: 15),
    ]
    #expect(
        write(flags, #"{"run":true,"speed":5}"#) == .success(.masked(mask: [0x71], value: [0x51])))
    #expect(write(flags, #"{"top":false}"#) == .success(.masked(mask: [0x8000], value: [0])))
    #expect(
        write(flags, #"{"sped":1}"#)
            == .failure(WriteRefusal(.type, "v has no bit sped; did you mean \"speed\"?")))
    #expect(
        write(flags, #"{"speed":8}"#)
            == .failure(WriteRefusal(.range, "v takes a whole number from 0 to 7 for speed")))
    #expect(kind(write(flags, #"{"run":2}"#)) == .range)
    #expect(kind(write(flags, "{}")) == .type)
    flags.length = 2
    flags.order = ByteOrder("CDAB")
    flags.bits = [BitField(name: "low", bit: 1), BitField(name: "high", bit: 31)]
    #expect(write(flags, #"{"low":true}"#) == .success(.masked(mask: [2, 0], value: [2, 0])))
    #expect(
        write(flags, #"{"low":true,"high":true}"#)
            == .success(.masked(mask: [2, 0x8000], value: [2, 0x8000])))
}

/// A command with one point that may not be written costs the others nothing of their budgets.
@Test func aCommandIsAllowedAsAWholeOrNotAtAll() throws {
    var machine = Adapter([
        Binding(
            device: meter, address: address(1),
            points: [
                Point(name: "a", table: .holding, address: 1, writable: WriteRule(perMinute: 1)),
                Point(name: "b", table: .holding, address: 2, writable: WriteRule(max: 10)),
            ])
    ])
    func send(_ b: String) -> Int? {
        try? machine.orders(
            [("a", json("1")), ("b", json(b))], of: meter, firstID: 1, expires: .zero, at: at(0)
        ).count
    }
    #expect(send("11") == nil)
    #expect(send("10") == 2)
    #expect(send("10") == nil)
}

/// Only what the file lists can go out: the command chooses by name at most.
@Test func aCustomFunctionSendsWhatTheFileSays() throws {
    let fixed = Action(name: "reset", function: 0x42, payload: .fixed([1, 0]))
    let named = Action(
        name: "mode", function: 0x41, payload: .named(["eco": [1], "full": [2]]),
        rule: WriteRule(perDay: 2))
    var machine = Adapter([Binding(device: meter, address: address(1), actions: [fixed, named])])
    func send(_ name: ByteString, _ value: String) -> Result<Order.Data, WriteRefusal> {
        write(&machine, value, custom: name)
    }
    #expect(send("reset", "true") == .success(.custom(function: 0x42, [1, 0])))
    #expect(
        send("reset", "false")
            == .failure(WriteRefusal(.type, "reset takes true, not true or false")))
    #expect(send("mode", "\"full\"") == .success(.custom(function: 0x41, [2])))
    #expect(
        send("mode", "\"hex:03\"")
            == .failure(WriteRefusal(.type, "mode takes one of \"eco\", \"full\"")))
    #expect(send("mode", "\"eco\"") == .success(.custom(function: 0x41, [1])))
    #expect(kind(send("mode", "\"eco\"")) == .budget)
}

/// What a unit makes of a value that it rounds is within the tolerance, or the write has failed.
@Test func aReadBackIsComparedWithinTheTolerance() throws {
    func confirms(_ tolerance: Double?, _ readBack: String) throws -> Bool {
        let point = point(.uint16, scale: 0.01, rule: WriteRule(tolerance: tolerance))
        var machine = adapter(point)
        let order = try #require(
            try machine.orders(
                [("v", json("21.37"))], of: meter, firstID: 1, expires: .zero, at: at(0)
            ).first)
        return machine.confirms(good(.holding, 0x20, readBack), order, of: meter, point: "v")
    }
    #expect(try confirms(nil, "08 59"))
    #expect(try !confirms(nil, "08 5C"))  // 21.40
    #expect(try confirms(0.03, "08 5C"))
    #expect(try !confirms(0.02, "08 5C"))
    var text = adapter(point(.string, length: 2))
    let order = try #require(
        try text.orders([("v", json("\"AB\""))], of: meter, firstID: 1, expires: .zero, at: at(0))
            .first)
    #expect(text.confirms(good(.holding, 0x20, "41 42 20 20"), order, of: meter, point: "v"))
    #expect(!text.confirms(good(.holding, 0x20, "41 43 20 20"), order, of: meter, point: "v"))
}

@Test func countsWritesPerMinuteAndPerDay() {
    var machine = adapter(point(.uint16, rule: WriteRule(perMinute: 2, perDay: 5)))
    func send(_ seconds: Double) -> WriteRefusal.Kind? { kind(write(&machine, "1", at: seconds)) }
    #expect(kind(write(&machine, "-1", at: 0)) == .range)  // refused writes cost nothing
    #expect([send(0.5), send(30), send(59.9), send(62), send(120)] == [nil, nil, .rate, nil, nil])
    #expect([send(200), send(300), send(82_800)] == [nil, .budget, .budget])
    #expect(send(90_000) == nil)  // the first hour is 24 h ago
}

@Test func neverHasMoreThanTheLimitInAnyMinute() {
    var random = RandomSource(seed: 3)
    var machine = adapter(point(.uint16, rule: WriteRule(perMinute: 6)))
    var accepted: [Double] = []
    var now = 0.0
    for _ in 0..<3000 {
        now += random.uniform(0, 8)
        if kind(write(&machine, "1", at: now)) == nil { accepted.append(now) }
    }
    #expect(accepted.count > 500)
    for index in accepted.indices.dropFirst(6) {
        #expect(accepted[index] - accepted[index - 6] >= 60)
    }
}

@Test func writesThroughAScaleFactorOnceItIsKnown() {
    var machine = adapter(
        Point(name: "v", table: .holding, address: 0, scaleFrom: "sf", writable: WriteRule()),
        Point(name: "sf", table: .holding, address: 1, type: .int16))
    #expect(kind(write(&machine, "1.23")) == .scaleFactor)
    _ = machine.receive(reading(good(.holding, 0, "00 00 FF FE")))
    #expect(write(&machine, "1.23") == .success(.registers([123])))
}

/// In a list of its own: a closure inside the attribute crashes Swift 6.0.3.
private let wideNumbers = ValueType.allCases.filter { type in
    type.isNumber && !type.hasExponent && [2, 4, 6, 8].contains(type.width)
}

/// decode(encode(v)) == v for every numeric type and order, over random values.
@Test(arguments: wideNumbers)
func readsBackWhatItWrote(_ type: ValueType) {
    var random = RandomSource(seed: 11)
    let orders = [
        2: ["AB", "BA"], 4: ["ABCD", "CDAB", "BADC", "DCBA"], 6: ["ABCDEF", "EFCDAB", "BADCFE"],
        8: ["ABCDEFGH", "GHEFCDAB", "HGFEDCBA"],
    ]
    for order in orders[type.width ?? 0] ?? [] {
        for round in 0..<200 {
            let scale = type.isFloat ? 1 : [1, 0.1, 0.001, 5, 0.25][round % 5]
            let point = point(
                type, order, scale: scale, offset: type.isFloat ? 0 : [0, -40, 0.5][round % 3])
            var machine = adapter(point)
            let words = (0..<(type.width ?? 2) / 2).map { _ in
                UInt16(truncatingIfNeeded: random.next())
            }
            let raw = words.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
            let part = ReadPart(.holding, 0x20, words.count, .success(raw), at: at(0))
            guard case .success(let text) = machine.decode(part, of: meter, point: "v") else {
                continue
            }
            let value = String(decoding: text, as: UTF8.self)
            if value == "-0" { continue }
            #expect(
                write(&machine, value) == .success(.registers(words)),
                "\(type) \(order) ×\(scale) \(value)")
        }
    }
}
