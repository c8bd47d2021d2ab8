import Adapter
import Base

/// A profile that a node refers to, as the caller found it.
package struct ProfileFile: Hashable, Sendable {
    /// Its path, for messages.
    package var path: String
    package var bytes: [UInt8]

    package init(path: String, bytes: [UInt8]) {
        self.path = path
        self.bytes = bytes
    }
}

/// Why there is no such profile: finishes the sentence `profile "x" …`.
package struct ProfileFailure: Error, Hashable, Sendable {
    package var message: String

    package init(_ message: String) { self.message = message }
}

package typealias ProfileLoader = (String) -> Result<ProfileFile, ProfileFailure>

extension Configuration {
    /// Reads a whole file and reports everything that is wrong with it in one run.
    ///
    /// - Parameter fileName: as the user named it; relative paths in the file are relative to its
    ///   directory.
    /// - Returns: nil with at least one error, or the configuration with warnings at most.
    package static func read(
        _ bytes: [UInt8], fileName: String, in surroundings: Surroundings = Surroundings(),
        secretLoader: SecretLoader? = nil, profileLoader: @escaping ProfileLoader
    ) -> (Configuration?, [Diagnostic]) {
        let (configuration, diagnostics, _) = examine(
            bytes, fileName: fileName, in: surroundings, secretLoader: secretLoader,
            profileLoader: profileLoader)
        return (configuration, diagnostics)
    }

    /// The same, with every file and device that could be made out in spite of errors elsewhere.
    ///
    /// - Parameter secretLoader: nil if secrets that are kept elsewhere are not needed: they are
    ///   nil in the configuration then.
    package static func examine(
        _ bytes: [UInt8], fileName: String, in surroundings: Surroundings = Surroundings(),
        secretLoader: SecretLoader? = nil, profileLoader: @escaping ProfileLoader
    ) -> (Configuration?, [Diagnostic], [FileReference]) {
        var reader = ConfigurationReader(
            fileName: fileName, secrets: secretLoader, loader: profileLoader)
        let configuration = reader.read(bytes, in: surroundings)
        reader.problems.tellRemarks()
        let diagnostics = reader.problems.sorted(main: fileName)
        return (
            reader.problems.hasErrors ? nil : configuration, diagnostics,
            reader.files + reader.secrets.files
        )
    }
}

/// One run over one file: the state that the sections share.
struct ConfigurationReader {
    let fileName: String
    let problems = Problems()
    let loader: ProfileLoader
    var files: [Configuration.FileReference] = []
    /// Points of all nodes so far. What comes behind the most that a gateway serves is not read.
    var pointsRead = 0
    /// Whether the IDs of gateway and devices follow Cloud IoT's rule.
    var isCloudIoT = false
    var secrets: SecretReader
    var shelf = ProfileShelf()

    init(fileName: String, secrets: SecretLoader? = nil, loader: @escaping ProfileLoader) {
        self.fileName = fileName
        self.secrets = SecretReader(secrets, problems)
        self.loader = loader
    }

    mutating func read(_ bytes: [UInt8], in surroundings: Surroundings) -> Configuration? {
        var documents = DocumentReader(problems, surroundings)
        let start = TextPosition(line: 1, column: 1)
        guard let json = documents.read(bytes, file: fileName) else { return nil }
        let root = Field(name: "", json: json, file: fileName, keyPosition: start)
        guard var cursor = ObjectCursor(root, "the configuration", problems, TopKeys.root)
        else { return nil }
        let bridge = cursor.require("bridge").flatMap { readBridge($0) }
        let spool = cursor.take("spool").flatMap { readSpool($0) } ?? Configuration.Spool()
        let clock = cursor.choice("clock", of: Configuration.ClockTrust.self)
        let logLevel = cursor.choice("logLevel", of: Configuration.LogLevel.self)
        let scansAdapters = cursor.bool("scanAdapters")
        let door = cursor.take("http").flatMap { readDoor($0) }
        let alarms = cursor.take("alarms").flatMap { Alarms.Settings($0, problems) }
        let health = cursor.take("health").flatMap { HealthSettings($0, problems) }
        let state = cursor.located("state").map(resolve)
        let control = cursor.located("control").map(resolve)
        let ports = cursor.require("ports").map { readPorts($0, gateway: bridge?.gateway) } ?? []
        cursor.finish()
        guard let bridge else { return nil }
        checkCount(ports, of: bridge)
        checkSize(ports)
        checkDeviceKeys(ports, of: bridge)
        if let door { checkHistory(door, ports) }
        let configuration = Configuration(
            bridge: bridge, spool: spool, clock: clock, logLevel: logLevel,
            scansAdapters: scansAdapters, door: door, alarms: alarms ?? Alarms.Settings(),
            health: health ?? HealthSettings(),
            state: state, control: control, ports: ports, files: files
        )
        return TopicChecks.finished(configuration, problems)
    }

    /// The root value of a JSON5 text; nil, and reported, if it is none.
    func parse(_ bytes: [UInt8], file: String) -> Field? {
        let start = TextPosition(line: 1, column: 1)
        let (json, errors) = JSONReader.parseAll(bytes)
        if !errors.isEmpty { problems.veil(SecretText(bytes).broken(by: errors), in: file) }
        for error in errors { problems.syntax(FilePlace(file, error.position), error.message) }
        if let json { LiteralVariables(problems, file: file).remark(json) }
        return json.map { Field(name: "", json: $0, file: file, keyPosition: start) }
    }

    /// Relative to the directory of the file that the path stands in.
    func resolve(_ path: Located<ByteString>) -> Located<String> {
        let file = path.place.file
        return Located(RelativePath.resolve(path.value.string, beside: file), at: path.place)
    }
}
