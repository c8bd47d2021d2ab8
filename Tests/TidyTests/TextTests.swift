import Foundation
import Testing

/// `String` compares by canonical equivalence: two ids become one, and a run of combining marks
/// costs its square. What is looked up by a text from outside is looked up by `ByteString`.
@Suite struct TextTests {
    /// Where the keys are this program's own, or checked as ASCII: one line each says why.
    private static let own: [String: String] = [
        "Sources/Gateway/Configuration/Diagnostic.swift":
            "configuration and profile files of this machine",
        "Sources/Gateway/StateStore.swift": "names of documents: ASCII, checked by isName",
        "Sources/Gateway/ConfigDesk.swift": "names of documents in the state store",
        "Sources/Gateway/GatewayConfigs.swift": "names of documents in the state store",
        "Sources/Gateway/Tools/TrafficStanza.swift": "names made of table and address",
        "Sources/Host/LineShell.swift": "device nodes as the kernel names them",
        "Sources/Platform/CommandLine/Arguments.swift": "options of the verb's own table",
        "Sources/Platform/Disk/DiskVolume.swift":
            "file names of the gateway's machines: ASCII, checked",
        "Sources/Platform/Loop/HelperWatch.swift": "names of helper threads",
        "Sources/Platform/Process/ProgramQueue.swift": "device nodes as the kernel names them",
        "Sources/Platform/Udev/PreFlight.swift": "names of programs and ttys of this machine",
        "Sources/Platform/Udev/UdevRecord.swift": "keys of udev's database",
        "Sources/Platform/Udev/UnclaimedPorts.swift": "device nodes as the kernel names them",
        "Sources/fieldgw/ConfigurationFile.swift": "profile files of this machine",
        "Sources/fieldgw/ScanProgress.swift": "sentences of this program",
        "Sources/fieldgw/SpoolVerb.swift": "the verb's own words",
    ]

    @Test func nothingIsLookedUpByAStringFromOutside() {
        let forbidden = ["[String:", "[String :", "Set<String>", "Dictionary<String,"]
        var used: Set<String> = []
        for source in Tree.sources(under: "Sources") {
            for (number, line) in source.lines.enumerated() {
                let code = line.components(separatedBy: "//")[0]
                guard forbidden.contains(where: code.contains) else { continue }
                used.insert(source.path)
                #expect(
                    Self.own[source.path] != nil,
                    "\(source.path):\(number + 1): keys are compared as bytes: use ByteString")
            }
        }
        #expect(Set(Self.own.keys) == used, "an exception that is not needed any more")
    }

    /// The words of an enum are looked up with `init(word:)`, which takes short ASCII only.
    @Test func wordsFromJSONAreLookedUpAsBytes() {
        for source in Tree.sources(under: "Sources") {
            for (number, line) in source.lines.enumerated() {
                let code = line.components(separatedBy: "//")[0]
                #expect(
                    !(code.contains(".string") && code.contains("rawValue:")),
                    "\(source.path):\(number + 1): use init(word:)")
            }
        }
    }
}
