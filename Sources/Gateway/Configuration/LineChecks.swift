import Base
import Drivers

/// Settings of a line that are possible and probably not meant.
struct LineChecks {
    private let problems: Problems
    /// Time of one character on the line.
    private let character: Duration
    private let baud: Int

    /// Rates that devices and adapters offer.
    private static let rates = [
        50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 7200, 9600, 10_400, 14_400,
        19_200, 28_800, 31_250, 38_400, 56_000, 57_600, 62_500, 74_880, 76_800, 100_000, 115_200,
        125_000, 128_000, 153_600, 187_500, 230_400, 250_000, 256_000, 312_500, 375_000, 460_800,
        500_000, 576_000, 614_400, 625_000, 750_000, 921_600, 1_000_000, 1_152_000, 1_500_000,
        2_000_000, 2_500_000, 3_000_000, 3_500_000, 4_000_000, 5_000_000, 6_000_000, 8_000_000,
        12_000_000,
    ]

    init(_ line: LineSettings, _ problems: Problems) {
        self.problems = problems
        baud = line.baud
        // A start bit, and a parity bit if there is one.
        let bits = 1 + line.dataBits + (line.parity == .none ? 0 : 1) + line.stopBits
        character = baud > 0 ? .seconds(bits) / baud : .zero
    }

    /// Warns of a rate that hardly any device has.
    func checkRate(_ field: Field?) {
        guard let field, !Self.rates.contains(baud),
            let near = Self.rates.min(by: { abs($0 - baud) < abs($1 - baud) })
        else { return }
        problems.warning(
            field.place, "\(baud) is an uncommon baud rate; the nearest common one is \(near)")
    }

    /// Refuses a timeout in which not even one character of a reply could come. Warns of one that
    /// ends before a unit may answer: Modbus wants 3.5 characters of silence before a reply.
    func checkTimeout(_ field: Field?, _ timeout: Duration?, isModbus: Bool) {
        // Where no speed is known the line is at the other end of a network.
        guard let field, let timeout, baud > 0 else { return }
        let shown = "\"responseTimeout\" is \(Quantity.describe(timeout))"
        let one = "one character takes \(describe(character)) at \(baud) baud"
        if timeout < character {
            problems.error(field.place, "\(shown), and \(one): no reply could come in time")
        } else if isModbus, timeout < character * 9 / 2 {
            problems.warning(
                field.place,
                "\(shown), and \(one): a Modbus unit is silent for 3.5 characters before it answers"
            )
        }
    }

    private func describe(_ duration: Duration) -> String {
        let microseconds = Int(duration.nanoseconds / 1000)
        return microseconds < 1000
            ? "\(microseconds)us" : "\(microseconds / 1000).\(microseconds % 1000 / 100)ms"
    }
}
