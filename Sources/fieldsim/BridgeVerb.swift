import Base
import Platform
import Simulators

/// The bridge emulator on a port of its own.
enum BridgeVerb {
    static let verb = Verb(
        "bridge", "",
        summary: "a Cloud IoT Core style MQTT bridge over TLS, with its admin API over HTTP",
        details: """
            Start it, point a device or gateway at it, and see what a bridge of this kind would make of it:
              fieldsim bridge --make-certificates certs --admin-port 8080
              curl -X POST localhost:8080/v1/projects/acme/locations/us-central1/registries -d '{"id":"plant"}'
              curl -X POST localhost:8080/v1/projects/acme/locations/us-central1/registries/plant/devices \\
                   -d '{"id":"gw-7","gatewayConfig":{"gatewayType":"GATEWAY","gatewayAuthMethod":"ASSOCIATION_ONLY"},
                        "credentials":[{"publicKey":{"format":"ES256_PEM","key":"-----BEGIN PUBLIC KEY-----\\n…"}}]}'
            It speaks MQTT 3.1.1 over TLS on --port; clients trust certs/ca.pem and come with the client id
            projects/P/locations/R/registries/G/devices/D and a JWT (RS256 or ES256, aud the project) as password.
            What devices publish goes to standard output, one JSON object a line; what happens, in words, to standard
            error. The registry is kept in memory; it comes from a file, over HTTP, or both.

            The registry file (JSON5). A key is a PEM file, PEM text, or { key, expires } in seconds since 1970:
              { project: "acme", region: "us-central1", registry: "plant",
                gateways: { "gw-7": { keys: ["gw-7.pub.pem"], authMethod: "ASSOCIATION_ONLY", bound: ["meter-1"] } },
                devices: { "meter-1": { keys: [], config: "{}", metadata: { site: "north" }, blocked: false } },
                eventTopics: { "": "projects/acme/topics/events" }, logLevel: "DEBUG",
                switches: { "attach-failure": "close" } }
            authMethod is ASSOCIATION_ONLY, DEVICE_AUTH_TOKEN_ONLY, ASSOCIATION_AND_DEVICE_AUTH_TOKEN or
            GATEWAY_AUTH_METHOD_UNSPECIFIED. switches are the options below from --attach-failure on.

            The admin API (--admin-port) is Cloud IoT's v1: registries and devices with list, get, create, patch and
            delete, :bindDeviceToGateway, :unbindDeviceFromGateway, :modifyCloudToDeviceConfig, configVersions, states,
            :sendCommandToDevice. What it changes is in force at once. It asks for no credentials and answers only
            requests to localhost. Beside it:
              GET  /emulator/messages?from=N   what devices published, from number N on
              GET  /emulator/status            who is connected and attached, and counts
              POST /emulator/orders            order lines, as on standard input

            Orders, one a line on standard input, with POST, or in a --script after their time ("5s mute 10s"):
            \(BridgeOrder.help)
            """,
        options: [
            Option("registry", "FILE", "gateways, devices, keys and bindings"),
            Option("port", "N", "TCP port (default 8883; 0 takes a free one and prints it)"),
            Option("address", "A", "address to listen on (default 127.0.0.1)"),
            Option("admin-port", "N", "the admin API over HTTP; 0 takes a free port and prints it"),
            Option(
                "admin-address", "A", "its address (default 127.0.0.1; it has no authentication)"),
            Option("certificate", "FILE", "the server's certificate, PEM"),
            Option("key", "FILE", "its private key, PEM"),
            Option(
                "make-certificates", "DIR",
                "make a CA and a certificate for localhost there: ca.pem, server.pem, server.key"),
            Option("plain", nil, "no TLS"),
            Option(
                "activity-log", "FILE",
                "append the device-activity log there, one JSON object a line"),
            Option("script", "FILE", "orders for given times, counted from the start"),
            Option("drop-pubacks", "N|P%", "lose every N-th PUBACK, or some by chance"),
            Option("drop-messages", "N|P%", "lose the message too"),
            Option("duplicates", "N|P%", "send configs and commands twice"),
            Option("delay-pubacks", "TIME", "PUBACKs come late (a bare number: milliseconds)"),
            Option("close-after", "N", "close a connection after N packets"),
            Option("close-every", "TIME", "close a connection after a while"),
            Option("throttle", "N", "read N packets a second from each client"),
            Option("rekey", "N", "new TLS keys, ours and the client's, after every N writes to it"),
            Option(
                "refuse", "CODE", "answer CONNECT with this CONNACK code for --refuse-for seconds"),
            Option("refuse-for", "S", "how long (default 60)"),
        ] + BridgeKnob.all.map { Option($0.name, $0.value, $0.help) },
        run: run)

    private static func run(_ arguments: Arguments) throws -> ExitCode {
        guard arguments.positional.isEmpty else {
            throw Arguments.Misuse(message: "no arguments, only options")
        }
        let loop = try SimulatorLoop()
        let cloud = try cloud(arguments)
        let tls = arguments.has("plain") ? nil : try context(arguments)
        let activity = try arguments["activity-log"].map { try AppendedFile($0) }
        let address = arguments["address"] ?? "127.0.0.1"
        let adminAddress = arguments["admin-address"] ?? "127.0.0.1"
        let shell: BridgeShell
        do {
            shell = try BridgeShell(
                cloud, address: address,
                port: try arguments.integer("port", in: 0...65_535, default: 8883), tls: tls,
                admin: arguments.has("admin-port")
                    ? (
                        adminAddress,
                        try arguments.integer("admin-port", in: 0...65_535, default: 0)
                    ) : nil,
                on: loop
            ) { tell($0, activity) }
        } catch let failure as LinkFailure {
            Console.complain(failure.message)
            return .unavailable
        }
        shell.rekeyEvery = try arguments.integer("rekey", in: 1...1_000_000, default: 0)
        Console.complain("listening on \(address):\(shell.port)")
        if let port = shell.adminPort {
            Console.complain("admin API on http://\(adminAddress):\(port)/v1")
        }
        let orders = BridgeOrders(shell)
        try orders.listen(on: loop)
        try loop.run()
        return .ok
    }

    // MARK: What it is made of

    private static func cloud(_ arguments: Arguments) throws -> BridgeCloud {
        var registries: [BridgeRegistry] = []
        var switches = BridgeSwitches()
        if let path = arguments["registry"] {
            let file = try registry(path)
            registries = [file.registry]
            switches = file.switches
        } else if !arguments.has("admin-port") {
            throw Arguments.Misuse(
                message: "--registry FILE is needed, or --admin-port to make one over HTTP")
        }
        for knob in BridgeKnob.all {
            guard let text = arguments[knob.name] else { continue }
            do {
                try BridgeKnob.set(ByteString(knob.name), to: ByteString(text), in: &switches)
            } catch {
                throw Arguments.Misuse(message: "--" + error.message)
            }
        }
        var cloud = BridgeCloud(registries, switches: switches)
        let now = Clock.now()
        do {
            let faults = [
                "drop-pubacks", "drop-messages", "duplicates", "delay-pubacks", "close-after",
                "close-every", "throttle",
            ]
            for fault in faults {
                if let text = arguments[fault] { _ = try cloud.obey("\(fault) \(text)", at: now) }
            }
            if let code = arguments["refuse"] {
                let seconds = try arguments.integer("refuse-for", in: 1...86_400, default: 60)
                _ = try cloud.obey("refuse \(code) \(seconds)s", at: now)
            }
        } catch let error as BridgeOrder.Misuse {
            throw Arguments.Misuse(message: "--" + error.message)
        }
        if let path = arguments["script"] { cloud.play(try script(path), at: now) }
        return cloud
    }

    private static func registry(
        _ path: String
    ) throws -> (registry: BridgeRegistry, switches: BridgeSwitches) {
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        do {
            var (registry, switches) = try BridgeRegistry.read(try FileSystem.read(path))
            for file in registry.keyFiles {
                let path = file.hasPrefix("/") ? file.string : folder + file.string
                registry.resolve(file, pem: ByteString(try FileSystem.text(path)))
            }
            return (registry, switches)
        } catch let error as RegistryError {
            for problem in error.problems { Console.complain("\(path):\(problem)") }
            throw ExitCode.configuration
        } catch let error as SystemFailure {
            Console.complain("\(error.subject.isEmpty ? path : error.subject): \(error.words)")
            throw ExitCode.noInput
        }
    }

    private static func script(_ path: String) throws -> BridgeScript {
        do {
            return try BridgeScript(try FileSystem.text(path))
        } catch let error as BridgeScript.Misuse {
            Console.complain("\(path):\(error.line): error: \(error.message)")
            throw ExitCode.configuration
        } catch let error as SystemFailure {
            Console.complain("\(path): \(error.words)")
            throw ExitCode.noInput
        }
    }

    private static func context(_ arguments: Arguments) throws -> ServerContext {
        do {
            if let folder = arguments["make-certificates"] {
                return try CertificateFolder(folder).context()
            }
            guard let certificate = arguments["certificate"], let key = arguments["key"] else {
                throw Arguments.Misuse(
                    message:
                        "--certificate and --key are needed, or --make-certificates DIR, or --plain"
                )
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

    /// One JSON line for what a device published, a plain one for what happened.
    private static func tell(_ output: BridgeCloud.Output, _ activity: AppendedFile?) {
        switch output {
        case .telemetry(let name, let received):
            Console.emit(received.line("event", in: name) + [0x0A])
        case .state(let name, let received): Console.emit(received.line("state", in: name) + [0x0A])
        case .log(let words): Console.complain("\(Clock.now().wall.timestamp) \(words)")
        case .activity(let line): activity?.add(line)
        case .close, .send, .verify, .commandEnded, .listening: break
        }
    }
}
