import Adapter
import Base

/// Reads the keys of a port that say where its line is and how it is set.
extension ConfigurationReader {
    /// The TCP port of Modbus TCP.
    static let modbusPort = 502

    mutating func readLine(
        _ cursor: inout ObjectCursor, port: PortName, driver: Configuration.Port.Driver
    ) -> LineSettings? {
        let device = readDevice(&cursor, port: port, driver: driver)
        let isASCII = driver == .modbusASCII
        let baud = cursor.givenInteger("baud")
        let parity = cursor.choice("parity", default: isASCII ? LineSettings.Parity.even : .none)
        let dataBits = cursor.givenInteger("dataBits") ?? (isASCII ? 7 : 8)
        let stopBits = cursor.integer("stopBits")
        if let field = cursor.take("dataBits") {
            if driver == .modbusRTU, dataBits != 8 {
                problems.error(field.place, "Modbus-RTU needs 8 data bits, not \(dataBits)")
            } else if isASCII, dataBits < 7 {
                problems.error(field.place, "Modbus ASCII needs 7 or 8 data bits, not \(dataBits)")
            }
        }
        let rs485Field = cursor.take("rs485")
        let rs485 = rs485Field.flatMap { readRS485($0) }
        let echo = cursor.take("echo").map { readEcho($0) } ?? .learn
        let trim = cursor.bool("trim")
        guard let device else { return nil }
        var line = LineSettings(
            device: device, baud: baud ?? 9600, parity: parity, dataBits: dataBits,
            stopBits: stopBits, rs485: rs485, echo: echo, trim: trim, framing: driver.framing)
        if baud == nil, !line.isSet { line.baud = LineSettings.baudUnknown }
        if driver == .modbusTCP { line.echo = .never }
        // Nothing of a frame begins so, and nothing of it may be taken away.
        if driver.framing != .plain { line.trim = false }
        if let rs485Field, rs485 != nil, line.isNetwork { checkRS485(rs485Field, line) }
        return line
    }

    private func checkRS485(_ field: Field, _ line: LineSettings) {
        guard line.isSet else {
            return problems.error(
                field.keyPlace,
                "\"rs485\" is for serial ports of this machine; the converter at "
                    + "\(line.device.text ?? "") switches its line by itself")
        }
        if line.rs485?.rts != .software {
            problems.error(
                field.keyPlace,
                "\"rs485\" over rfc2217 can only switch RTS from here: write rts: \"software\", "
                    + "or leave it to the converter")
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
        _ cursor: inout ObjectCursor, port: PortName, driver: Configuration.Port.Driver
    ) -> LineSettings.Device? {
        let device = cursor.take("device")
        let match = cursor.take("match")
        if driver == .modbusTCP, let match {
            problems.error(
                match.keyPlace,
                "driver \"modbus-tcp\" needs a device such as \"tcp://10.0.0.5:502\"")
        }
        switch (device, match) {
        case (nil, nil):
            _ = cursor.require("device")
            return nil
        case (_?, let match?):
            problems.error(match.keyPlace, "\"device\" and \"match\" exclude each other")
            return nil
        case (let device?, nil):
            guard let text = cursor.string(of: device) else { return nil }
            if NetworkAddress.isMeant(by: text.string) {
                return readAddress(text.string, at: device.place, driver: driver)
            }
            if driver == .modbusTCP {
                problems.error(
                    device.place,
                    "driver \"modbus-tcp\" needs a device such as \"tcp://10.0.0.5:502\", not the "
                        + "serial port \"\(Notice.printable(text.string))\"")
            }
            let path = resolve(Located(text, at: device.place))
            files.append(Configuration.FileReference(.device(port), path))
            return .path(path.value)
        case (nil, let match?):
            return readMatch(match)
        }
    }

    private func readAddress(
        _ text: String, at place: FilePlace, driver: Configuration.Port.Driver
    ) -> LineSettings.Device? {
        do throws(NetworkAddress.Problem) {
            let address = try NetworkAddress(
                text, portDefault: driver == .modbusTCP ? Self.modbusPort : nil)
            if driver == .modbusTCP, address.scheme != .tcp {
                problems.error(place, "driver \"modbus-tcp\" needs tcp://, not \(address.text)")
            } else if driver == .modbusRTU, address.scheme == .tcp, address.port == Self.modbusPort
            {
                problems.warning(
                    place,
                    "port 502 is that of Modbus TCP: if \(address.text) speaks it, write "
                        + "driver: \"modbus-tcp\"")
            }
            return .network(address)
        } catch {
            problems.error(place, "\"device\": \(error.message)")
            return nil
        }
    }

    private func readMatch(_ field: Field) -> LineSettings.Device? {
        guard var cursor = ObjectCursor(field, "\"match\"", problems, PortKeys.match) else {
            return nil
        }
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
        guard var cursor = ObjectCursor(field, "\"rs485\"", problems, PortKeys.rs485) else {
            return nil
        }
        var settings = LineSettings.RS485()
        settings.rts = cursor.choice("rts")
        settings.delayBeforeSend = cursor.duration("delayBeforeSend")
        settings.delayAfterSend = cursor.duration("delayAfterSend")
        settings.receiveDuringSend = cursor.bool("receiveDuringSend")
        settings.terminate = cursor.bool("terminate")
        cursor.finish()
        return settings
    }
}

extension LineSettings {
    /// The line at a path or an address, with the defaults of its driver.
    package static func usual(
        _ word: String, _ driver: Configuration.Port.Driver
    ) throws(NetworkAddress.Problem) -> LineSettings {
        let isASCII = driver == .modbusASCII
        var line = LineSettings(
            device: .path(word), parity: isASCII ? .even : .none, dataBits: isASCII ? 7 : 8,
            trim: driver.framing == .plain, framing: driver.framing)
        if NetworkAddress.isMeant(by: word) {
            let isTCP = driver == .modbusTCP
            let address = try NetworkAddress(
                word, portDefault: isTCP ? ConfigurationReader.modbusPort : nil)
            line.device = .network(address)
            if isTCP { line.echo = .never }
            if !line.isSet { line.baud = baudUnknown }
        }
        guard driver != .modbusTCP || (line.isNetwork && !line.isSet) else {
            throw NetworkAddress.Problem(
                message: "driver modbus-tcp needs an address such as tcp://10.0.0.5:502")
        }
        return line
    }
}

extension LineSettings.Parity: CaseIterable {
    package static var allCases: [LineSettings.Parity] { [.none, .even, .odd] }
}

extension LineSettings.RS485.RTS: CaseIterable {
    package static var allCases: [LineSettings.RS485.RTS] { [.onSend, .afterSend, .software] }
}
