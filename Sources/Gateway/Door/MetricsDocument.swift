import Adapter
import Base
import Drivers

/// The counters of one port when a scrape began.
struct PortFigures: Sendable {
    var labels: MetricsWriter.Labels
    var isOpen: Bool
    var statistics: PortStatistics
    /// The server for other masters of the line; nil: none.
    var service: LineService?
}

/// Everything that is counted and measured, for Prometheus: family by family, as its format wants
/// them.
struct MetricsDocument: SlicedDocument {
    private let base: MetricsView.Base
    private var family = 0
    private var item = 0
    private var writer = MetricsWriter()

    init(_ gateway: Gateway) {
        var ports: [PortFigures] = []
        var units: [MetricsView.Unit] = []
        for port in gateway.ports {
            let figures = port.statistics
            for (place, unit) in figures.units.enumerated() {
                let devices = gateway.adapter.devices(at: Address(port: port.name, unit: unit.unit))
                let labels = MetricsWriter.Labels(
                    ("port", port.name.text), ("unit", unit.unit.description),
                    ("device", devices.map(\.text).joined(separator: ",")))
                units.append(MetricsView.Unit(labels: labels, port: ports.count, place: place))
            }
            ports.append(
                PortFigures(
                    labels: MetricsWriter.Labels(("port", port.name.text)),
                    isOpen: port.state == .open,
                    statistics: figures, service: port.service))
        }
        base = MetricsView.Base(
            ports: ports, units: units, devices: gateway.adapter.bindings.map(\.device))
    }

    mutating func slice(of gateway: Gateway, at now: Moment) -> DocumentSlice {
        let view = MetricsView(gateway: gateway, base: base, now: now)
        while family < MetricFamily.all.count {
            let one = MetricFamily.all[family]
            let count =
                switch one.scope {
                case .gateway: 1
                case .port: base.ports.count
                case .unit: base.units.count
                case .device: base.devices.count
                }
            if item == 0, count > 0 { writer.family(one.name, one.kind, one.help) }
            while item < count {
                one.write(one.name, view, item, &writer)
                item += 1
                if writer.bytes.count >= DocumentSlice.sizeAimed {
                    return DocumentSlice(bytes: writer.takeBytes(), rest: .more)
                }
            }
            family += 1
            item = 0
        }
        return DocumentSlice(bytes: writer.takeBytes(), rest: .done)
    }
}

/// The same as the value of `{"metrics":"…"}`, for the control socket.
struct MetricsLine: SlicedDocument {
    private var document: MetricsDocument
    private var isBegun = false

    init(_ gateway: Gateway) { document = MetricsDocument(gateway) }

    mutating func slice(of gateway: Gateway, at now: Moment) -> DocumentSlice {
        var slice = document.slice(of: gateway, at: now)
        var text: [UInt8] = []
        JSONWriter.append(String(decoding: slice.bytes, as: UTF8.self), to: &text)
        slice.bytes = (isBegun ? [] : Array("{\"metrics\":\"".utf8)) + text[1..<(text.count - 1)]
        if slice.rest == .done { slice.bytes += "\"}".utf8 }
        isBegun = true
        return slice
    }
}

extension MetricsView {
    func statistics(of index: Int) -> (unit: UnitStatistics, labels: MetricsWriter.Labels) {
        let unit = base.units[index]
        return (base.ports[unit.port].statistics.units[unit.place], unit.labels)
    }

    /// The values of one device that are numbers, and good when they were last read.
    func writeValues(_ name: String, of index: Int, _ out: inout MetricsWriter) {
        let device = base.devices[index]
        let labels = MetricsWriter.Labels(("device", device.text))
        for value in gateway.adapter.lastValues(of: device) {
            guard value.bad == nil, let json = value.json else { continue }
            let units = value.units?.string ?? ""
            func put(_ point: String, _ number: some Collection<UInt8>) {
                out.begin(name, labels)
                out.label("point", point)
                out.label("units", units)
                out.end(number)
            }
            switch json.utf8.first ?? 0 {
            case 0x2D, 0x30...0x39: put(value.name.string, json.utf8)
            case 0x74: put(value.name.string, [0x31])
            case 0x66: put(value.name.string, [0x30])
            case 0x7B:
                for member in (try? JSONReader.parse(Array(json.utf8)))?.members ?? [] {
                    let point = "\(value.name).\(member.name)"
                    if let flag = member.value.bool {
                        put(point, [flag ? 0x31 : 0x30])
                    } else if case .number(let text) = member.value.kind {
                        put(point, Array(text.utf8))
                    }
                }
            default: break  // Text is no number.
            }
        }
    }
}
