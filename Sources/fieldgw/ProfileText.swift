import Adapter
import Base
import Gateway
import Platform

/// A profile as a page for people and as JSON.
enum ProfileText {
    static func page(_ name: String, _ listing: ProfileListing, file: String) -> String {
        let profile = listing.profile
        let node = listing.node
        var lines = ["\(name): \(profile.title ?? "")", "file: \(file)"]
        if let manual = profile.manual { lines.append("manual: \(manual)") }
        lines.append("driver: \(profile.driver.rawValue)")
        for parameter in profile.parameters {
            let standard = parameter.standard.map { ", default \($0)" } ?? ", must be given"
            let text = parameter.description.map { ": \($0)" } ?? ""
            lines.append("parameter \(parameter.name): \(parameter.rangeText)\(standard)\(text)")
        }
        if node.uart == nil, node.maxRegisters < 125 {
            lines.append("at most \(node.maxRegisters) registers in one request")
        }
        if !profile.identify.isEmpty { lines.append("recognised by scan") }
        let rows = node.points.map { point in
            [
                point.name.string, place(point), type(point), point.units?.string ?? "",
                writable(point), point.hidden ? "hidden" : "",
            ]
        }
        lines += [
            "",
            TextTable(
                [
                    "point", "address", "type", "unit", TextTable.Column("writable", rank: 1),
                    TextTable.Column("", rank: 2),
                ], rows
            ).text,
        ]
        return lines.map { $0.trimmingBlanks }.joined(separator: "\n")
    }

    /// `input 0x0046`, `at 4`, `item 2`.
    private static func place(_ point: Point) -> String {
        if point.table == .frame {
            switch point.text {
            case .item(let index, _, _): return "item \(index)"
            case .template: return "template"
            case .place(let at, _, _): return "at \(at)"
            case nil: return "at \(point.address)"
            }
        }
        let others = point.coding.registers.dropFirst().map { ", \(hex($0))" }.joined()
        return "\(point.table.rawValue) \(hex(point.address))\(others)"
    }

    private static func hex(_ address: Int) -> String {
        let digits = String(address, radix: 16, uppercase: true)
        return "0x" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// `int32 CDAB x 0.1`.
    private static func type(_ point: Point) -> String {
        guard point.text == nil else { return "text" }
        var text = point.type.rawValue
        if point.type.isText || point.type == .bits { text += "[\(point.length)]" }
        if let order = point.order { text += " \(order)" }
        if point.scale != 1 { text += " x \(number(point.scale))" }
        if point.offset != 0 { text += " + \(number(point.offset))" }
        if let other = point.scaleFrom { text += " x 10^\(other)" }
        return text
    }

    private static func number(_ value: Double) -> String {
        var writer = JSONWriter()
        writer.number(value)
        return writer.text
    }

    private static func writable(_ point: Point) -> String {
        guard let rule = point.writable else { return "" }
        if let values = rule.values { return values.map(number).joined(separator: " ") }
        switch (rule.min, rule.max) {
        case (let low?, let high?): return "\(number(low)) to \(number(high))"
        case (let low?, nil): return "from \(number(low))"
        case (nil, let high?): return "up to \(number(high))"
        case (nil, nil): return "yes"
        }
    }

    // MARK: JSON

    static func append(_ profile: Profile, to writer: inout JSONWriter) {
        if let title = profile.title { writer.member("title", title) }
        if let manual = profile.manual { writer.member("manual", manual) }
        writer.member("driver", profile.driver.rawValue)
        writer.key("parameters")
        writer.array { writer in
            for parameter in profile.parameters {
                writer.object { writer in
                    writer.member("name", parameter.name.string)
                    writer.member("min", parameter.range.lowerBound)
                    writer.member("max", parameter.range.upperBound)
                    if let standard = parameter.standard { writer.member("default", standard) }
                    if let text = parameter.description { writer.member("description", text) }
                }
            }
        }
    }

    static func json(
        _ name: String?, _ listing: ProfileListing?, _ diagnostics: [Diagnostic], file: String
    ) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            if let name { writer.member("name", name) }
            writer.member("file", file)
            if let listing {
                append(listing.profile, to: &writer)
                writer.key("points")
                writer.array { writer in
                    for point in listing.node.points { append(point, to: &writer) }
                }
            }
            writer.key("problems")
            writer.array { writer in
                for each in diagnostics {
                    writer.object { writer in
                        writer.member("line", each.place.position.line)
                        writer.member("column", each.place.position.column)
                        writer.member("severity", each.severity.rawValue)
                        writer.member("message", each.message)
                    }
                }
            }
        }
        return writer.text
    }

    private static func append(_ point: Point, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", point.name.string)
            writer.member("table", point.table.rawValue)
            writer.member("place", place(point))
            writer.member("address", point.address)
            writer.member("count", point.count)
            writer.member("type", point.type.rawValue)
            if let order = point.order { writer.member("order", "\(order)") }
            if point.scale != 1 { writer.member("scale", point.scale) }
            if point.offset != 0 { writer.member("offset", point.offset) }
            if let other = point.scaleFrom { writer.member("scaleFrom", other.string) }
            if let units = point.units { writer.member("units", units.string) }
            writer.member("everyMs", point.interval.milliseconds)
            writer.member("hidden", point.hidden)
            writer.member("writable", point.writable != nil)
        }
    }
}

extension String {
    /// Without blanks at the ends of its lines.
    fileprivate var trimmingBlanks: String {
        split(separator: "\n", omittingEmptySubsequences: false).map { line in
            var line = line
            while line.last == " " { line.removeLast() }
            return String(line)
        }.joined(separator: "\n")
    }
}
