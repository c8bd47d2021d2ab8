import Base
import Gateway
import Platform

/// A first configuration, asked for question by question.
enum InitVerb {
    static let verb = Verb(
        "init", "[FILE]", summary: "ask a few questions and write a first configuration",
        details: """
            Each question shows in brackets what an empty answer means. FILE must not exist yet;
            default: gateway.json5. What it writes is checked, and the next steps are told.
            """
    ) { arguments in
        guard arguments.positional.count <= 1 else {
            throw Arguments.Misuse(message: "one FILE at most")
        }
        let path = arguments.positional.first ?? "gateway.json5"
        guard !FileSystem.exists(path) else {
            Console.complain(
                "\(path) is there already: give another FILE, or `fieldgw check \(path)`")
            return .usage
        }
        let text = try Questions.configuration()
        do throws(SystemFailure) {
            try FileSystem.create(path, Array(text.utf8), mode: 0o640)
        } catch {
            Console.complain("\(path): \(error.words)")
            return .inputOutput
        }
        let found = try ConfigurationFile.examine(path, loadsFiles: true, for: .check)
        for each in found.diagnostics { Console.complain(each.description) }
        Console.say(
            """
            \(path) is written. Next:
              fieldgw check \(path)            # every problem, and the time of the line
              fieldgw poll \(path)             # does the unit answer?
              fieldgw run --config \(path)     # the gateway
            """)
        return .ok
    }
}

/// The questions, and the text that their answers make.
private enum Questions {
    static func configuration() throws -> String {
        let bridge = try bridge()
        let port = try port()
        return """
            // Every key is in the documentation: fieldgw help, docs/configuration.md
            {
              bridge: {
            \(bridge.map { "    \($0),\n" }.joined())  },
              ports: {
            \(port)
              },
            }

            """
    }

    private static func bridge() throws -> [String] {
        let host = try ask("Host name of the bridge or broker", "localhost") {
            $0.isEmpty || $0.contains(" ") || $0.contains("/")
                ? "a host name, such as broker.lan" : nil
        }
        let isCloud = try choose(
            "Is it Cloud IoT Core or ClearBlade, and not a plain MQTT broker", "no")
        let gateway = try ask("Name of this gateway", name(Machine.hostname)) { deviceProblem($0) }
        var keys = ["host: \(quoted(host))"]
        if isCloud {
            for key in ["project", "region", "registry"] {
                let value = try ask("The bridge's \(key)", nil) { $0.isEmpty ? "a \(key)" : nil }
                keys.append("\(key): \(quoted(value))")
            }
            let key = try ask("File of its private key (fieldgw key generate makes one)", "gw.pem")
            return keys + ["gateway: \(quoted(gateway))", "privateKey: \(quoted(key))"]
        }
        keys.append("gateway: \(quoted(gateway))")
        guard try choose("Does the broker speak TLS", "yes") else { return keys + ["tls: false"] }
        return keys
    }

    private static func port() throws -> String {
        let ports = SerialPorts.reports()
        for port in ports {
            Console.complain(
                "  \(port.stableNames.first ?? port.entry.path)  \(port.entry.product)")
        }
        let device = try ask(
            "Serial port",
            ports.first.map { $0.stableNames.first ?? $0.entry.path } ?? "/dev/ttyUSB0"
        ) { $0.hasPrefix("/") ? nil : "a path, such as /dev/ttyUSB0" }
        let baud = try ask("Speed of the line", "9600") {
            Int($0).map { (50...12_000_000).contains($0) } == true ? nil : "a number, such as 9600"
        }
        let parity = try ask("Parity: none, even or odd", "none") {
            ["none", "even", "odd"].contains($0) ? nil : "none, even or odd"
        }
        let node = try ask("Name of a first device", "meter-1") { deviceProblem($0) }
        let unit = try ask("Its unit id", "1") {
            Int($0).map { (1...247).contains($0) } == true ? nil : "a number from 1 to 247"
        }
        let place = try ask("A register of it (holding:0, input:16 …)", "holding:0") { text in
            do throws(RegisterPlace.Problem) {
                _ = try RegisterPlace(text)
                return nil
            } catch { return error.message }
        }
        let register = try RegisterPlace(place)
        return """
                "bus-a": {
                  device: \(quoted(device)), driver: "modbus-rtu",
                  baud: \(baud), parity: \(quoted(parity)),
                  nodes: {
                    \(quoted(node)): { unit: \(unit), every: "10s", points: {
                      value: { \(register.table.rawValue): \(register.address) },
                    } },
                  },
                },
            """
    }

    // MARK: Asking

    /// - Parameter problem: what an answer should be; nil if it is right.
    private static func ask(
        _ question: String, _ standard: String?, _ problem: (String) -> String? = { _ in nil }
    ) throws -> String {
        // Somebody who answers wrongly ten times wants something else.
        for _ in 0..<10 {
            Console.prompt(question + (standard.map { " [\($0)]" } ?? "") + ":")
            guard let line = readLine() else {
                Console.complain("the answers have ended; nothing is written")
                throw ExitCode.noInput
            }
            let answer = line.trimmed.isEmpty ? standard ?? "" : line.trimmed
            guard let wanted = problem(answer) else { return answer }
            Console.complain("not \"\(Notice.printable(answer))\": \(wanted)")
        }
        throw ExitCode.usage
    }

    private static func choose(_ question: String, _ standard: String) throws -> Bool {
        let answer = try ask(question + ": yes or no", standard) {
            ["yes", "no", "y", "n"].contains($0.lowercased()) ? nil : "yes or no"
        }
        return answer.lowercased().hasPrefix("y")
    }

    private static func deviceProblem(_ text: String) -> String? {
        do throws(NameError) {
            _ = try DeviceID(text)
            return nil
        } catch { return "a name; this one \(error.reason)" }
    }

    private static func name(_ host: String) -> String {
        let kept = host.filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
        return kept.first?.isLetter == true ? kept : "gw-1"
    }

    private static func quoted(_ text: String) -> String {
        var writer = JSONWriter()
        writer.string(text)
        return writer.text
    }
}
