import Adapter
import Base

/// Reads whether a point may be written, within which limits and by which function. It also reads
/// the safe value, which the point is set to when the bridge has been away for long.
extension ConfigurationReader {
    /// `true`, or the limits of what may be written.
    func readWritable(_ cursor: inout ObjectCursor, _ point: Point) -> WriteRule? {
        guard let field = cursor.take("writable") else { return nil }
        if field.json.bool == false { return nil }
        if point.table != .coil, point.table != .holding {
            problems.error(
                field.keyPlace,
                "\"writable\": only coils and holding registers can be written, not \(point.table.rawValue)"
            )
        }
        if let reason = unwritable(point) {
            problems.error(field.keyPlace, "\"writable\": \(reason)")
        }
        if field.json.bool == true { return WriteRule() }
        guard field.json.members != nil else {
            problems.error(
                field.place,
                "\"writable\" must be true or { min, max, step, values, perMinute, perDay, readback, compare, "
                    + "tolerance, function, retained, exact, together }, not \(field.json.describe)"
            )
            return nil
        }
        guard var object = ObjectCursor(field, "\"writable\"", problems) else { return nil }
        var rule = readRates(&object)
        if !point.type.isNumber {
            for key: ByteString in ["min", "max", "step", "values", "tolerance"] {
                guard let wrong = object.take(key) else { continue }
                problems.error(
                    wrong.keyPlace, "\"\(key)\" has no meaning for \(point.type.rawValue)")
            }
        }
        rule.min = object.number("min")
        rule.max = object.number("max")
        rule.step = object.number("step")
        if let values = object.take("values") {
            rule.values = object.items(of: values).compactMap { object.number(of: $0) }
            if rule.values?.isEmpty == true {
                problems.error(values.place, "\"values\" is empty: nothing could be written")
            }
        }
        readChecks(&object, &rule)
        rule.retained = object.bool("retained", default: false)
        rule.function = object.take("function").flatMap { readFunction($0, object, point) }
        rule.isExact = object.bool("exact", default: false)
        if rule.isExact, !point.type.isNumber || point.type.isFloat,
            let field = object.take("exact")
        {
            problems.error(field.keyPlace, "\"exact\" has no meaning for \(point.type.rawValue)")
        }
        readTogether(&object, &rule, point)
        object.finish()
        if let low = rule.min, let high = rule.max, low > high, let max = object.take("max") {
            problems.error(max.place, "\"max\" is below \"min\": nothing could be written")
        }
        if let step = rule.step, step <= 0, let field = object.take("step") {
            problems.error(field.place, "\"step\" must be above 0")
        }
        return rule
    }

    /// `writeOnly: true`: never read, so that the acknowledgement of a write is its result.
    func readWriteOnly(_ cursor: inout ObjectCursor, _ point: inout Point) {
        guard cursor.bool("writeOnly", default: false), let field = cursor.take("writeOnly") else {
            return
        }
        if point.table != .coil, point.table != .holding {
            problems.error(
                field.keyPlace,
                "\"writeOnly\": only coils and holding registers can be written, not \(point.table.rawValue)"
            )
            return
        }
        var rule = point.writable ?? WriteRule()
        (rule.isOnly, rule.readBack, rule.compare) = (true, false, false)
        if point.type == .bits || point.type.isPartOfRegisters {
            // What cannot be read cannot be changed by reading it: the unit itself has to keep the
            // other bits.
            if point.count > 1 || ![nil, 22].contains(rule.function) {
                problems.error(
                    field.keyPlace,
                    "\"writeOnly\": parts of one register go by function 22; of several, and by "
                        + "\(rule.function.map { "function \($0)" } ?? "others"), they have to be read first"
                )
            }
            rule.function = 22
        }
        if point.scaleFrom != nil {
            problems.error(
                field.keyPlace, "\"writeOnly\": a point without a value has no \"scaleFrom\"")
        }
        point.writable = rule
    }

    /// Why no value can be encoded for the point; nil if one can.
    private func unwritable(_ point: Point) -> String? {
        if !point.coding.registers.isEmpty {
            return "registers that do not follow each other are not written"
        }
        if point.text != nil { return "a number written in digits is not written" }
        if point.type == .version || point.type.hasExponent {
            return "a \(point.type.rawValue) is only read"
        }
        if point.coding.layout?.canBeWritten == false {
            return "a date of this layout is only read"
        }
        return nil
    }

    /// `together: true`: in one request with its neighbours.
    private func readTogether(_ object: inout ObjectCursor, _ rule: inout WriteRule, _ point: Point)
    {
        rule.isTogether = object.bool("together", default: false)
        guard rule.isTogether, let field = object.take("together") else { return }
        if point.type == .bits || point.type.isPartOfRegisters {
            problems.error(
                field.keyPlace,
                "\"together\" is for whole registers and coils, not for \(point.type.rawValue)")
        } else if let function = rule.function, ![15, 16].contains(function) {
            problems.error(
                field.keyPlace,
                "\"together\" goes by function \(point.table == .coil ? 15 : 16), not by \(function)"
            )
        }
    }

    private func readRates(_ object: inout ObjectCursor) -> WriteRule {
        WriteRule(
            perMinute: object.integer("perMinute", in: 1...60_000),
            perDay: object.integer("perDay", in: 1...10_000_000))
    }

    private func readChecks(_ object: inout ObjectCursor, _ rule: inout WriteRule) {
        rule.readBack = object.bool("readback", default: true)
        rule.compare = object.bool("compare", default: rule.readBack)
        if rule.compare, !rule.readBack, let field = object.take("compare") {
            problems.error(
                field.place,
                "\"compare\" needs \"readback\": nothing is read that could be compared")
        }
        rule.tolerance = object.number("tolerance")
        if let tolerance = rule.tolerance, tolerance < 0, let field = object.take("tolerance") {
            problems.error(field.place, "\"tolerance\" must not be negative")
        }
    }

    /// 5 and 15 for coils, 6 and 16 for registers, 22 for parts of a register.
    private func readFunction(_ field: Field, _ object: ObjectCursor, _ point: Point) -> UInt8? {
        let isPart = point.type == .bits || point.type.isPartOfRegisters
        let known: [Int] =
            point.table == .coil
            ? [5, 15] : isPart ? [6, 16, 22] : point.count > 1 ? [16] : [6, 16]
        guard let value = object.integer(of: field, in: 1...127) else { return nil }
        guard known.contains(value) else {
            let list = known.map(String.init).joined(separator: ", ")
            problems.error(
                field.place,
                "\"function\" is \(value); what writes a \(point.type.rawValue) in a \(point.table.rawValue) is \(list)"
            )
            return nil
        }
        return UInt8(value)
    }

    // MARK: safe values

    /// `{ value: 0, after: "10m" }`
    func readSafe(_ cursor: inout ObjectCursor, _ point: Point) -> SafeValue? {
        guard let field = cursor.take("safe") else { return nil }
        if point.table != .coil, point.table != .holding {
            problems.error(
                field.keyPlace,
                "\"safe\": only coils and holding registers can be written, not \(point.table.rawValue)"
            )
        }
        guard var object = ObjectCursor(field, "\"safe\"", problems) else { return nil }
        let value = object.require("value")
        if !object.has("after") { _ = object.require("after") }
        let after = object.duration("after", in: .seconds(1)...(.seconds(30 * 86_400)))
        object.finish()
        guard let value, let after else { return nil }
        return SafeValue(value: ByteString(value.json.text), after: after)
    }

    /// Whether every safe value can be written at all.
    func checkSafeValues(_ binding: Binding, at place: FilePlace) {
        let adapter = Adapter([binding])
        for point in binding.points where point.scaleFrom == nil {
            guard let safe = point.safe, let value = try? JSONReader.parse(safe.value),
                point.table == .coil || point.table == .holding
            else { continue }
            do throws(WriteRefusal) {
                _ = try adapter.order(
                    setting: point.name, of: binding.device, to: value, id: 0, expires: .zero)
            } catch {
                problems.error(place, "the safe value cannot be written: \(error.message)")
            }
        }
    }
}
