import Base
import Gateway
import Platform

/// A configuration as the verbs take it: read, every problem told, checked against the file system.
struct ConfigurationFile {
    var configuration: Configuration
    var path: String

    /// Reads the file and prints every diagnostic on standard error. Throws 66 if it cannot be read,
    /// 78 if it has errors.
    static func load(
        _ path: String, checksFiles: Bool = true, tellsWarnings: Bool = true
    ) throws -> ConfigurationFile {
        let (configuration, diagnostics) = try examine(path, checksFiles: checksFiles)
        for each in diagnostics where tellsWarnings || each.severity == .error { Console.complain(each.description) }
        guard let configuration, !diagnostics.contains(where: { $0.severity == .error }) else {
            throw ExitCode.configuration
        }
        return ConfigurationFile(configuration: configuration, path: path)
    }

    static func examine(_ path: String, checksFiles: Bool) throws -> (Configuration?, [Diagnostic]) {
        let bytes: [UInt8]
        do { bytes = try FileSystem.read(path) } catch {
            Console.complain("\(path): \(error.words)")
            throw ExitCode.noInput
        }
        return examine(bytes, path, checksFiles: checksFiles)
    }

    static func examine(_ bytes: [UInt8], _ path: String, checksFiles: Bool) -> (Configuration?, [Diagnostic]) {
        let library = ProfileLibrary(beside: path)
        var (configuration, diagnostics, files) = Configuration.examine(
            bytes, fileName: path, profileLoader: { library.load($0) })
        if checksFiles { diagnostics += FileChecks.problems(of: configuration, files) }
        return (configuration, diagnostics)
    }
}

/// What only the file system can tell.
enum FileChecks {
    static func problems(
        of configuration: Configuration?, _ files: [Configuration.FileReference]
    ) -> [Diagnostic] {
        files.compactMap { problem($0) }
            + (configuration.map { directories($0) } ?? [])
    }

    /// Directories that could never be made, because something that is none stands in the way.
    private static func directories(_ configuration: Configuration) -> [Diagnostic] {
        [("state", configuration.state), ("spool.directory", configuration.spool.directory)].compactMap { key, path in
            guard let path else { return nil }
            var place = path.value
            while !FileSystem.exists(place), let slash = place.lastIndex(of: "/"), slash > place.startIndex {
                place = String(place[..<slash])
            }
            guard FileSystem.exists(place), !FileSystem.isDirectory(place) else { return nil }
            return Diagnostic(path.place, .error, "\"\(key)\" needs a directory, but \(place) is a file")
        }
    }

    private static func problem(_ file: Configuration.FileReference) -> Diagnostic? {
        let path = file.path.value
        func error(_ message: String) -> Diagnostic { Diagnostic(file.path.place, .error, message) }
        switch file.role {
        case .privateKey, .clientKey:
            do { _ = try PrivateKey.load(path) } catch {
                let hint = error.kind == .missing ? "; make one with `fieldgw key generate`" : ""
                return Diagnostic(file.path.place, .error, "the private key: \(error.message)\(hint)")
            }
        case .certificateAuthority:
            do { _ = try TLSContext(trust: .file(path)) } catch {
                return Diagnostic(file.path.place, .error, "the CA file (`ca`): \(error.message)")
            }
        case .clientCertificate:
            if !FileSystem.exists(path) { return error("the client certificate \(path) does not exist") }
        case .device(let port):
            if !FileSystem.exists(path) {
                return Diagnostic(
                    file.path.place, .warning,
                    "\(path) does not exist now: port \(port) is tried again until it appears")
            }
        }
        return nil
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
                if FileSystem.isDirectory(place + "/board/profiles") { folders.append(place + "/board/profiles") }
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

    func load(_ name: String) -> Result<ProfileFile, ProfileFailure> {
        for folder in folders {
            let path = "\(folder)/\(name).json5"
            guard FileSystem.exists(path) else { continue }
            do { return .success(ProfileFile(path: path, bytes: try FileSystem.read(path))) } catch {
                return .failure(ProfileFailure("cannot be read: \(path): \(error.words)"))
            }
        }
        return .failure(ProfileFailure("is in none of \(folders.joined(separator: ", "))"))
    }
}
