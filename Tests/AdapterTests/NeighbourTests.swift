import Adapter
import Base
import TestKit
import Testing

private let meter = device("meter-1")

/// Values that take a second place to be read: their sign, or more of their registers.
@Suite struct NeighbourTests {
    /// Solis hybrid inverters, RS485 MODBUS protocol: 33134 is the battery's current in 0.1 A,
    /// 33135 its direction (0 charging, 1 discharging), 33149 its power in W over two registers.
    private static let battery: [Point] = [
        Point(
            name: "current", table: .input, address: 33_134, type: .int16,
            coding: Coding(negativeIf: PointMatch("direction", [1])), scale: 0.1),
        Point(name: "direction", table: .input, address: 33_135, hidden: true),
        Point(
            name: "power", table: .input, address: 33_149, type: .int32,
            coding: Coding(negativeIf: PointMatch("direction", [1]))),
    ]

    private func battery(_ parts: ReadPart..., isPartial: Bool = false) -> String {
        var machine = Adapter([Binding(device: meter, address: address(1), points: Self.battery)])
        let reading = Reading(address(1), every: .seconds(10), parts, isPartial: isPartial)
        return machine.receive(reading).first?.text ?? "nothing"
    }

    @Test func theSignStandsInAnotherPoint() {
        let power = good(.input, 33_149, "00 00 0B B8")
        #expect(
            battery(good(.input, 33_134, "00 7B 00 01"), power)
                == #""values":{"current":-12.3,"power":-3000}"#)
        #expect(
            battery(good(.input, 33_134, "00 7B 00 00"), power)
                == #""values":{"current":12.3,"power":3000}"#)
        #expect(
            battery(good(.input, 33_134, "00 00 00 01"), power)
                == #""values":{"current":0,"power":-3000}"#)
    }

    /// Without its sign a value is no value.
    @Test func aValueWhoseSignIsNotReadIsBad() {
        #expect(
            battery(
                good(.input, 33_134, "00 7B"), failed(.input, 33_135, 1, .timeout),
                good(.input, 33_149, "00 00 0B B8"))
                == #""values":{},"bad":{"current":"timeout","power":"timeout"}"#)
        // Another piece of the cycle may have it: nothing is said meanwhile.
        #expect(battery(good(.input, 33_149, "00 00 0B B8"), isPartial: true) == "nothing")
    }

    /// A sign of an earlier reading would turn the value around: it is read whenever the value is.
    @Test func theSignIsReadWithEveryValue() {
        var points = Self.battery
        points[1].interval = .seconds(60)
        let machine = Adapter([Binding(device: meter, address: address(1), points: points)])
        let spans = machine.spans(of: busA).first?.spans ?? []
        #expect(spans.contains(Span(.input, 33_135, 1, every: .seconds(10))))
        #expect(spans.contains(Span(.input, 33_135, 1, every: .seconds(60))))
    }

    @Test func aSignMayBeACoilOrANameOrAnythingElse() {
        func sign(_ source: Point, _ match: PointMatch, _ parts: ReadPart...) -> String? {
            var value = Point(name: "v", table: .holding, address: 0, type: .float32)
            value.coding.negativeIf = match
            var machine = Adapter([
                Binding(device: meter, address: address(1), points: [value, source])
            ])
            return machine.receive(Reading(address(1), every: .seconds(10), parts)).first?.text
        }
        let coil = Point(name: "s", table: .coil, address: 7, hidden: true)
        let value = good(.holding, 0, "41 45 70 A4")
        #expect(
            sign(coil, PointMatch("s", [1]), value, good(.coil, 0, "80"))
                == #""values":{"v":-12.34}"#)
        #expect(
            sign(coil, PointMatch("s", [1], differs: true), value, good(.coil, 0, "80"))
                == #""values":{"v":12.34}"#)
        #expect(
            sign(coil, PointMatch("s", [1]), good(.holding, 0, "C1 45 70 A4"), good(.coil, 0, "80"))
                == #""values":{"v":12.34}"#)
        let code = Point(name: "s", table: .holding, address: 9, map: [2: "export"], hidden: true)
        #expect(
            sign(code, PointMatch("s", [2, 3]), value, good(.holding, 9, "00 02"))
                == #""values":{"v":-12.34}"#)
        #expect(
            sign(code, PointMatch("s", [2, 3]), value, good(.holding, 9, "00 04"))
                == #""values":{"v":12.34}"#)
        var invalid = code
        invalid.invalid = [.code(0xFFFF)]
        #expect(
            sign(invalid, PointMatch("s", [2]), value, good(.holding, 9, "FF FF"))
                == #""values":{},"bad":{"v":"invalid"}"#)
    }

    @Test func theSignOfAFrameMayBeAByteOfIt() {
        var point = coded(.uint16, "", .frame, scale: 0.01)
        point.rules.negativeIf = FrameMatch(.bytes(at: 2), .equals, [[0x2D]])
        #expect(shown(point, "04 D2 2D") == "-12.34")
        #expect(shown(point, "04 D2 2B") == "12.34")
        #expect(shown(point, "04 D2") == "bad format")
    }

    // MARK: registers that do not follow each other

    private static let total = Point(
        name: "v", table: .holding, address: 0x4E, type: .uint32,
        coding: Coding(registers: [0x4E, 0x50]))

    @Test func aValueIsMadeOfRegistersThatDoNotTouch() {
        func read(_ point: Point, _ parts: ReadPart..., isPartial: Bool = false) -> String {
            var machine = adapter(point)
            return machine.receive(
                Reading(address(1), every: .seconds(10), parts, isPartial: isPartial)
            ).first?.text ?? "nothing"
        }
        let (high, low) = (good(.holding, 0x4E, "00 12"), good(.holding, 0x50, "34 56", at: 2))
        #expect(read(Self.total, high, low) == #""values":{"v":1193046}"#)
        #expect(
            read(Self.total, good(.holding, 0x4D, "FF FF 00 12 AA AA 34 56"))
                == #""values":{"v":1193046}"#)
        #expect(
            read(Self.total, high, failed(.holding, 0x50, 1, .exception(2)))
                == #""values":{},"bad":{"v":"exception-2"}"#)
        #expect(read(Self.total, high) == #""values":{},"bad":{"v":"format"}"#)
        #expect(read(Self.total, high, isPartial: true) == "nothing")
        var backwards = Self.total
        backwards.coding.registers = [0x50, 0x4E]
        #expect(
            read(backwards, good(.holding, 0x4E, "34 56 AA AA 00 12")) == #""values":{"v":1193046}"#
        )
        var text = Self.total
        (text.type, text.length, text.coding.registers) = (.string, 3, [0x4E, 0x60, 0x61])
        #expect(
            read(text, good(.holding, 0x4E, "41 42"), good(.holding, 0x60, "43 44 45 00"))
                == #""values":{"v":"ABCDE"}"#)
    }

    @Test func onlyItsOwnRegistersAreRead() {
        #expect(
            Self.total.spans == [
                Span(.holding, 0x4E, 1, every: .seconds(10)),
                Span(.holding, 0x50, 1, every: .seconds(10)),
            ])
        var three = Self.total
        three.coding.registers = [9, 3, 4]
        three.address = 3
        #expect(three.spans.map(\.address) == [3, 9] && three.spans.map(\.count) == [2, 1])
        #expect(three.touches(9, 1) && !three.touches(5, 4) && three.touches(0, 4))
        #expect(refusalKind(encoded(Self.total, "1")) == .notWritable)
    }

    // MARK: numbers written in digits

    @Test func aNumberIsWrittenInDigitsAtAPlace() {
        func digits(
            _ text: String, at: Int, _ count: Int, hex: Bool = false, _ type: ValueType = .float64
        ) -> String {
            var point = coded(type, "", .frame)
            point.text = .place(at: at, count: count, decimal: 0x2E)
            point.rules.isHexadecimal = hex
            return shown(point, Hex.encode(Array(text.utf8)))
        }
        #expect(digits("W00123.40kg", at: 1, 8) == "123.4")
        #expect(digits("W  -12kg", at: 1, 5) == "-12")
        #expect(digits("ABCD0C8F\r", at: -5, 4, hex: true, .uint16) == "3215")
        #expect(digits("~FFFE", at: 1, 4, hex: true, .int16) == "-2")
        #expect(digits("W12", at: 1, 4) == "bad format")
        #expect(digits("W1x34", at: 1, 4) == "bad format")
        #expect(digits("W    ", at: 1, 4) == "bad invalid")
        #expect(digits("W12345", at: 1, 5, hex: true, .uint16) == "bad format")
        var register = coded(.float64, length: 3)
        register.text = .place(at: 0, count: 5, decimal: 0x2C)
        #expect(shown(register, "31 32 2C 35 20 41") == "12.5")
        #expect(shown(register, "31 32 00 35 20 41") == "12")
        (register.type, register.rules.isHexadecimal, register.text) = (
            .int8, true, .place(at: 0, count: 2, decimal: 0x2E)
        )
        #expect(shown(register, "46 45 00 35 20 41") == "-2")
    }
}

@Suite struct TogetherTests {
    private func rule(
        _ isTogether: Bool = true, function: UInt8? = nil, readBack: Bool = true
    ) -> WriteRule {
        var rule = WriteRule(readBack: readBack, compare: readBack, function: function)
        rule.isTogether = isTogether
        return rule
    }

    private func machine(_ other: WriteRule) -> Adapter {
        Adapter([
            Binding(
                device: meter, address: address(1),
                points: [
                    Point(name: "a", table: .holding, address: 10, writable: rule()),
                    Point(name: "b", table: .holding, address: 11, type: .uint32, writable: other),
                    Point(name: "c", table: .holding, address: 13, writable: rule()),
                    Point(name: "d", table: .holding, address: 15, writable: rule()),
                    Point(name: "x", table: .coil, address: 3, writable: rule()),
                    Point(name: "y", table: .coil, address: 4, writable: rule()),
                ])
        ])
    }

    private func steps(_ other: WriteRule, _ names: String) throws -> [WriteStep] {
        var machine = machine(other)
        let values: [Character: String] = [
            "a": "0", "b": "1", "c": "2", "d": "3", "x": "false", "y": "true",
        ]
        let writes = names.map { name in
            (name: ByteString("\(name)"), value: json(values[name] ?? "null"))
        }
        return try machine.steps(writes, of: meter, firstID: 7, expires: .distantFuture, at: at(0))
    }

    @Test func neighboursOfOneCommandGoOutInOneRequest() throws {
        let all = try steps(rule(), "cab")
        #expect(all.map(\.points) == [["a", "b", "c"]])
        #expect(all.first?.order.start == 10 && all.first?.order.data == .registers([0, 0, 1, 2]))
        #expect(try steps(rule(), "abcd").map(\.points) == [["a", "b", "c"], ["d"]])
        #expect(try steps(rule(), "ac").map(\.points) == [["a"], ["c"]])
        #expect(try steps(rule(), "xy").map(\.order.data) == [.bits([false, true])])
        #expect(try steps(rule(), "yax").map(\.points) == [["x", "y"], ["a"]])
    }

    @Test func whatIsNotTogetherStaysAlone() throws {
        #expect(try steps(rule(false), "abc").map(\.points) == [["a"], ["b"], ["c"]])
        #expect(try steps(rule(readBack: false), "abc").map(\.points) == [["a"], ["b"], ["c"]])
    }

    /// What was read back holds the values of all of them.
    @Test func everyPointIsConfirmedByItself() throws {
        let machine = machine(rule())
        let order = try #require(try steps(rule(), "abc").first).order
        let part = good(.holding, 10, "00 00 00 00 00 01 00 09")
        #expect(machine.confirms(part, order, of: meter, point: "a"))
        #expect(machine.confirms(part, order, of: meter, point: "b"))
        #expect(!machine.confirms(part, order, of: meter, point: "c"))
        let coils = try #require(try steps(rule(), "xy").first).order
        #expect(machine.written(coils, of: meter, point: "y") == .success(Array("true".utf8)))
    }

    @Test func noRequestHoldsMoreThanItMay() throws {
        let points = (0..<130).map {
            Point(name: "p\($0)", table: .holding, address: $0, writable: rule())
        }
        var machine = Adapter([Binding(device: meter, address: address(1), points: points)])
        let steps = try machine.steps(
            points.map { ($0.name, json("1")) }, of: meter, firstID: 1, expires: .distantFuture,
            at: at(0))
        #expect(steps.map(\.points.count) == [123, 7])
    }
}
