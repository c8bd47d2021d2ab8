import Base

/// Faults of one unit. Probabilities are 0 to 1.
package struct BusFaults: Hashable, Sendable {
    package struct Refusal: Hashable, Sendable {
        package var table: Table?
        package var addresses: ClosedRange<Int>
        package var code: UInt8

        package init(table: Table? = nil, addresses: ClosedRange<Int>, code: UInt8) {
            self.table = table
            self.addresses = addresses
            self.code = code
        }
    }

    /// Hears nothing and says nothing.
    package var dead: Bool
    /// For each byte of a reply, that one of its bits arrives flipped.
    package var noise: Double
    /// For each request, that it is not answered.
    package var silence: Double
    /// For each reply, that it carries another unit's id.
    package var wrongUnit: Double
    /// For each reply, that it comes `lateBy` after its time.
    package var late: Double
    package var lateBy: Duration
    /// For each reply, that it comes once more, `twiceAfter` after its end.
    package var twice = 0.0
    package var twiceAfter = Duration.milliseconds(5)
    /// For each reply, that its end is missing.
    package var truncated: Double
    /// Requests that touch these addresses are refused with an exception.
    package var refusals: [Refusal]

    package init(
        dead: Bool = false, noise: Double = 0, silence: Double = 0, wrongUnit: Double = 0,
        late: Double = 0,
        lateBy: Duration = .zero, truncated: Double = 0, refusals: [Refusal] = []
    ) {
        self.dead = dead
        self.noise = noise
        self.silence = silence
        self.wrongUnit = wrongUnit
        self.late = late
        self.lateBy = lateBy
        self.truncated = truncated
        self.refusals = refusals
    }
}

/// Answers of a unit to the functions beyond its tables. The unit refuses a function that it does
/// not have.
package struct BusUnitFunctions: Hashable, Sendable {
    /// Function 43/14: by object id.
    package var identification: [UInt8: [UInt8]] = [:]
    /// Function 17: id, run indicator and more; nil refuses it.
    package var serverID: [UInt8]?
    /// Function 7.
    package var exceptionStatus: UInt8?
    /// Functions 20 and 21: registers by file and record number.
    package var files: [UInt16: [UInt16: UInt16]] = [:]
    /// Function 24: the queue at each pointer address.
    package var fifos: [UInt16: [UInt16]] = [:]
    /// Makers' own functions: the reply's data, whatever is asked.
    package var custom: [UInt8: [UInt8]] = [:]
    /// Functions 8, 11 and 12.
    package var diagnostics = true

    package init() {}
}

/// One unit of a simulated bus: its cells by table and address, how long it thinks, what it does
/// wrong.
package struct BusUnitDescription: Hashable, Sendable {
    package var cells: [Table: [Int: CellDescription]]
    package var functions = BusUnitFunctions()
    /// From the end of the request to the beginning of the reply; never less than t3.5.
    package var turnaround: Duration
    package var faults: BusFaults

    package init(
        cells: [Table: [Int: CellDescription]] = [:], turnaround: Duration = .milliseconds(5),
        faults: BusFaults = BusFaults()
    ) {
        self.cells = cells
        self.turnaround = turnaround
        self.faults = faults
    }
}

/// A whole simulated line.
package struct BusDescription: Hashable, Sendable {
    package var baud: Int
    package var parity: LineSettings.Parity
    package var dataBits: Int
    package var stopBits: Int
    package var units: [UInt8: BusUnitDescription]
    /// How many bytes of a reply are handed over together, as a UART's FIFO does.
    package var chunk: Int
    /// How unpunctual the carrier may be before a request counts as too early or as cut in two:
    /// zero in a simulation, a few milliseconds on a pseudo-terminal.
    package var jitter: Duration
    /// How many exchanges the log keeps.
    package var logLimit: Int

    package init(
        baud: Int = 9600, parity: LineSettings.Parity = .none, dataBits: Int = 8, stopBits: Int = 1,
        units: [UInt8: BusUnitDescription] = [:], chunk: Int = 8, jitter: Duration = .zero,
        logLimit: Int = 10_000
    ) {
        self.baud = baud
        self.parity = parity
        self.dataBits = dataBits
        self.stopBits = stopBits
        self.units = units
        self.chunk = chunk
        self.jitter = jitter
        self.logLimit = logLimit
    }

    package var bitsPerCharacter: Int { 1 + dataBits + (parity == .none ? 0 : 1) + stopBits }

    /// Units 1 to `units`, each with `registers` holding and input registers of every kind of
    /// signal from address 0, and as many coils and discrete inputs (at most 16).
    package static func sample(
        units: Int, registers: Int, baud: Int = 19_200, parity: LineSettings.Parity = .even
    ) -> BusDescription {
        var bus = BusDescription(baud: baud, parity: parity)
        for unit in 1...UInt8(clamping: max(1, min(units, 247))) {
            var cells: [Table: [Int: CellDescription]] = [:]
            for address in 0..<max(0, min(registers, 65_536)) {
                cells[.holding, default: [:]][address] = sampleCell(address, unit)
                cells[.input, default: [:]][address] = sampleCell(address + 1, unit)
                guard address < 16 else { continue }
                let every = Duration.seconds(1 + address)
                cells[.coil, default: [:]][address] = CellDescription(
                    .constant(Double(address & 1)))
                cells[.discrete, default: [:]][address] = CellDescription(
                    .counter(start: 0, step: 1, every: every))
            }
            bus.units[unit] = BusUnitDescription(cells: cells)
            bus.units[unit]?.functions.serverID = Array("fieldsim unit \(unit)".utf8) + [0xFF]
            bus.units[unit]?.functions.identification = [
                0: Array("fieldgw".utf8), 1: Array("fieldsim".utf8), 2: Array("1".utf8),
            ]
        }
        return bus
    }

    private static func sampleCell(_ address: Int, _ unit: UInt8) -> CellDescription {
        let base = Double(unit) * 100
        switch address % 5 {
        case 0: return CellDescription(.counter(start: base, step: 1, every: .seconds(1)))
        case 1:
            return CellDescription(
                .sine(mean: 2300, amplitude: 50 + base / 10, period: .seconds(60)))
        case 2: return CellDescription(.ramp(from: 0, to: 1000 + base, period: .seconds(30)))
        case 3:
            return CellDescription(
                .walk(start: 200 + base, step: 5, every: .milliseconds(500), low: 0, high: 60_000))
        default: return CellDescription(.constant(base + Double(address)))
        }
    }
}
