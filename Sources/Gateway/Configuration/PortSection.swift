import Adapter
import Base

extension ConfigurationReader {
    /// Settings that the nodes of a port take from it.
    struct PortContext {
        var name: PortName
        var driver: Configuration.Port.Driver
        var every: Duration
    }

    /// From the fastest poll that makes sense on a serial line to once a month.
    static let intervals: ClosedRange<Duration> = .milliseconds(10)...(.seconds(30 * 86_400))

    mutating func readPorts(_ field: Field, gateway: DeviceID?) -> [Configuration.Port] {
        guard let cursor = ObjectCursor(field, "\"ports\"", problems) else { return [] }
        if cursor.fields.isEmpty {
            problems.warning(field.place, "\"ports\" is empty: nothing will be read")
        }
        let ports = cursor.fields.compactMap { readPort($0) }
        checkLines(ports)
        checkServices(ports)
        checkDevices(ports, gateway: gateway)
        checkStreams(ports)
        return ports
    }

    private mutating func readPort(_ field: Field) -> Configuration.Port? {
        if let complaint = Self.nameProblem(field.name) {
            problems.error(field.keyPlace, "the port name \(complaint)")
        }
        guard var cursor = ObjectCursor(field, "port \"\(Notice.printable(field.name))\"", problems)
        else { return nil }
        let name = PortName(field.name)
        let driver = cursor.choice("driver", default: Configuration.Port.Driver.modbusRTU)
        let line = readLine(&cursor, port: name, driver: driver)
        let timeout = cursor.duration("responseTimeout", in: .milliseconds(1)...(.seconds(60)))
        let retries = cursor.integer("retries", in: 0...10)
        let turnaround = cursor.duration("turnaround", in: .zero...(.seconds(10)))
        let every = cursor.duration("every", in: Self.intervals) ?? .seconds(10)
        let maxLoad = cursor.number("maxLoad", in: 0.05...1, default: 0.9)
        let detachAfter = cursor.duration("detachAfter", in: .seconds(10)...(.seconds(7 * 86_400)))
        let context = PortContext(name: name, driver: driver, every: every)
        let serve = cursor.take("serve").flatMap {
            LineServiceReader(problems).read($0, isModbus: driver == .modbusRTU)
        }
        let nodes = cursor.require("nodes").map { readNodes($0, of: context) } ?? []
        cursor.finish()
        guard let line else { return nil }
        return Configuration.Port(
            name: name, place: field.keyPlace, driver: driver, line: line,
            responseTimeout: timeout ?? .milliseconds(1000), retries: retries ?? 2,
            turnaround: turnaround ?? .milliseconds(5), every: every, maxLoad: maxLoad,
            detachAfter: detachAfter ?? .seconds(600), nodes: nodes, serve: serve)
    }

    /// Port names stand in commands and messages, before a colon or where a device path could be.
    static func nameProblem(_ name: ByteString) -> String? {
        if name.isEmpty { return "is empty" }
        if name.count > 64 { return "is longer than 64 characters" }
        let allowed = name.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
            default: false
            }
        }
        return allowed
            ? nil : "\"\(Notice.printable(name))\" may have letters, digits and - . _ only"
    }

    private mutating func readLine(
        _ cursor: inout ObjectCursor, port: PortName, driver: Configuration.Port.Driver
    ) -> LineSettings? {
        let device = readDevice(&cursor, port: port)
        let baud = cursor.integer("baud", in: 50...12_000_000) ?? 9600
        let parity = cursor.choice("parity", default: LineSettings.Parity.none)
        let dataBits = cursor.integer("dataBits", in: 5...8) ?? 8
        let stopBits = cursor.integer("stopBits", in: 1...2) ?? 1
        if driver == .modbusRTU, dataBits != 8, let field = cursor.take("dataBits") {
            problems.error(field.place, "Modbus-RTU needs 8 data bits, not \(dataBits)")
        }
        let rs485 = cursor.take("rs485").flatMap { readRS485($0) }
        let echo = cursor.take("echo").map { readEcho($0) } ?? .learn
        let trim = cursor.bool("trim", default: true)
        return device.map {
            LineSettings(
                device: $0, baud: baud, parity: parity, dataBits: dataBits, stopBits: stopBits,
                rs485: rs485,
                echo: echo, trim: trim)
        }
    }

    private func readEcho(_ field: Field) -> LineSettings.Echo {
        if let isThere = field.json.bool { return isThere ? .always : .never }
        if field.json.string != "auto" {
            problems.error(
                field.place, "\"echo\" must be \"auto\", true or false, not \(field.json.describe)")
        }
        return .learn
    }

    private mutating func readDevice(
        _ cursor: inout ObjectCursor, port: PortName
    ) -> LineSettings.Device? {
        let device = cursor.take("device")
        let match = cursor.take("match")
        switch (device, match) {
        case (nil, nil):
            _ = cursor.require("device")
            return nil
        case (_?, let match?):
            problems.error(match.keyPlace, "\"device\" and \"match\" exclude each other")
            return nil
        case (let device?, nil):
            guard let text = cursor.string(of: device) else { return nil }
            let path = resolve(Located(text, at: device.place))
            files.append(Configuration.FileReference(.device(port), path))
            return .path(path.value)
        case (nil, let match?):
            return readMatch(match)
        }
    }

    private func readMatch(_ field: Field) -> LineSettings.Device? {
        guard var cursor = ObjectCursor(field, "\"match\"", problems) else { return nil }
        let serial = cursor.string("serial")?.string
        let path = cursor.string("path")?.string
        let vendor = readUSBID("vendor", &cursor)
        let product = readUSBID("product", &cursor)
        let interface = cursor.string("interface")?.string
        cursor.finish()
        if cursor.fields.isEmpty {
            problems.error(
                field.place, "\"match\" is empty: give serial, path, vendor, product or interface")
        }
        return .match(
            serial: serial, path: path, vendor: vendor, product: product, interface: interface)
    }

    /// Four hexadecimal digits, as lsusb prints them; in small letters.
    private func readUSBID(_ key: ByteString, _ cursor: inout ObjectCursor) -> String? {
        guard let field = cursor.take(key) else { return nil }
        guard let text = field.json.string, text.count == 4, Hex.decode(text.string)?.count == 2
        else {
            problems.error(
                field.place,
                "\"\(key)\" must be four hexadecimal digits in quotes, as lsusb prints them: \"0403\""
            )
            return nil
        }
        return text.string.lowercased()
    }

    private func readRS485(_ field: Field) -> LineSettings.RS485? {
        if field.json.bool == false { return nil }
        guard var cursor = ObjectCursor(field, "\"rs485\"", problems) else { return nil }
        var settings = LineSettings.RS485()
        settings.rts = cursor.choice("rts", default: settings.rts)
        // The kernel takes whole milliseconds, at most 100.
        let delays: ClosedRange<Duration> = .zero...(.milliseconds(100))
        settings.delayBeforeSend = cursor.duration("delayBeforeSend", in: delays) ?? .zero
        settings.delayAfterSend = cursor.duration("delayAfterSend", in: delays) ?? .zero
        settings.receiveDuringSend = cursor.bool("receiveDuringSend", default: false)
        settings.terminate = cursor.bool("terminate", default: false)
        cursor.finish()
        return settings
    }
}

extension LineSettings.Parity: CaseIterable {
    package static var allCases: [LineSettings.Parity] { [.none, .even, .odd] }
}

extension LineSettings.RS485.RTS: CaseIterable {
    package static var allCases: [LineSettings.RS485.RTS] { [.onSend, .afterSend, .software] }
}
