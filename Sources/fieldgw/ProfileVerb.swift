import Adapter
import Base
import Gateway
import Platform

/// The device profiles that a configuration may name.
enum ProfileVerb {
    private static let actions = ["list", "show", "check"]

    static let verb = Verb(
        "profile", "list [PART] | show NAME [PARAMETER=VALUE…] | check FILE",
        summary: "show the device profiles that a node may name; check one of your own",
        details: """
            profile list [PART]     the profiles whose name or device holds PART
            profile show NAME       the device, the manual, the parameters and the points of one
            profile check FILE      every problem of a profile as file:line:col; exit code 0,
                                    78 or 66

            Profiles are looked for in profiles/ beside the configuration (--config, or this
            directory), $FIELDGW_PROFILES, /etc/fieldgw/profiles and /usr/share/fieldgw/profiles.
            A part of a name is enough to find one: `profile show sdm120`.
            """,
        options: [
            Option("config", "FILE", "the configuration beside which profiles/ is looked for"),
            Option("json", nil, "one JSON document"),
        ]
    ) { arguments in
        let words = arguments.positional
        switch (words.first, words.count) {
        case ("list", _): return list(words.dropFirst().joined(separator: " "), arguments)
        case ("show", 2...): return try show(words[1], words.dropFirst(2), arguments)
        case ("check", 2): return try check(words[1], arguments)
        case ("show", _): throw Arguments.Misuse(message: "show needs the NAME of a profile")
        case ("check", _): throw Arguments.Misuse(message: "check needs one FILE")
        case (nil, _):
            throw Arguments.Misuse(message: "what to do is missing: list, show or check")
        case (let word?, _):
            let guess = Suggestion.clause(for: word, in: actions)
            throw Arguments.Misuse(
                message:
                    "profile \(word) is not known: list [PART], show NAME or check FILE\(guess)")
        }
    }

    private static func library(_ arguments: Arguments) -> ProfileLibrary {
        ProfileLibrary(beside: arguments["config"] ?? "")
    }

    private static func list(_ part: String, _ arguments: Arguments) -> ExitCode {
        let all = library(arguments).all()
        let found = all.filter { name, profile in
            part.isEmpty || !ProfileNames.holding(part, in: [name, profile.title ?? ""]).isEmpty
        }
        if arguments.has("json") {
            Console.say(json(found))
        } else if found.isEmpty {
            let guess = ProfileNames.clause(for: part, in: all.map(\.name))
            Console.complain("no profile has \"\(Notice.printable(part))\" in its name\(guess)")
        } else {
            let rows = found.map { name, profile in
                let parameters = profile.parameters.map(\.name.string).joined(separator: ", ")
                return [name, profile.driver.rawValue, parameters, profile.title ?? ""]
            }
            Console.say(
                TextTable(
                    [
                        "profile", TextTable.Column("driver", rank: 2),
                        TextTable.Column("parameters", rank: 1, least: 10), "device",
                    ], rows
                ).text)
        }
        return found.isEmpty ? .noInput : .ok
    }

    private static func json(_ profiles: [(name: String, profile: Profile)]) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.key("profiles")
            writer.array { writer in
                for (name, profile) in profiles {
                    writer.object { writer in
                        writer.member("name", name)
                        ProfileText.append(profile, to: &writer)
                    }
                }
            }
        }
        return writer.text
    }

    /// The profile of that name, or the only one whose name holds the word.
    private static func find(
        _ name: String, _ library: ProfileLibrary
    ) throws -> (
        name: String, file: ProfileFile
    ) {
        let failure: ProfileFailure
        switch library.load(name) {
        case .success(let file): return (name, file)
        case .failure(let reason): failure = reason
        }
        let near = ProfileNames.holding(name, in: library.names())
        if near.count == 1, let only = near.first, case .success(let file) = library.load(only) {
            return (only, file)
        }
        Console.complain("profile \"\(Notice.printable(name))\" \(failure.message)")
        throw ExitCode.noInput
    }

    private static func show(
        _ name: String, _ words: ArraySlice<String>, _ arguments: Arguments
    ) throws -> ExitCode {
        let found = try find(name, library(arguments))
        let given = try words.map { word in
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else {
                throw Arguments.Misuse(
                    message: "\"\(Notice.printable(word))\" must be PARAMETER=VALUE")
            }
            return (name: ByteString(parts[0]), value: JSON(.number(String(parts[1]))))
        }
        let (listing, diagnostics) = ProfileListing.read(
            found.file.bytes, fileName: found.file.path, given: given)
        for each in diagnostics { Console.complain(each.description) }
        guard let listing else { return .configuration }
        Console.say(
            arguments.has("json")
                ? ProfileText.json(found.name, listing, [], file: found.file.path)
                : ProfileText.page(found.name, listing, file: found.file.path))
        return .ok
    }

    private static func check(_ path: String, _ arguments: Arguments) throws -> ExitCode {
        let bytes: [UInt8]
        do { bytes = try FileSystem.read(path) } catch {
            Console.complain("\(path): \(error.words)")
            throw ExitCode.noInput
        }
        let (listing, diagnostics) = ProfileListing.check(bytes, fileName: path)
        for each in diagnostics { Console.complain(each.description) }
        if arguments.has("json") {
            Console.say(ProfileText.json(nil, listing, diagnostics, file: path))
        } else if let listing {
            Console.say(
                "\(path): \(listing.profile.title ?? "a profile"), "
                    + "\(Plural.text(listing.node.points.count, "point"))")
        }
        return diagnostics.contains { $0.severity == .error } ? .configuration : .ok
    }
}
