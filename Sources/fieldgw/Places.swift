import Base
import Gateway
import Platform

/// The keys of a configuration that say where a gateway shows itself; read from the bare text, so
/// that a file with errors elsewhere still tells them.
struct PlaceKeys {
    var state: String?
    var control: String?

    /// Of a file that says nothing, or that cannot be read.
    init() {}

    init(_ configuration: Configuration) {
        state = configuration.state?.value
        control = configuration.control?.value
    }

    init(_ document: ConfigurationDocument) {
        func path(_ key: ByteString) -> String? {
            guard let value = document.root?[key], let text = value.string else { return nil }
            return RelativePath.resolve(text.string, beside: document.file(of: value))
        }
        state = path("state")
        control = path("control")
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
        [
            ("state", state, other.state), ("spool.directory", spool, other.spool),
            ("control", control, other.control),
        ]
        .filter { $0.1 != $0.2 }.map(\.0)
    }

    init(_ file: ConfigurationFile, _ arguments: Arguments) {
        self.init(file.configuration, file.path, arguments)
    }

    /// - Parameter arguments: the command line, which goes before the keys; nil: the file alone.
    init(_ configuration: Configuration, _ path: String, _ arguments: Arguments? = nil) {
        let keys = PlaceKeys(configuration)
        state = Self.state(keys, path, arguments)
        spool = configuration.spool.directory?.value ?? state + "/spool"
        control = Self.control(keys, path, arguments)
    }

    /// Whether state and journal would be in one directory, through whatever links.
    var areOne: Bool {
        guard let state = FileSystem.settledPath(state), let spool = FileSystem.settledPath(spool)
        else {
            return false
        }
        return state == spool || FileSystem.isSameFile(state, spool)
    }

    private static func state(_ keys: PlaceKeys, _ path: String, _ arguments: Arguments?) -> String
    {
        arguments?["state"] ?? keys.state ?? Machine.environment("STATE_DIRECTORY")
            ?? RelativePath.resolve("state", beside: path)
    }

    /// The control socket of a gateway that runs with this file.
    static func control(_ keys: PlaceKeys, _ path: String, _ arguments: Arguments?) -> String {
        arguments?["control"] ?? keys.control
            ?? Machine.environment("RUNTIME_DIRECTORY").map { $0 + "/control.sock" }
            ?? state(keys, path, arguments) + "/control.sock"
    }

    /// The control socket where no file says another place.
    static func control(_ arguments: Arguments) -> String {
        arguments["control"] ?? arguments["state"].map { $0 + "/control.sock" }
            ?? (Machine.environment("RUNTIME_DIRECTORY") ?? "/run/fieldgw") + "/control.sock"
    }
}
