import Adapter
import Base

/// Data that does not change while a configuration is in force:
/// `{"gateway","version","actions","history","ports":{"bus-a":{"line","driver"}},
/// "devices":{"meter-1":{"address","points":[{"name","units","type","place",
/// "decimals","hidden","writable":{…}}]}}}`.
struct SiteDocument: SlicedDocument {
    private let devices: [DeviceID]
    private var next = 0
    private var writer = JSONWriter()

    init(_ gateway: Gateway) { devices = gateway.adapter.bindings.map(\.device) }

    mutating func slice(of gateway: Gateway, at now: Moment) -> DocumentSlice {
        if next == 0 { begin(gateway) }
        while next < devices.count, writer.bytes.count < DocumentSlice.sizeAimed {
            defer { next += 1 }
            guard let binding = gateway.adapter.binding(of: devices[next]) else { continue }
            writer.key(binding.device.text)
            writer.object { Self.write(binding, &$0) }
        }
        guard next >= devices.count else {
            return DocumentSlice(bytes: writer.takeBytes(), rest: .more)
        }
        writer.endObject()
        writer.endObject()
        return DocumentSlice(bytes: writer.takeBytes(), rest: .done)
    }

    private mutating func begin(_ gateway: Gateway) {
        writer.beginObject()
        writer.member("gateway", gateway.settings.gateway.text)
        writer.member("version", gateway.settings.version)
        writer.member("actions", gateway.door.settings?.actions ?? false)
        writer.member("history", gateway.door.history != nil)
        writer.key("ports")
        writer.object { writer in
            for port in gateway.settings.configured {
                writer.key(port.name.text)
                writer.object { writer in
                    writer.member("line", port.line.describe)
                    writer.member("driver", port.driver.rawValue)
                }
            }
        }
        writer.key("devices")
        writer.beginObject()
    }

    private static func write(_ binding: Binding, _ writer: inout JSONWriter) {
        writer.member("address", binding.address.description)
        writer.key("points")
        writer.array { writer in
            for point in binding.points { writer.object { write(point, &$0) } }
        }
    }

    private static func write(_ point: Point, _ writer: inout JSONWriter) {
        writer.member("name", point.name)
        if let units = point.units { writer.member("units", units) }
        writer.member("type", point.type.rawValue)
        let order = point.order.map { " \($0)" } ?? ""
        let type = point.table.isBits ? "" : " \(point.type.rawValue)\(order)"
        writer.member("place", "\(point.table.rawValue) \(point.address)\(type)")
        if let decimals = point.decimals { writer.member("decimals", decimals) }
        if point.hidden { writer.member("hidden", true) }
        guard let rule = point.writable else { return }
        writer.key("writable")
        writer.object { writer in
            if let min = rule.min { writer.member("min", min) }
            if let max = rule.max { writer.member("max", max) }
            if let step = rule.step { writer.member("step", step) }
            guard let values = rule.values else { return }
            writer.key("values")
            writer.array { writer in for value in values { writer.number(value) } }
        }
    }
}

extension Point {
    /// Decimals of its values; nil where any number of them may come.
    fileprivate var decimals: Int? {
        switch type {
        case .float16, .float32, .float64: scale == 1 ? nil : Self.decimals(scale)
        case .string, .bits, .bool: nil
        default: scaleFrom != nil ? nil : Swift.max(Self.decimals(scale), Self.decimals(offset))
        }
    }

    private static func decimals(_ value: Double) -> Int {
        let text = JSONWriter.number(value)
        return text.contains("e") ? 6 : text.split(separator: ".").dropFirst().first?.count ?? 0
    }
}
