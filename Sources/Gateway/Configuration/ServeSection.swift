import Base
import Drivers
import Modbus

/// Reads the key `serve` of a port.
struct LineServiceReader {
    private let problems: Problems

    init(_ problems: Problems) { self.problems = problems }

    func read(_ field: Field, isModbus: Bool) -> LineServiceSettings? {
        if field.json.bool == false { return nil }
        guard var cursor = ObjectCursor(field, "\"serve\"", problems, PortKeys.serve) else {
            return nil
        }
        if !isModbus {
            problems.error(
                field.keyPlace, "\"serve\" needs a Modbus driver: other masters speak Modbus")
        }
        let listen = cursor.require("listen")
        let endpoint = listen.flatMap {
            ConfigurationReader.readListen(
                $0, cursor, portDefault: LineServiceSettings.portDefault)
        }
        let framing = cursor.choice("protocol", of: TCPFraming.self)
        let allow = cursor.take("allow")
        let budget = cursor.ratio("budget")
        let maxAge = cursor.duration("maxAge")
        let clients = cursor.integer("clients")
        let from = cursor.take("from").map { readFrom($0, cursor) } ?? []
        cursor.finish()
        guard let listen, let endpoint else { return nil }
        var settings = LineServiceSettings(
            place: listen.place, address: endpoint.host, port: endpoint.port)
        settings.framing = framing
        settings.driver = ServeSettings(budget: budget, maxAge: maxAge)
        settings.clients = clients
        settings.from = from
        if let allow { readAllow(allow, &settings) }
        warn(settings, allow: allow)
        return settings
    }

    /// Modbus TCP knows no passwords.
    private func warn(_ settings: LineServiceSettings, allow: Field?) {
        guard !settings.isLoopback, settings.from.isEmpty else { return }
        let what = settings.allowsWriting ? "read and write" : "read"
        problems.warning(
            settings.place,
            "\"listen\" is \(settings.address): Modbus TCP knows no passwords, so whoever "
                + "reaches it may \(what); name who may connect, as in "
                + "from: [\"10.0.0.0/8\"], or listen on 127.0.0.1"
        )
    }

    private func readFrom(_ field: Field, _ cursor: ObjectCursor) -> [AddressRange] {
        let items = cursor.items(of: field)
        if items.isEmpty {
            problems.error(
                field.place, "\"from\" is empty: nobody could connect; leave it out to let all in")
        }
        return items.compactMap { item in
            guard let text = cursor.string(of: item) else { return nil }
            guard let range = AddressRange(text.string) else {
                problems.error(
                    item.place,
                    "\"from\" holds \"\(Notice.printable(text.prefix(60)))\"; "
                        + "write an address or a range, as in \"10.0.0.0/8\" or \"192.168.1.20\"")
                return nil
            }
            return range
        }
    }

    private func readAllow(_ field: Field, _ settings: inout LineServiceSettings) {
        guard let cursor = ObjectCursor(field, "\"allow\"", problems) else { return }
        settings.allowOthers = .none
        for entry in cursor.fields {
            guard let permission = readPermission(entry) else { continue }
            if entry.name == "*" {
                settings.allowOthers = permission
            } else if let units = Self.units(entry.name) {
                for unit in units {
                    guard settings.allow.updateValue(permission, forKey: UInt8(unit)) != nil else {
                        continue
                    }
                    problems.error(entry.keyPlace, "\"allow\" names unit \(unit) twice")
                    break
                }
            } else {
                problems.error(
                    entry.keyPlace,
                    "\"allow\" has \"\(Notice.printable(entry.name))\", which is no unit; "
                        + "write a unit id, a range as \"1-10\", or \"*\" for all others")
            }
        }
    }

    private func readPermission(_ field: Field) -> LineServiceSettings.Permission? {
        if let known = field.json.string.flatMap(LineServiceSettings.Permission.init(word:)) {
            return known
        }
        problems.error(
            field.place,
            "\"allow\" gives \(field.json.describe) to \"\(Notice.printable(field.name))\"; "
                + "it must be \"none\", \"read\", \"write\" or \"raw\"")
        return nil
    }

    /// "17" and "1-10".
    private static func units(_ name: ByteString) -> ClosedRange<Int>? {
        let parts = name.string.split(separator: "-", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { part in
            part.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(part) : nil
        }
        guard numbers.count == parts.count, (1...2).contains(numbers.count),
            let first = numbers.first, let last = numbers.last, first <= last, last <= 255
        else { return nil }
        return first...last
    }
}
