import Base

/// Appends samples in the text format of Prometheus (exposition format 0.0.4).
struct MetricsWriter: Sendable {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var bytes: [UInt8] = []
    /// The sample under way has a label.
    private var isInLabels = false

    mutating func takeBytes() -> [UInt8] {
        defer { bytes = [] }
        return bytes
    }

    mutating func family(_ name: String, _ kind: MetricFamily.Kind, _ help: String) {
        bytes += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n".utf8
    }

    mutating func sample(_ name: String, _ labels: Labels, _ value: Int) {
        begin(name, labels)
        end(value)
    }

    mutating func sample(_ name: String, _ labels: Labels, _ value: Double) {
        begin(name, labels)
        end(JSONWriter.number(value).utf8)
    }

    /// With one label more.
    mutating func sample(
        _ name: String, _ labels: Labels, _ key: String, _ word: String, _ value: Int
    ) {
        begin(name, labels)
        label(key, word)
        end(value)
    }

    mutating func sample(
        _ name: String, _ labels: Labels, _ key: String, _ word: String, _ value: Double
    ) {
        begin(name, labels)
        label(key, word)
        end(JSONWriter.number(value).utf8)
    }

    /// Begins a sample; `end` ends it.
    mutating func begin(_ name: String, _ labels: Labels) {
        bytes += name.utf8
        isInLabels = !labels.bytes.isEmpty
        guard isInLabels else { return }
        bytes.append(0x7B)
        bytes += labels.bytes
    }

    /// One label more of the sample that was begun.
    mutating func label(_ key: String, _ word: String) {
        bytes.append(isInLabels ? 0x2C : 0x7B)
        isInLabels = true
        Labels.append(key, word, to: &bytes)
    }

    /// - Parameter value: a number as JSON has it.
    mutating func end(_ value: some Collection<UInt8>) {
        if isInLabels { bytes.append(0x7D) }
        bytes.append(0x20)
        bytes += value
        bytes.append(0x0A)
    }

    private mutating func end(_ value: Int) {
        if isInLabels { bytes.append(0x7D) }
        bytes.append(0x20)
        Digits.append(Int64(value), to: &bytes)
        bytes.append(0x0A)
    }

    /// `name="value",…` with what the format wants escaped.
    struct Labels: Sendable {
        private(set) var bytes: [UInt8] = []

        init(_ pairs: (name: String, value: String)...) {
            for pair in pairs { add(pair.name, pair.value) }
        }

        mutating func add(_ name: String, _ value: String) {
            if !bytes.isEmpty { bytes.append(0x2C) }
            Self.append(name, value, to: &bytes)
        }

        static func append(_ name: String, _ value: String, to bytes: inout [UInt8]) {
            bytes += name.utf8
            bytes.append(0x3D)
            bytes.append(0x22)
            for byte in value.utf8 {
                switch byte {
                case 0x22, 0x5C:
                    bytes.append(0x5C)
                    bytes.append(byte)
                case 0x0A:
                    bytes.append(0x5C)
                    bytes.append(0x6E)
                default: bytes.append(byte)
                }
            }
            bytes.append(0x22)
        }
    }
}

/// One metric with all its samples.
struct MetricFamily: Sendable {
    enum Kind: String, Sendable { case counter, gauge, histogram }

    /// Kind of item that has a sample, or a few, of the metric.
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

/// View of the gateway for one slice of a scrape. Data in `base` is as it was when the scrape
/// began, and everything else is as it is now.
struct MetricsView {
    struct Unit: Sendable {
        var labels: MetricsWriter.Labels
        var port: Int
        var place: Int
    }

    /// Data that does not change while one scrape is written.
    struct Base: Sendable {
        var ports: [PortFigures]
        var units: [Unit]
        var devices: [DeviceID]
    }

    var gateway: Gateway
    var base: Base
    var now: Moment
}
