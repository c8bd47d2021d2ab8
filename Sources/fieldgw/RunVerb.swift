import Base
import Gateway
import Host
import Platform

/// The gateway itself.
enum RunVerb {
    static let options = [
        Option("config", "FILE", "the configuration"),
        Option(
            "state", "DIR",
            "the state directory; default: key `state`, $STATE_DIRECTORY, `state` beside the file"),
        Option(
            "control", "SOCKET",
            "the control socket; default: key `control`, $RUNTIME_DIRECTORY, the state directory"),
        Option(
            "log", "LEVEL",
            "error, warning, info, debug or wire (frames, decoded); default: key `logLevel`"
        ),
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
        guard arguments.positional.count + (arguments.has("config") ? 1 : 0) == 1 else {
            throw Arguments.Misuse(message: "one configuration FILE is needed, not several")
        }
        if let word = arguments["log"] { _ = try level(word) }
        // Signals first: threads inherit the mask.
        let signals = try SignalInbox()
        let file = try ConfigurationFile.load(path)
        guard let files = file.files else { throw ExitCode.configuration }
        let places = Places(file, arguments)
        // What `check` cannot see: --state.
        guard !places.areOne else {
            Console.complain(
                "\(places.spool) is the state directory and the journal's: give each one of its own"
            )
            return .configuration
        }
        let start = makings(of: file.configuration, files, path, arguments, running: places)
        return try run(file, start, places, arguments, signals)
    }

    private static func run(
        _ file: ConfigurationFile, _ start: Reload, _ places: Places, _ arguments: Arguments,
        _ signals: SignalInbox
    ) throws -> ExitCode {
        let configuration = file.configuration
        let log = try LogSink(threshold: start.logLevel)
        let gateway = Gateway(start.settings, bootID: Machine.bootID(), seed: Machine.seed())
        log.write(
            Notice(
                .info, "gateway", configuration.bridge.gateway.text,
                "fieldgw \(Version.text) starts: "
                    + "\(Plural.text(configuration.ports.count, "port")), "
                    + Plural.text(configuration.bindings.count, "device")))
        if !configuration.bridge.tls {
            log.write(
                Notice(
                    .warning, "bridge", configuration.bridge.gateway.text,
                    "tls is false: everything goes over the network readable and unprotected"))
        }
        let host: Host
        do {
            // Only the control socket needs it, and without one the gateway still does its work.
            try? FileSystem.makeDirectories(places.state)
            host = try Host(
                Host.Settings(
                    directories: places.directories, controlPath: places.control, door: start.door,
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

    /// Makes from the file the reload for a gateway that runs with these places already.
    private static func makings(
        of configuration: Configuration, _ files: StartFiles, _ path: String,
        _ arguments: Arguments, running: Places
    ) -> Reload {
        var settings = Gateway.Settings(
            configuration, keys: files.keys.algorithms, floor: Version.released,
            version: Version.text)
        if let given = arguments["log"], let wanted = try? level(given) {
            settings.logLevel = wanted
        }
        settings.certificates = files.certificates
        settings.configurationHash = Hex.encode(digest(of: path).prefix(8), separator: "")
            .lowercased()
        // Another key under the same name is another key.
        settings.credentials = settings.credentials.map { path in
            "\(path) \(Hex.encode(PrivateKey.contents(of: path).map(SHA256.digest) ?? []))"
        }
        let door = configuration.door.map { door in
            DoorPlace(
                address: door.address, port: door.port, tls: files.doorTLS,
                mark: [door.certificate, door.key].flatMap {
                    $0.flatMap { PrivateKey.contents(of: $0.value).map(SHA256.digest) } ?? []
                }
            )
        }
        return Reload(
            settings: settings, keys: files.keys, tls: files.tls, door: door,
            logLevel: settings.logLevel.notice,
            needRestart: Places(configuration, path, arguments).differences(from: running))
    }

    private static func digest(of path: String) -> [UInt8] {
        guard let bytes = try? FileSystem.read(path) else { return [] }
        return SHA256.digest(ConfigurationFile.document(bytes, path).texts.flatMap { $0 })
    }

    /// SIGHUP. Runs on a helper thread.
    private static func reread(
        _ path: String, running: Places, _ arguments: Arguments
    ) -> Result<Reload, ReloadFailure> {
        let bytes: [UInt8]
        do { bytes = try FileSystem.read(path) } catch {
            return .failure(ReloadFailure("\(path) cannot be read: \(error.words)"))
        }
        let found = ConfigurationFile.examine(bytes, path, loadsFiles: true)
        let errors = found.errors
        let warnings = found.diagnostics.filter { $0.severity == .warning }.map(\.description)
        guard let configuration = found.configuration, let files = found.files, errors.isEmpty
        else {
            let more =
                errors.count > 1 ? " (and \(errors.count - 1) more: `fieldgw check \(path)`)" : ""
            return .failure(ReloadFailure("\(errors.first?.description ?? path)\(more)"))
        }
        var reload = makings(of: configuration, files, path, arguments, running: running)
        reload.warnings = warnings
        return .success(reload)
    }

    private static func level(
        _ word: String
    ) throws(Arguments.Misuse) -> Configuration.LogLevel {
        if let level = Configuration.LogLevel(rawValue: word) { return level }
        throw Arguments.Misuse(message: "--log is error, warning, info, debug or wire, not \(word)")
    }
}
