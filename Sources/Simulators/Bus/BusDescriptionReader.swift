import Base

/// Why a file describes no bus, and where.
package struct BusDescriptionError: Error, Hashable, Sendable {
    package var position: TextPosition
    package var message: String
}

/// Reads a bus from JSON5:
/// ```
/// { baud: 19200, parity: "even", stopBits: 1, units: {
///     1: { turnaround: "5ms",
///          holding: { 0: { kind: "ramp", from: 0, to: 100, period: "30s" },
///                     "10-19": { kind: "counter" },                       // each address its own
///                     20: { kind: "sine", mean: 230, amplitude: 5, type: "float32", order: "CDAB" },
///                     30: 1234 },                                         // a constant
///          coil: { 0: 1 },
///          identification: { vendor: "Acme", product: "M1", revision: "1.2", name: "Meter", 128: "hex:01 02" },
///          serverID: "hex:41 42 FF", exceptionStatus: 0x6D, files: { 4: { 1: [0x0DFE, 32] } },
///          fifo: { 1246: [440, 4740] }, custom: { 100: "hex:01 02" }, diagnostics: true,
///          faults: { noise: 0.001, exceptions: [{ table: "holding", at: "5-6", code: 2 }] } },
///     2: { faults: { dead: true } } } }
/// ```
/// Kinds: constant (value), counter (start, step, every), ramp (from, to, period), sine (mean,
/// amplitude, period), walk (start, step, every, low, high), reads.
extension BusDescription {
    package static func parse(_ text: [UInt8]) throws(BusDescriptionError) -> BusDescription {
        let json: JSON
        do {
            json = try JSONReader.parse(text, .json5)
        } catch {
            throw BusDescriptionError(position: error.position, message: error.message)
        }
        return try parse(json)
    }

    /// The same from a value already read, so that one file can hold several buses.
    package static func parse(_ json: JSON) throws(BusDescriptionError) -> BusDescription {
        let fields = try Fields(
            json, "baud", "parity", "dataBits", "stopBits", "chunk", "jitter", "units")
        var bus = BusDescription()
        bus.baud = try fields.integer("baud", 50...4_000_000) ?? bus.baud
        bus.dataBits = try fields.integer("dataBits", 7...8) ?? bus.dataBits
        bus.stopBits = try fields.integer("stopBits", 1...2) ?? bus.stopBits
        bus.chunk = try fields.integer("chunk", 1...256) ?? bus.chunk
        bus.jitter = try fields.duration("jitter") ?? bus.jitter
        if let parity = fields["parity"] {
            guard let known = parity.string.flatMap(LineSettings.Parity.init(word:)) else {
                throw parity.error("parity is \"none\", \"even\" or \"odd\"")
            }
            bus.parity = known
        }
        for member in try fields.members("units") {
            guard let id = UInt8(member.name.string), (1...247).contains(id) else {
                throw BusDescriptionError(
                    position: member.position, message: "\(member.name) is no unit id: 1 to 247")
            }
            guard bus.units[id] == nil else {
                throw BusDescriptionError(
                    position: member.position, message: "unit \(id) is given twice")
            }
            bus.units[id] = try unit(member.value)
        }
        return bus
    }

    private static func unit(_ json: JSON) throws(BusDescriptionError) -> BusUnitDescription {
        let fields = try Fields(
            json, "turnaround", "faults", "coil", "discrete", "input", "holding", "identification",
            "serverID",
            "exceptionStatus", "files", "fifo", "custom", "diagnostics")
        var unit = BusUnitDescription()
        unit.functions = try functions(fields)
        unit.turnaround = try fields.duration("turnaround") ?? unit.turnaround
        for table in [Table.coil, .discrete, .input, .holding] {
            for member in try fields.members(ByteString(table.rawValue)) {
                let addresses = try range(member.name, at: member.position)
                let cell = try cell(member.value)
                let width = table.isBits ? 1 : cell.type.words
                for address in stride(
                    from: addresses.lowerBound, through: addresses.upperBound, by: width)
                {
                    unit.cells[table, default: [:]][address] = cell
                }
            }
        }
        if let faults = fields["faults"] { unit.faults = try self.faults(faults) }
        return unit
    }

    private static func range(
        _ text: ByteString, at position: TextPosition
    ) throws(BusDescriptionError)
        -> ClosedRange<Int>
    {
        let ends = text.split(0x2D, limit: 3).map { Int($0.string) }
        guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1],
            0 <= first, first <= last, last <= 65_535
        else {
            throw BusDescriptionError(
                position: position,
                message: "\(text.prefix(64)) is no address: 0 to 65535, or a range \"10-19\"")
        }
        return first...last
    }

    private static func cell(_ json: JSON) throws(BusDescriptionError) -> CellDescription {
        if let value = json.double { return CellDescription(.constant(value)) }
        if let on = json.bool { return CellDescription(.constant(on ? 1 : 0)) }
        let fields = try Fields(
            json, "kind", "type", "order", "value", "start", "step", "every", "from", "to",
            "period", "mean",
            "amplitude", "low", "high")
        var cell = CellDescription(try signal(fields, json))
        if let type = fields["type"] {
            guard let known = type.string.flatMap(CellDescription.Kind.init) else {
                let all = CellDescription.Kind.allCases.map(\.rawValue).joined(separator: ", ")
                throw type.error("type is one of \(all)")
            }
            cell.type = known
        }
        if let order = fields["order"] {
            guard let letters = order.string, ["AB", "ABCD", "CDAB"].contains(letters) else {
                throw order.error("order is \"ABCD\" or \"CDAB\"")
            }
            cell.swapped = letters == "CDAB"
        }
        return cell
    }

    private static func signal(_ fields: Fields, _ json: JSON) throws(BusDescriptionError) -> Signal
    {
        let start = try fields.number("start") ?? 0
        let step = try fields.number("step") ?? 1
        let every = try fields.duration("every") ?? .seconds(1)
        let period = try fields.duration("period") ?? .seconds(60)
        switch fields["kind"]?.string {
        case "constant"?: return .constant(try fields.number("value") ?? 0)
        case "counter"?: return .counter(start: start, step: step, every: every)
        case "ramp"?:
            return .ramp(
                from: try fields.number("from") ?? 0, to: try fields.number("to") ?? 1000,
                period: period)
        case "sine"?:
            let mean = try fields.number("mean") ?? 1000
            return .sine(
                mean: mean, amplitude: try fields.number("amplitude") ?? mean / 10, period: period)
        case "walk"?:
            let low = try fields.number("low") ?? 0
            let high = try fields.number("high") ?? 65_535
            return .walk(start: start, step: step, every: every, low: low, high: high)
        case "reads"?: return .reads
        default:
            throw (fields["kind"] ?? json).error(
                "kind is one of constant, counter, ramp, sine, walk, reads")
        }
    }

    private static func faults(_ json: JSON) throws(BusDescriptionError) -> BusFaults {
        let fields = try Fields(
            json, "dead", "noise", "silence", "wrongUnit", "late", "lateBy", "twice", "twiceAfter",
            "truncated", "exceptions")
        var faults = BusFaults()
        if let dead = fields["dead"] {
            guard let value = dead.bool else { throw dead.error("dead is true or false") }
            faults.dead = value
        }
        faults.noise = try fields.probability("noise")
        faults.silence = try fields.probability("silence")
        faults.wrongUnit = try fields.probability("wrongUnit")
        faults.truncated = try fields.probability("truncated")
        faults.lateBy = try fields.duration("lateBy") ?? .zero
        faults.late =
            fields["late"] == nil && faults.lateBy > .zero ? 1 : try fields.probability("late")
        faults.twiceAfter = try fields.duration("twiceAfter") ?? faults.twiceAfter
        let comesTwice = fields["twice"] == nil && fields["twiceAfter"] != nil
        faults.twice = comesTwice ? 1 : try fields.probability("twice")
        guard let list = fields["exceptions"] else { return faults }
        guard let items = list.array else {
            throw list.error("exceptions is an array, not \(list.describe)")
        }
        for item in items {
            let entry = try Fields(item, "table", "at", "code")
            let table = entry["table"]?.string.flatMap(Table.init(word:))
            if let given = entry["table"], table == nil {
                throw given.error("table is coil, discrete, input or holding")
            }
            var addresses = 0...65_535
            if let place = entry["at"] {
                let name = place.string ?? place.integer.map { "\($0)" } ?? "?"
                addresses = try range(name, at: place.position)
            }
            let code = UInt8(try entry.integer("code", 1...255) ?? 2)
            faults.refusals.append(
                BusFaults.Refusal(table: table, addresses: addresses, code: code))
        }
        return faults
    }
}
