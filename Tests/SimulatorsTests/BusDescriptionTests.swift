import Base
import Simulators
import Testing

private let text = """
    { baud: 19200, parity: "even", stopBits: 1, units: {
      1: { turnaround: "2ms",
           holding: { 0: { kind: "ramp", from: 0, to: 100, period: "30s" }, "10-12": { kind: "counter", every: "500ms" },
                      20: { kind: "sine", mean: 230, amplitude: 5, type: "float32", order: "CDAB" }, 30: 1234 },
           coil: { 0: true },
           faults: { noise: 0.001, lateBy: "1s", exceptions: [{ table: "holding", at: "5-6", code: 2 }, { at: 7 }] } },
      2: { faults: { dead: true } } } }
    """

@Test func readsADescription() throws {
    let bus = try BusDescription.parse(Array(text.utf8))
    #expect(bus.baud == 19_200 && bus.parity == .even && bus.bitsPerCharacter == 11)
    let unit = try #require(bus.units[1])
    #expect(unit.turnaround == .milliseconds(2))
    #expect(unit.cells[.holding]?.keys.sorted() == [0, 10, 11, 12, 20, 30])
    #expect(unit.cells[.holding]?[0]?.signal == .ramp(from: 0, to: 100, period: .seconds(30)))
    #expect(unit.cells[.holding]?[20]?.swapped == true)
    #expect(unit.cells[.coil]?[0]?.signal == .constant(1))
    #expect(unit.faults.late == 1 && unit.faults.lateBy == .seconds(1))
    #expect(unit.faults.refusals.map(\.addresses) == [5...6, 7...7])
    #expect(bus.units[2]?.faults.dead == true)
}

@Test(arguments: [
    ("{ bauds: 9600 }", "unknown key bauds"), ("{ units: { 0: {} } }", "0 is no unit id"),
    ("{ units: { 1: {}, 1: {} } }", "unit 1 is given twice"),
    ("{ baud: \"fast\" }", "baud is a whole number"),
    ("{ units: { 1: { holding: { \"9-3\": 1 } } } }", "9-3 is no address"),
    ("{ units: { 1: { holding: { 1: { kind: \"jump\" } } } } }", "kind is one of"),
    ("{ units: { 1: { faults: { noise: 2 } } } }", "noise is a probability"),
    ("{ units: { 1: { turnaround: 5 } } }", "turnaround is a duration"),
    ("[]", "an object is expected"), ("{", ""),
]) func saysWhatIsWrongAndWhere(_ text: String, _ message: String) {
    do {
        _ = try BusDescription.parse(Array(text.utf8))
        Issue.record("accepted \(text)")
    } catch {
        #expect(error.message.hasPrefix(message), "\(error.message)")
        #expect(error.position.line == 1)
    }
}
