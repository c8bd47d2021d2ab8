import Base
import Gateway
import Host
import Platform

/// A configuration as the verbs take it: read, every problem told.
struct ConfigurationFile {
    var configuration: Configuration
    var path: String
    /// Nil unless they were asked for.
    var files: StartFiles?

    /// Result of the examination of a file.
    struct Examined {
        /// Nil with at least one error.
        var configuration: Configuration?
        /// Nil unless they were asked for, and with at least one error.
        var files: StartFiles?
        var diagnostics: [Diagnostic]
        /// The keys `state` and `control`, also of a file that has errors elsewhere.
        var places: PlaceKeys

        var errors: [Diagnostic] { diagnostics.filter { $0.severity == .error } }
    }

    /// Reads the file and prints every diagnostic on standard error. Throws 66 if it cannot be
    /// read, 78 if it has errors.
    static func load(
        _ path: String, loadsFiles: Bool = true, tellsWarnings: Bool = true
    ) throws -> ConfigurationFile {
        let found = try examine(path, loadsFiles: loadsFiles)
        for each in found.diagnostics where tellsWarnings || each.severity == .error {
            Console.complain(each.description)
        }
        guard let configuration = found.configuration, found.errors.isEmpty else {
            throw ExitCode.configuration
        }
        return ConfigurationFile(configuration: configuration, path: path, files: found.files)
    }

    static func examine(
        _ path: String, loadsFiles: Bool, for purpose: SecretSources.Purpose = .start
    ) throws -> Examined {
        let bytes: [UInt8]
        do { bytes = try FileSystem.read(path) } catch {
            Console.complain("\(path): \(error.words)")
            throw ExitCode.noInput
        }
        return examine(bytes, path, loadsFiles: loadsFiles, for: purpose)
    }

    /// This machine: included files are read from its disk, `{hostname}` is its name up to a dot.
    private static var surroundings: Surroundings {
        let name = Machine.hostname.prefix { $0 != "." }
        return Surroundings(hostName: name.isEmpty ? nil : String(name)) { path in
            do throws(SystemFailure) { return .success(try FileSystem.read(path)) } catch {
                return .failure(ProfileFailure("cannot be read: \(error.words)"))
            }
        }
    }

    /// The file with those that it includes, whatever errors it has.
    static func document(_ bytes: [UInt8], _ path: String) -> ConfigurationDocument {
        ConfigurationDocument.read(bytes, fileName: path, in: surroundings)
    }

    /// - Parameter loadsFiles: whether keys, certificates and secrets are loaded, and directories
    ///   looked at.
    static func examine(
        _ bytes: [UInt8], _ path: String, loadsFiles: Bool,
        for purpose: SecretSources.Purpose = .start
    ) -> Examined {
        let library = ProfileLibrary(beside: path)
        let (configuration, diagnostics, references) = Configuration.examine(
            bytes, fileName: path, in: surroundings,
            secretLoader: loadsFiles ? SecretSources.loader(for: purpose) : nil,
            profileLoader: { library.load($0) })
        var found = Examined(
            configuration: configuration, diagnostics: diagnostics,
            places: PlaceKeys(document(bytes, path)))
        guard loadsFiles else { return found }
        let (files, problems) = StartFiles.load(
            configuration, references, isCheck: purpose == .check)
        found.files = files
        found.diagnostics += problems
        if let configuration {
            found.diagnostics += DirectoryChecks.problems(of: configuration)
            found.diagnostics += DirectoryChecks.places(configuration, path)
            found.diagnostics += DirectoryChecks.control(configuration, path)
        }
        return found
    }
}

/// Checks the directories that a configuration names against the file system.
enum DirectoryChecks {
    static func problems(of configuration: Configuration) -> [Diagnostic] {
        [("state", configuration.state), ("spool.directory", configuration.spool.directory)]
            .compactMap { key, path in
                path.flatMap { problem(key, $0) }
            }
    }

    /// A directory that could never be made is an error; in one that cannot be written to nothing
    /// is kept.
    private static func problem(_ key: String, _ path: Located<String>) -> Diagnostic? {
        var place = path.value
        while !FileSystem.exists(place), let slash = place.lastIndex(of: "/"),
            slash > place.startIndex
        {
            place = String(place[..<slash])
        }
        if FileSystem.exists(place), !FileSystem.isDirectory(place) {
            return Diagnostic(
                path.place, .error, "\"\(key)\" needs a directory, but \(place) is a file")
        }
        let isKernels = FileSystem.isKernels(place)
        guard FileSystem.isDirectory(place), isKernels || !FileSystem.isWritable(place) else {
            return nil
        }
        let what = place == path.value ? "cannot be written to" : "cannot be made in \(place)"
        if isKernels {
            return Diagnostic(
                path.place, .warning,
                "\(path.value) \(what), which the kernel makes: nothing is kept there")
        }
        return Diagnostic(
            path.place, .warning,
            "\(path.value) \(what) by this user: a gateway that runs as this user keeps nothing there"
        )
    }

    /// Why `fieldgw status` will not reach a gateway that runs with this file.
    static func control(_ configuration: Configuration, _ path: String) -> [Diagnostic] {
        let socket = Places(configuration, path).control
        let place =
            (configuration.control ?? configuration.state)?.place
            ?? FilePlace(path, TextPosition(line: 1, column: 1))
        return ControlSocket.hindrance(socket).map {
            [Diagnostic(place, .warning, "no control socket: \($0)")]
        } ?? []
    }

    /// State and journal each need a directory of their own: each takes the lock of its directory.
    static func places(_ configuration: Configuration, _ path: String) -> [Diagnostic] {
        let places = Places(configuration, path)
        let nowhere = FilePlace(path, TextPosition(line: 1, column: 1))
        let place = configuration.spool.directory?.place ?? configuration.state?.place ?? nowhere
        if places.areOne {
            return [
                Diagnostic(
                    place, .error,
                    "\"spool.directory\" is the state directory (\(places.state)): give the journal one of its own"
                )
            ]
        }
        guard let inner = FileSystem.settledPath(places.state),
            let outer = FileSystem.settledPath(places.spool),
            inner.hasPrefix(outer == "/" ? "/" : outer + "/")
        else { return [] }
        return [
            Diagnostic(
                configuration.state?.place ?? place, .warning,
                "the state directory \(places.state) is inside the journal's: whoever empties that one takes along what must "
                    + "outlive it")
        ]
    }
}

/// Where profiles are looked for, nearest first.
struct ProfileLibrary {
    private let folders: [String]

    init(beside configuration: String) {
        let folder = configuration.lastIndex(of: "/").map { String(configuration[...$0]) } ?? ""
        var folders = [folder + "profiles"]
        if let chosen = Machine.environment("FIELDGW_PROFILES") { folders.append(chosen) }
        folders += ["/etc/fieldgw/profiles", "/usr/share/fieldgw/profiles"]
        // From a checkout: board/profiles above the built binary.
        if var place = FileSystem.realPath("/proc/self/exe") {
            while let slash = place.lastIndex(of: "/"), slash > place.startIndex {
                place = String(place[..<slash])
                if FileSystem.isDirectory(place + "/board/profiles") {
                    folders.append(place + "/board/profiles")
                }
            }
        }
        self.folders = folders
    }

    /// Every profile that can be named, the nearest of each name, with what it says about itself.
    func all() -> [(name: String, profile: Profile)] {
        var found: [String: Profile] = [:]
        for folder in folders {
            for file in (try? FileSystem.names(in: folder)) ?? [] where file.hasSuffix(".json5") {
                let name = String(file.dropLast(6))
                guard found[name] == nil, let bytes = try? FileSystem.read("\(folder)/\(file)"),
                    let profile = Configuration.readProfile(bytes, fileName: file).0
                else { continue }
                found[name] = profile
            }
        }
        return found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// The names of all profiles, sorted, whatever is in them.
    func names() -> [String] {
        let files = folders.flatMap { (try? FileSystem.names(in: $0)) ?? [] }
        let names = files.filter { $0.hasSuffix(".json5") }.map { String($0.dropLast(6)) }.sorted()
        return names.indices.filter { $0 == 0 || names[$0] != names[$0 - 1] }.map { names[$0] }
    }

    func load(_ name: String) -> Result<ProfileFile, ProfileFailure> {
        for folder in folders {
            let path = "\(folder)/\(name).json5"
            guard FileSystem.exists(path) else { continue }
            do { return .success(ProfileFile(path: path, bytes: try FileSystem.read(path))) } catch
            {
                return .failure(ProfileFailure("cannot be read: \(path): \(error.words)"))
            }
        }
        let guess = ProfileNames.clause(for: name, in: names())
        return .failure(
            ProfileFailure("is in none of \(folders.joined(separator: ", "))\(guess)"))
    }
}
