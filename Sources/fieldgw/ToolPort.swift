import Base
import Drivers
import Gateway
import Platform

/// Port that PORT on the command line means: a device that we open ourselves, or a configured name,
/// which the running gateway may hold.
struct ToolPort {
    enum Way {
        case device(LineSettings)
        /// The gateway has it; it is asked over its control socket.
        case gateway(socket: String, line: LineSettings?)
    }

    static let lineOptions = [
        Option("baud", "N", "speed of the line (default 9600, or as configured)"),
        Option("parity", "none|even|odd", "parity of the line (default none, or as configured)"),
        Option("stop-bits", "1|2", "stop bits (default 1, or as configured)"),
        driverOption,
    ]
    static let driverOption = Option(
        "driver", "NAME",
        "modbus-rtu (default), modbus-ascii, or modbus-tcp at tcp://…; a configured port: its own")
    static let gatewayOptions = [
        Option("config", "FILE", "the configuration that has PORT's name"),
        Option("control", "SOCKET", "the running gateway's control socket"),
        Option("state", "DIR", "the running gateway's state directory"),
    ]
    static let details = """
        PORT is a device (/dev/ttyUSB0), an address (tcp://10.0.0.5:4001, rfc2217://10.0.0.5:2217) or a name from
        the configuration. A named port that a running gateway holds is used through its control socket, any
        other is opened. A pseudo-terminal and tcp:// have no baud and parity that could be set.
        """

    let name: String
    let way: Way
    /// Section of the port in the configuration; nil for a device, and where no valid configuration
    /// was given.
    let configured: Configuration.Port?

    /// `adjusts`: whether the options about the line are single values that go before what is
    /// configured.
    init(_ word: String, _ arguments: Arguments, adjusts: Bool = true) throws {
        func adjusted(_ line: LineSettings) throws -> LineSettings {
            adjusts ? try Self.adjusted(line, arguments) : line
        }
        name = word
        guard !word.contains("/") else {
            guard arguments["config"] == nil else {
                throw Arguments.Misuse(
                    message: "--config goes with a port's name, and \(word) is a device")
            }
            way = .device(try adjusted(try Self.plain(word, arguments)))
            configured = nil
            return
        }
        let found = try arguments["config"].map {
            try ConfigurationFile.examine($0, loadsFiles: false)
        }
        let port = try found?.configuration.map {
            try Self.port(word, in: $0, arguments["config"] ?? "")
        }
        let line = try port.map { try adjusted($0.line) }
        let socket =
            found.map { Places.control($0.places, arguments["config"] ?? "", arguments) }
            ?? Places.control(arguments)
        configured = port
        let gateway = Self.ask(socket, about: PortName(word))
        if case .success(true) = gateway {
            way = .gateway(socket: socket, line: line)
        } else if case .failure(let failure) = gateway,
            let trouble = Self.hindrance(failure, socket, isKnown: line != nil)
        {
            Console.complain(trouble.words)
            throw trouble.code
        } else if let line {
            way = .device(line)
        } else if let found {
            for each in found.errors { Console.complain(each.description) }
            throw ExitCode.configuration
        } else {
            Console.complain(
                "\(word) is no device, no gateway that knows it runs at \(socket), and no --config FILE says what it is"
            )
            throw ExitCode.unavailable
        }
    }

    private static func port(
        _ word: String, in configuration: Configuration, _ path: String
    ) throws -> Configuration.Port {
        let ports = configuration.ports
        guard let port = ports.first(where: { $0.name.text == word }) else {
            let near = Suggestion.clause(for: word, in: ports.map(\.name.text))
            throw Arguments.Misuse(
                message: "\(path) has no port \"\(Notice.printable(word))\"\(near)")
        }
        return port
    }

    /// A gateway that holds the port asks it as it is configured: what says otherwise is a mistake.
    /// Options about the line, which a gateway that holds it has its own values for.
    static let lineWords = ["baud", "parity", "stop-bits", "driver", "timeout", "retries"]

    func refuseWithoutEffect(_ options: [String], _ arguments: Arguments) throws(Arguments.Misuse) {
        guard case .gateway = way else { return }
        let given = options.filter { arguments.has($0) }.map { "--\($0)" }
        guard !given.isEmpty else { return }
        throw Arguments.Misuse(
            message:
                "a running gateway holds \(name) and asks it as configured: \(given.joined(separator: " and ")) "
                + "\(given.count == 1 ? "has" : "have") no effect; leave \(given.count == 1 ? "it" : "them") out, or lend "
                + "the line with `fieldgw pause \(name) 10m` and name its device")
    }

    /// Whether a gateway answers there that has such a port.
    private static func ask(_ socket: String, about port: PortName) -> Result<Bool, SystemFailure> {
        do throws(SystemFailure) {
            let answer = try ControlClient.ask(socket, Array("{\"get\":\"status\"}".utf8))
            return .success((try? JSONReader.parse(answer))?["ports"]?[port.name] != nil)
        } catch {
            return .failure(error)
        }
    }

    /// Why nothing can be done without the gateway: it may hold the port, or nobody else says what
    /// the port is.
    private static func hindrance(
        _ failure: SystemFailure, _ socket: String, isKnown: Bool
    ) -> (words: String, code: ExitCode)? {
        let complaint = ControlClient.complaint(failure, socket)
        let isFile = failure.isNoSocket && !isKnown
        return complaint.code == .noPermission || isFile ? complaint : nil
    }

    /// The line at a device or an address, with the usual settings of its driver.
    static func plain(_ word: String, _ arguments: Arguments) throws -> LineSettings {
        let name = arguments["driver"] ?? Configuration.Port.Driver.modbusRTU.rawValue
        guard let driver = Configuration.Port.Driver(rawValue: name), driver.isModbus else {
            throw Arguments.Misuse(
                message: "--driver is modbus-rtu, modbus-tcp or modbus-ascii, not \(name)")
        }
        do throws(NetworkAddress.Problem) {
            return try LineSettings.usual(word, driver)
        } catch {
            throw Arguments.Misuse(message: error.message)
        }
    }

    /// The frames on this port are those of Modbus TCP, where unit 0 answers.
    var isModbusTCP: Bool {
        switch way {
        case .device(let line): line.framing == .mbap
        case .gateway(_, let line): line?.framing == .mbap
        }
    }

    /// Applies the options about the line, which go before everything else.
    static func adjusted(_ line: LineSettings, _ arguments: Arguments) throws -> LineSettings {
        var line = line
        if arguments.has("baud") || line.isSet {
            line.baud = try arguments.integer("baud", in: 50...12_000_000, default: line.baud)
        }
        line.stopBits = try arguments.integer("stop-bits", in: 1...2, default: line.stopBits)
        if let word = arguments["parity"] { line.parity = try parity(word) }
        return line
    }

    static func parity(_ word: String) throws(Arguments.Misuse) -> LineSettings.Parity {
        guard let parity = LineSettings.Parity(rawValue: word) else {
            throw Arguments.Misuse(message: "--parity is none, even or odd, not \(word)")
        }
        return parity
    }

    static func duration(
        _ name: String, _ arguments: Arguments
    ) throws(Arguments.Misuse) -> Duration? {
        guard let text = arguments[name] else { return nil }
        guard let time = Quantity.duration(text), time >= .milliseconds(1), time <= .seconds(86_400)
        else {
            throw Arguments.Misuse(message: "--\(name) takes a duration such as 300ms, not \(text)")
        }
        return time
    }
}

extension LineFailure {
    var exitCode: ExitCode {
        switch kind {
        case .missing, .ambiguous, .busy, .settings: .unavailable
        case .denied: .noPermission
        case .lost, .other: .inputOutput
        }
    }

    /// The sentence, and who has the port if it is somebody whom we may see.
    func explain(_ path: String?) {
        Console.complain(message)
        guard kind == .busy, let path else { return }
        let users = SerialPorts.users(of: path)
        guard !users.isEmpty else { return }
        Console.complain("\(path) is open in \(users.map(\.description).joined(separator: ", "))")
        if users.contains(where: { $0.name == "fieldgw" }) {
            Console.complain(
                "a running gateway holds it: give the port's configured name and --config FILE instead"
            )
        }
    }
}

extension LineErrors {
    /// Hint about the setting from the UART's own counters; nil if they say nothing.
    var hint: String? {
        if framing > 0 {
            return
                "the UART counted \(Plural.text(framing, "framing error")): the baud rate is probably another"
        }
        if parity > 0 {
            return
                "the UART counted \(Plural.text(parity, "parity error")): the parity is probably another"
        }
        guard breaks > 0 else { return nil }
        return
            "the UART counted \(Plural.text(breaks, "break")): A and B may be swapped, or the line has no bias"
    }
}

extension LineSettings {
    /// The device node as it was named; nil if it is looked for by its identity, or a connection.
    var path: String? { if case .path(let path) = device { path } else { nil } }
}

extension Trouble {
    var exitCode: ExitCode {
        switch kind {
        case .timeout, .unavailable: .unavailable
        case .exception, .checksum: .badData
        case .denied: .noPermission
        case .usage: .usage
        }
    }
}
