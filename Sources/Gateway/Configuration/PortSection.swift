import Adapter
import Base

extension ConfigurationReader {
    /// Settings that the nodes of a port take from it.
    struct PortContext {
        var name: PortName
        /// `modbusRTU` for each form of Modbus.
        var driver: Configuration.Port.Driver
        /// Unit 0 is a device, and 255 is usual.
        var isModbusTCP: Bool
        var every: Duration
        /// Nil where the line's settings could not be read.
        var checks: LineChecks?
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
        guard
            var cursor = ObjectCursor(
                field, "port \"\(Notice.printable(field.name))\"", problems, PortKeys.port)
        else { return nil }
        let name = PortName(field.name)
        let driver = cursor.choice("driver", of: Configuration.Port.Driver.self)
        let line = readLine(&cursor, port: name, driver: driver)
        let timeout = cursor.givenDuration("responseTimeout")
        let retries = cursor.integer("retries")
        let turnaround = cursor.duration("turnaround")
        let every = cursor.duration("every")
        let maxLoad = cursor.ratio("maxLoad")
        let detachAfter = cursor.duration("detachAfter")
        let checks = line.map { LineChecks($0, problems) }
        checks?.checkRate(cursor.take("baud"))
        checks?.checkTimeout(
            cursor.take("responseTimeout"), timeout, isModbus: driver.isModbus)
        let context = PortContext(
            name: name, driver: driver.family, isModbusTCP: driver == .modbusTCP, every: every,
            checks: checks)
        let serve = cursor.take("serve").flatMap {
            LineServiceReader(problems).read($0, isModbus: driver.isModbus)
        }
        let nodes = cursor.require("nodes").map { readNodes($0, of: context) } ?? []
        cursor.finish()
        guard let line else { return nil }
        return Configuration.Port(
            name: name, place: field.keyPlace, driver: driver, line: line,
            responseTimeout: timeout ?? Self.responseTimeout(of: line), retries: retries,
            turnaround: turnaround, every: every, maxLoad: maxLoad,
            detachAfter: detachAfter, nodes: nodes, serve: serve)
    }

    /// A converter adds its own time, and a segment that was lost is sent again after a second.
    private static func responseTimeout(of line: LineSettings) -> Duration {
        line.isNetwork ? .seconds(2) : .seconds(1)
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
}
