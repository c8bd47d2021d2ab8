import Base

/// Appends samples in the text format of Prometheus (exposition format 0.0.4).
struct MetricsWriter: Sendable {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var bytes: [UInt8] = []

    mutating func takeBytes() -> [UInt8] {
        defer { bytes = [] }
        return bytes
    }

    mutating func family(_ name: String, _ kind: MetricFamily.Kind, _ help: String) {
        bytes += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n".utf8
    }

    /// - Parameter value: a number as JSON has it.
    mutating func sample(_ name: String, _ labels: Labels, _ value: some Collection<UInt8>) {
        bytes += name.utf8
        if !labels.bytes.isEmpty {
            bytes.append(0x7B)
            bytes += labels.bytes
            bytes.append(0x7D)
        }
        bytes.append(0x20)
        bytes += value
        bytes.append(0x0A)
    }

    mutating func sample(_ name: String, _ labels: Labels, _ value: Int) {
        sample(name, labels, String(value).utf8)
    }

    mutating func sample(_ name: String, _ labels: Labels, _ value: Double) {
        sample(name, labels, JSONWriter.number(value).utf8)
    }

    /// `name="value",…` with what the format wants escaped.
    struct Labels: Sendable {
        private(set) var bytes: [UInt8] = []

        init(_ pairs: (name: String, value: String)...) {
            for pair in pairs { add(pair.name, pair.value) }
        }

        mutating func add(_ name: String, _ value: String) {
            if !bytes.isEmpty { bytes.append(0x2C) }
            bytes += name.utf8
            bytes += [0x3D, 0x22]
            for byte in value.utf8 {
                switch byte {
                case 0x22, 0x5C: bytes += [0x5C, byte]
                case 0x0A: bytes += [0x5C, 0x6E]
                default: bytes.append(byte)
                }
            }
            bytes.append(0x22)
        }

        func with(_ name: String, _ value: String) -> Labels {
            var longer = self
            longer.add(name, value)
            return longer
        }
    }
}

/// One metric with all its samples.
struct MetricFamily: Sendable {
    enum Kind: String, Sendable { case counter, gauge, histogram }

    /// What there is a sample, or a few, for.
    enum Scope: Sendable { case gateway, port, unit, device }

    var name: String
    var kind: Kind
    var help: String
    var scope: Scope
    /// Writes the samples of item `index` of the scope.
    var write:
        @Sendable (_ name: String, _ view: MetricsView, _ index: Int, _ out: inout MetricsWriter) ->
            Void
}

/// What a scrape tells about, with counters as they were when it began: no sample is newer than
/// another.
struct MetricsView {
    struct Unit: Sendable {
        var labels: MetricsWriter.Labels
        var port: Int
        var place: Int
    }

    /// What does not change while one scrape is written.
    struct Base: Sendable {
        var ports: [PortFigures]
        var units: [Unit]
        var devices: [DeviceID]
    }

    var gateway: Gateway
    var base: Base
    var now: Moment
}
