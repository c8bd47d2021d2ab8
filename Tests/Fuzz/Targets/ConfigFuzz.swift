import Base
import FuzzKit
import Gateway

/// Configurations and profiles: text as it is, or a good configuration after some edits. Every
/// problem has a place inside its file; what has none becomes a gateway that plans, starts and
/// polls.
package enum ConfigFuzz: FuzzTarget {
    package static let budget = Duration.milliseconds(500)

    package static func run(_ input: [UInt8]) {
        guard let kind = input.first else { return }
        let rest = Array(input.dropFirst())
        if kind & 1 == 0 {
            let parts = rest.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
                .map(Array.init)
            examine(
                parts[0], profile: parts.count > 1 ? parts[1] : Array(ConfigSamples.profile.utf8))
        } else {
            var edits = ConfigEdits(rest)
            var file = ConfigSamples.files[Int(kind >> 1) % ConfigSamples.files.count]
            var profile = ConfigSamples.parsed(ConfigSamples.profile)
            while !edits.isAtEnd {
                if edits.isForProfile { edits.change(&profile) } else { edits.change(&file) }
            }
            examine(Array(file.text.utf8), profile: Array(profile.text.utf8))
        }
    }

    private static func examine(_ file: [UInt8], profile: [UInt8]) {
        let (found, problems, files) = Configuration.examine(file, fileName: "dir/gw.json5") {
            name in
            name == "p"
                ? .success(ProfileFile(path: "profiles/p.json5", bytes: profile))
                : .failure(ProfileFailure("is none"))
        }
        let extents = ["dir/gw.json5": TextExtent(file), "profiles/p.json5": TextExtent(profile)]
        for problem in problems {
            guard let extent = extents[problem.place.file] else {
                fatalError("a problem of no file: \(problem)")
            }
            extent.check(problem.place.position)
            demand(
                !problem.message.isEmpty && !problem.message.utf8.contains(10),
                "a message: \(problem)")
        }
        demand(problems.count <= 1000, "\(problems.count) problems")
        demand(
            (found == nil) == problems.contains { $0.severity == .error },
            "refused without a problem, or taken with one")
        for reference in files {
            extents[reference.path.place.file]?.check(reference.path.place.position)
        }
        let (_, others) = Configuration.readProfile(profile, fileName: "profiles/p.json5")
        for problem in others { extents["profiles/p.json5"]?.check(problem.place.position) }
        if let found { plan(found) }
    }

    private static func plan(_ configuration: Configuration) {
        for port in configuration.ports {
            let budget = port.budget
            demand(
                budget.load.isFinite && budget.load >= 0 && budget.worstBlocking >= .zero,
                "port \(port.name) is planned as \(budget)")
            if port.driver == .modbusRTU {
                for read in port.readPlan.reads {
                    demand(
                        read.count > 0 && read.address >= 0 && read.address + read.count <= 65_536,
                        "a read of \(read.count) from \(read.address)")
                }
            }
        }
        let settings = Gateway.Settings(
            configuration, keys: KeyAlgorithms(gateway: [.es256]), floor: WallTime(milliseconds: 0),
            version: "9.9")
        var rig = GatewayRig(settings)
        rig.wait(.milliseconds(100))
        rig.ask(Array(#"{"get":"status"}"#.utf8), mayWrite: false)
        rig.ask(Array(#"{"get":"values"}"#.utf8), mayWrite: false)
        rig.wait(.milliseconds(100))
    }
}

/// Changes of a JSON document, one for each few bytes of the input: a value, a key, a member more
/// or less, a part put elsewhere.
private struct ConfigEdits {
    private var choices: Choices
    private var kept = JSON(.null)

    init(_ bytes: [UInt8]) { choices = Choices(bytes) }

    var isAtEnd: Bool { choices.isAtEnd }

    var isForProfile: Bool { mutating get { choices.byte() & 7 == 7 } }

    mutating func change(_ document: inout JSON) { change(&document, depth: 0) }

    /// Goes down by one byte for each level, and changes what it ends at.
    private mutating func change(_ value: inout JSON, depth: Int) {
        let choice = choices.byte()
        switch value.kind {
        case .object(var members):
            if choice < 0xC0 || members.isEmpty || depth == 0, !members.isEmpty,
                choice & 0xC0 != 0xC0 || depth == 0
            {
                let index = Int(choice) % members.count
                change(&members[index].value, depth: depth + 1)
            } else {
                edit(&members, choice)
            }
            value.kind = .object(members)
        case .array(var items):
            if choice < 0xC0, !items.isEmpty {
                change(&items[Int(choice) % items.count], depth: depth + 1)
            } else if choice & 1 == 0 || items.isEmpty {
                items.append(anything())
            } else {
                items.remove(at: Int(choice >> 1) % items.count)
            }
            value.kind = .array(items)
        default: value = anything()
        }
    }

    private mutating func edit(_ members: inout [JSON.Member], _ choice: UInt8) {
        let index = members.isEmpty ? 0 : choices.below(members.count)
        switch choice & 7 {
        case 0 where !members.isEmpty: members.remove(at: index)
        case 1 where !members.isEmpty: members[index].name = choices.pick(ConfigSamples.keys)
        case 2 where !members.isEmpty: members[index].name = ByteString(decoding: choices.block())
        case 3 where !members.isEmpty: members[index].value = anything()
        case 4 where !members.isEmpty: kept = members[index].value
        case 5 where !members.isEmpty: members.append(members[index])
        default:
            let place = TextPosition(line: 1, column: 1)
            members.append(
                JSON.Member(
                    name: choices.pick(ConfigSamples.keys), position: place, value: anything()))
        }
    }

    private mutating func anything() -> JSON {
        let choice = choices.byte()
        switch choice & 7 {
        case 0: return JSON(.number("\(choices.below(70_000) - 10)"))
        case 1: return JSON(.string(ByteString(decoding: choices.block())))
        case 2: return kept
        case 3: return choices.pick(ConfigSamples.parts)
        case 4: return JSON(.bool(choice & 8 == 0))
        default: return JSON(.string(choices.pick(ConfigSamples.words)))
        }
    }
}
