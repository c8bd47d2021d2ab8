import Base
import Platform
import Simulators

/// The whole road on one machine, told as it happens.
enum DemoVerb {
    static let verb = Verb(
        "demo", "", summary: "show a gateway at work between two simulated lines and a bridge",
        details: """
            Starts two RS-485 lines with eight Modbus units on pseudo-terminals, the bridge emulator over TLS with
            fresh keys, and the real `fieldgw run` between them; takes the bridge away for a while, sends a command,
            and compares at the end what the lines served, what was journaled and what the bridge acknowledged.
            Exit code 0 if nothing was lost.
            """,
        options: [
            Option("gateway", "FILE", "the fieldgw binary (default: beside this one)"),
            Option("seconds", "N", "how long, 15 to 3600 (default 30)"),
            Option(
                "keep", "DIR",
                "work in this folder and leave keys, configuration, journal and log there"),
        ]
    ) { arguments in
        guard arguments.positional.isEmpty else {
            throw Arguments.Misuse(message: "no arguments, only options")
        }
        let seconds = try arguments.integer("seconds", in: 15...3600, default: 30)
        let folder = try DemoFolder(kept: arguments["keep"])
        defer { folder.remove() }
        let demo = try Demo(folder: folder, gateway: try gateway(arguments), seconds: seconds)
        return try demo.run()
    }

    private static func gateway(_ arguments: Arguments) throws -> String {
        if let path = arguments["gateway"] { return path }
        let own = FileSystem.realPath("/proc/self/exe") ?? ""
        let beside = (own.lastIndex(of: "/").map { String(own[...$0]) } ?? "") + "fieldgw"
        guard FileSystem.exists(beside) else {
            throw Arguments.Misuse(
                message: "there is no fieldgw at \(beside); name it with --gateway")
        }
        return beside
    }
}
