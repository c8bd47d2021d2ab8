import Base
import Gateway
import Host
import Platform

/// The gateway itself.
enum RunVerb {
    static let options = [
        Option("config", "FILE", "the configuration"),
        Option("state", "DIR", "the state directory; default: key `state`, $STATE_DIRECTORY, `state` beside the file"),
        Option("control", "SOCKET", "the control socket; default: key `control`, $RUNTIME_DIRECTORY, the state directory"),
        Option("log", "LEVEL", "error, warning, info or debug; default: key `logLevel`"),
    ]

    static let verb = Verb(
        "run", "--config FILE", summary: "run the gateway until SIGTERM",
        details: """
            Exit code 0 after SIGTERM, 78 for a configuration, CA or key that cannot work, 69 if another gateway
            holds the state directory or the journal is another gateway's. Everything else is tried again for ever.
            SIGHUP takes up a changed configuration without disturbing ports that did not change; one that cannot
            work is refused with a line in the log, and the one before stays in force.
            """,
        options: options
    ) { arguments in
        guard let path = arguments["config"] ?? arguments.positional.first else {
            throw Arguments.Misuse(message: "--config FILE is needed")
        }
        // Signals first: threads inherit the mask.
        let signals = try SignalInbox()
        let file = try ConfigurationFile.load(path)
        let places = Places(file, arguments)
        return try run(file, places, arguments, signals)
    }

    private static func run(
        _ file: ConfigurationFile, _ places: Places, _ arguments: Arguments, _ signals: SignalInbox
    ) throws -> ExitCode {
        let configuration = file.configuration
        let log = try LogSink(threshold: try level(arguments["log"] ?? configuration.logLevel.rawValue))
        let start: Reload
        do throws(CredentialError) {
            start = try makings(of: file, places, arguments)
        } catch {
            Console.complain(error.message)
            return .configuration
        }
        let gateway = Gateway(start.settings, bootID: Machine.bootID(), seed: Machine.seed())
        log.write(Notice(.info, "gateway", configuration.bridge.gateway.text, "fieldgw \(Version.text) starts: "
            + "\(configuration.ports.count) ports, \(configuration.bindings.count) devices"))
        if !configuration.bridge.tls {
            log.write(Notice(.warning, "bridge", configuration.bridge.gateway.text,
                "tls is false: everything goes over the network readable and unprotected"))
        }
        let host: Host
        do {
            // Only the control socket needs it, and without one the gateway still does its work.
            try? FileSystem.makeDirectories(places.state)
            host = try Host(
                Host.Settings(
                    directories: places.directories, controlPath: places.control,
                    reload: { reread(file.path, running: places, arguments) }),
                gateway: gateway, keys: start.keys, tls: start.tls, log: log)
        } catch let error as SystemFailure {
            Console.complain("\(error)")
            return .unavailable
        }
        let end = try host.run(signals: signals)
        log.flush()
        if let message = end.message { Console.complain("fieldgw run: \(message)") }
        return end.code
    }

    /// What the file brings to a gateway that runs with these places already.
    private static func makings(
        of file: ConfigurationFile, _ running: Places, _ arguments: Arguments
    ) throws(CredentialError) -> Reload {
        let configuration = file.configuration
        let keys = try KeyRing(configuration)
        let places = Places(file, arguments)
        var settings = Gateway.Settings(
            configuration, keys: keys.algorithms, floor: Version.released, version: Version.text)
        // Another key under the same name is another key.
        settings.credentials = settings.credentials.map { path in
            "\(path) \((try? FileSystem.read(path)).map { Hex.encode(SHA256.digest($0)) } ?? "")"
        }
        return Reload(
            settings: settings,
            keys: keys, tls: try configuration.bridge.tls ? context(configuration.bridge) : nil,
            logLevel: (try? level(arguments["log"] ?? configuration.logLevel.rawValue)) ?? .info,
            needRestart: places.differences(from: running))
    }

    /// SIGHUP. Runs on a helper thread.
    private static func reread(
        _ path: String, running: Places, _ arguments: Arguments
    ) -> Result<Reload, ReloadFailure> {
        let bytes: [UInt8]
        do { bytes = try FileSystem.read(path) } catch {
            return .failure(ReloadFailure("\(path) cannot be read: \(error.words)"))
        }
        let (configuration, diagnostics) = ConfigurationFile.examine(bytes, path, checksFiles: true)
        let errors = diagnostics.filter { $0.severity == .error }
        guard let configuration, errors.isEmpty else {
            let more = errors.count > 1 ? " (and \(errors.count - 1) more: `fieldgw check \(path)`)" : ""
            return .failure(ReloadFailure("\(errors.first?.description ?? path)\(more)"))
        }
        do throws(CredentialError) {
            let file = ConfigurationFile(configuration: configuration, path: path)
            return .success(try makings(of: file, running, arguments))
        } catch {
            return .failure(ReloadFailure(error.message))
        }
    }

    private static func context(_ bridge: Configuration.Bridge) throws(CredentialError) -> TLSContext {
        try TLSContext(
            trust: bridge.ca.map { .file($0.value) } ?? .system, certificate: bridge.clientCertificate?.value,
            key: bridge.clientKey?.value)
    }

    private static func level(_ word: String) throws -> Notice.Level {
        switch word {
        case "error": .error
        case "warning": .warning
        case "info": .info
        case "debug": .debug
        default: throw Arguments.Misuse(message: "--log is error, warning, info or debug, not \(word)")
        }
    }
}

/// Where the daemon keeps and shows things.
struct Places: Sendable {
    var state: String
    var spool: String
    var control: String

    var directories: [DiskRequest.Volume: String] { [.state: state, .spool: spool] }

    /// The keys that say other places.
    func differences(from other: Places) -> [String] {
        [("state", state, other.state), ("spool.directory", spool, other.spool), ("control", control, other.control)]
            .filter { $0.1 != $0.2 }.map(\.0)
    }

    init(_ file: ConfigurationFile, _ arguments: Arguments) {
        let configuration = file.configuration
        let folder = file.path.lastIndex(of: "/").map { String(file.path[...$0]) } ?? ""
        state = arguments["state"] ?? configuration.state?.value
            ?? Machine.environment("STATE_DIRECTORY") ?? folder + "state"
        spool = configuration.spool.directory?.value ?? state + "/spool"
        control = arguments["control"] ?? configuration.control?.value
            ?? Machine.environment("RUNTIME_DIRECTORY").map { $0 + "/control.sock" } ?? state + "/control.sock"
    }
}
