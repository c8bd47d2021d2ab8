import Base
import Spool

/// Adapters that are plugged in and that no port of the configuration means: each is told once,
/// with what would make it a port.
struct AdapterNews: Sendable {
    /// More are not remembered; nobody has that many sockets.
    static let knownMax = 256
    /// One that was pulled is news again when it comes back after this long.
    static let repeatAfter = Duration.seconds(3600)

    /// When each was last known to be there.
    private var told: [ByteString: Instant] = [:]
    /// Of these, those that were there at the last look.
    private var present: Set<ByteString> = []

    /// The adapters among those that are `here` now that are news.
    mutating func receive(_ here: [SerialPortEntry], at now: Instant) -> [SerialPortEntry] {
        for key in present { told[key] = now }
        told = told.filter { now < $0.value + Self.repeatAfter }
        present = []
        return here.filter { entry in
            let key: ByteString = "\(entry.identity)"
            guard told[key] != nil || told.count < Self.knownMax else { return false }
            present.insert(key)
            return told.updateValue(now, forKey: key) == nil
        }
    }
}

extension SerialPortEntry {
    /// `"bus-a50285bi": { match: { serial: "A50285BI" }, driver: "modbus-rtu", baud: 9600, nodes:
    /// {} }` with the keys that name this adapter and no other of its kind.
    package var stanza: String {
        var match: [String] = []
        func add(_ key: String, _ value: String?) {
            if let value, !value.isEmpty { match.append("\(key): \(Self.quoted(value))") }
        }
        if let serial = identity.serial, !serial.isEmpty {
            add("serial", serial)
        } else {
            // Without a serial number the socket it is plugged into has to do.
            add("path", identity.path)
        }
        add("vendor", identity.vendor)
        add("product", identity.product)
        if let interface = identity.interface, interface != "00" { add("interface", interface) }
        let device =
            match.isEmpty
            ? "device: \(Self.quoted(path))" : "match: { \(match.joined(separator: ", ")) }"
        return
            "\(Self.quoted(suggestedName)): { \(device), driver: \"modbus-rtu\", baud: 9600, nodes: {} }"
    }

    private var suggestedName: String {
        let words = [identity.serial ?? path.split(separator: "/").last.map(String.init) ?? "port"]
        let name = words[0].lowercased().map {
            $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-"
        }
        return "bus-" + String(name.prefix(32))
    }

    private static func quoted(_ text: String) -> String {
        var writer = JSONWriter()
        writer.string(text)
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}

extension Gateway {
    /// Receives the adapters that are plugged in and not configured, after every change.
    mutating func receive(unclaimed adapters: [SerialPortEntry], at now: Moment) {
        endScans(except: adapters)
        for adapter in news.receive(adapters, at: now.instant) {
            let name =
                adapter.product.isEmpty ? "a serial adapter" : Notice.printable(adapter.product)
            effects.append(
                .notice(
                    Notice(
                        .info, "gateway", adapter.path,
                        "\(name) is plugged in and no port of the configuration means it; as a port: \(adapter.stanza)"
                    )))
            tell(adapter, at: now)
            scan(adapter)
        }
    }

    /// A health event about an adapter, and what `more` adds to it.
    mutating func tell(
        _ adapter: SerialPortEntry, at now: Moment, more: (inout JSONWriter) -> Void = { _ in }
    ) {
        guard let subfolder = settings.topics.health else { return }
        var writer = JSONWriter()
        writer.key("adapter")
        writer.object { writer in
            writer.member("path", adapter.path)
            if !adapter.product.isEmpty { writer.member("product", adapter.product) }
            if !adapter.driver.isEmpty { writer.member("driver", adapter.driver) }
            if let serial = adapter.identity.serial { writer.member("serial", serial) }
            if let path = adapter.identity.path { writer.member("socket", path) }
            if let vendor = adapter.identity.vendor { writer.member("vendor", vendor) }
            writer.member("stanza", adapter.stanza)
            more(&writer)
        }
        append(
            Entry(
                device: settings.gateway, subfolder: subfolder, kind: .health, priority: false,
                body: writer.bytes, at: now, clockTrusted: session.clockLevel == .trusted),
            at: now)
    }
}
