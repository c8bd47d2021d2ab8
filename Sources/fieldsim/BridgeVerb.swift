import Base
import Platform
import Simulators

/// The bridge emulator on a port of its own.
enum BridgeVerb {
    static let verb = Verb(
        "bridge", "", summary: "a Cloud IoT Core style MQTT bridge over TLS",
        details: """
            Received telemetry and state go to standard output as JSON lines, what happens in words to standard
            error. Standard input takes orders, one a line:
              config DEVICE TEXT             a new config version for a device
              command DEVICE TEXT            a command; command DEVICE/sub/folder TEXT with a subfolder
              detach DEVICE | close | away | back | mute | unmute
            The registry (JSON5) holds gateways with public keys and bindings, and devices:
              { project: "acme", region: "us-central1", registry: "plant",
                gateways: { "gw-7": { keys: ["gw-7.pub.pem"], authMethod: "ASSOCIATION_ONLY", bound: ["meter-1"] } },
                devices: { "meter-1": {} } }
            """,
        options: [
            Option("registry", "FILE", "gateways, devices, keys and bindings"),
            Option("port", "N", "TCP port (default 8883; 0 takes a free one and prints it)"),
            Option("address", "A", "address to listen on (default 127.0.0.1)"),
            Option("certificate", "FILE", "the server's certificate, PEM"),
            Option("key", "FILE", "its private key, PEM"),
            Option("make-certificates", "DIR", "make a CA and a certificate for localhost there: ca.pem, server.pem, server.key"),
            Option("plain", nil, "no TLS"),
            Option("attach-failure", "HOW", "a refused attach: error_only (default), error_then_close or close"),
            Option("error-shape", "SHAPE", "of messages on the errors topic: nested (default) or flat"),
            Option("drop-pubacks", "N", "lose every N-th PUBACK"),
            Option("delay-pubacks", "MS", "PUBACKs wait so many milliseconds"),
            Option("close-after", "N", "close a connection after N packets"),
            Option("refuse", "CODE", "answer CONNECT with this CONNACK code for --refuse-for seconds"),
            Option("refuse-for", "S", "how long (default 60)"),
            Option("expiry-grace", "S", "seconds past exp until a connection is closed (default 600)"),
        ]
    ) { arguments in
        guard arguments.positional.isEmpty else { throw Arguments.Misuse(message: "no arguments, only options") }
        let loop = try SimulatorLoop()
        let emulator = BridgeEmulator(
            registry: try registry(arguments), switches: try switches(arguments), faults: try faults(arguments))
        let tls = arguments.has("plain") ? nil : try context(arguments)
        let shell: BridgeShell
        do {
            shell = try BridgeShell(
                emulator, address: arguments["address"] ?? "127.0.0.1",
                port: try arguments.integer("port", in: 0...65_535, default: 8883), tls: tls, on: loop, hear: tell)
        } catch let failure as LinkFailure {
            Console.complain(failure.message)
            return .unavailable
        }
        Console.complain("listening on \(arguments["address"] ?? "127.0.0.1"):\(shell.port)")
        let orders = BridgeOrders(shell)
        try orders.listen(on: loop)
        try loop.run()
        return .ok
    }

    private static func registry(_ arguments: Arguments) throws -> BridgeRegistry {
        guard let path = arguments["registry"] else { throw Arguments.Misuse(message: "--registry FILE is needed") }
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        do {
            var registry = try BridgeRegistry(json5: try FileSystem.read(path))
            for file in registry.keyFiles {
                registry.resolve(file, pem: try FileSystem.text(file.hasPrefix("/") ? file : folder + file))
            }
            return registry
        } catch let error as RegistryError {
            for problem in error.problems { Console.complain("\(path):\(problem)") }
            throw ExitCode.configuration
        } catch let error as SystemFailure {
            Console.complain("\(error.subject.isEmpty ? path : error.subject): \(error.words)")
            throw ExitCode.noInput
        }
    }

    private static func context(_ arguments: Arguments) throws -> ServerContext {
        do {
            if let folder = arguments["make-certificates"] { return try CertificateFolder(folder).context() }
            guard let certificate = arguments["certificate"], let key = arguments["key"] else {
                throw Arguments.Misuse(
                    message: "--certificate and --key are needed, or --make-certificates DIR, or --plain")
            }
            return try ServerContext(
                certificatePEM: try FileSystem.text(certificate), keyPEM: try FileSystem.text(key))
        } catch let error as CredentialError {
            Console.complain(error.message)
            throw ExitCode.configuration
        } catch let error as SystemFailure {
            Console.complain("\(error.subject): \(error.words)")
            throw ExitCode.noInput
        }
    }

    private static func switches(_ arguments: Arguments) throws -> BridgeSwitches {
        var switches = BridgeSwitches()
        if let word = arguments["attach-failure"] {
            guard let value = BridgeSwitches.AttachFailure(rawValue: word) else {
                throw Arguments.Misuse(message: "--attach-failure is error_only, error_then_close or close")
            }
            switches.attachFailure = value
        }
        if let word = arguments["error-shape"] {
            guard let value = BridgeSwitches.ErrorShape(rawValue: word) else {
                throw Arguments.Misuse(message: "--error-shape is nested or flat")
            }
            switches.errorShape = value
        }
        switches.expiryGrace = .seconds(try arguments.integer("expiry-grace", in: 0...86_400, default: 600))
        return switches
    }

    private static func faults(_ arguments: Arguments) throws -> BridgeFaults {
        var faults = BridgeFaults()
        if arguments.has("drop-pubacks") {
            faults.dropPubacks = .every(try arguments.integer("drop-pubacks", in: 1...1_000_000, default: 50))
        }
        faults.delayPubacks = .milliseconds(try arguments.integer("delay-pubacks", in: 0...600_000, default: 0))
        if arguments.has("close-after") {
            faults.closeAfterPackets = try arguments.integer("close-after", in: 1...1_000_000, default: 100)
        }
        if arguments.has("refuse") {
            let code = try arguments.integer("refuse", in: 1...255, default: 5)
            let seconds = try arguments.integer("refuse-for", in: 1...86_400, default: 60)
            faults.refuse = (UInt8(code), Clock.instant + .seconds(seconds))
        }
        return faults
    }

    /// One JSON line for what a device published, a plain one for what happened.
    private static func tell(_ output: BridgeEmulator.Output) {
        switch output {
        case .telemetry(let received): Console.say(line("event", received))
        case .state(let received): Console.say(line("state", received))
        case .log(let words): Console.complain("\(Clock.now().wall.timestamp) \(words)")
        case .close, .send, .verify: break
        }
    }

    private static func line(_ kind: String, _ received: BridgeEmulator.Received) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("kind", kind)
            writer.member("received", received.at.wall)
            writer.member("device", received.device)
            if let gateway = received.gateway { writer.member("gateway", gateway) }
            writer.member("topic", received.topic)
            writer.member("subfolder", received.subfolder)
            writer.member("qos", received.qos.rawValue)
            if received.dup { writer.member("dup", true) }
            writer.key("payload")
            if (try? JSONReader.parse(received.payload)) != nil {
                writer.raw(received.payload)
            } else {
                writer.string(String(decoding: received.payload, as: UTF8.self))
            }
        }
        return writer.text
    }
}
