import Base
import Platform

/// `fieldgw status --check`: the worst of what the gateway sees, in one line with figures behind a
/// bar, and the exit code that monitoring programs expect.
enum MonitoringCheck {
    /// Problems that are told one by one.
    private static let toldMax = 3

    static func run(_ arguments: Arguments) -> ExitCode {
        let document: JSON
        do {
            let daemon = try Daemon(arguments, configuration: arguments.positional.first)
            document = try daemon.ask("{\"get\":\"status\"}").document
        } catch {
            Console.say("UNKNOWN: no gateway answers")
            return .checkUnknown
        }
        let problems = document["problems"]?.array ?? []
        let isCritical = problems.contains { $0["severity"]?.string == "critical" }
        let code: ExitCode = isCritical ? .checkCritical : problems.isEmpty ? .ok : .checkWarning
        let words = problems.isEmpty ? order(document) : sentences(problems)
        let name = document["gateway"]?.string?.string ?? "?"
        Console.say("\(word(code)): \(plain("\(name): \(words)")) | \(figures(document))")
        return code
    }

    private static func word(_ code: ExitCode) -> String {
        switch code {
        case .checkWarning: "WARNING"
        case .checkCritical: "CRITICAL"
        default: "OK"
        }
    }

    private static func sentences(_ problems: [JSON]) -> String {
        let told = problems.prefix(toldMax).map { problem in
            "\(problem["subject"]?.string?.string ?? "?"): \(problem["text"]?.string?.string ?? "?")"
        }
        let rest = problems.count - told.count
        return told.joined(separator: "; ") + (rest > 0 ? "; and \(rest) more" : "")
    }

    private static func order(_ document: JSON) -> String {
        let (online, all) = devices(document)
        let waiting = document["spool"]?["waiting"]?.integer ?? 0
        return
            "\(document["bridge"]?["state"]?.string?.string ?? "?"), \(online) of \(Plural.text(all, "device")) online, "
            + "\(Plural.text(Int(waiting), "record")) waiting"
    }

    private static func devices(_ document: JSON) -> (online: Int, all: Int) {
        let devices = document["devices"]?.members ?? []
        return (devices.count { $0.value["status"]?.string == "online" }, devices.count)
    }

    private static func figures(_ document: JSON) -> String {
        let (online, all) = devices(document)
        let spool = document["spool"]
        let connected = document["bridge"]?["online"]?.bool == true ? 1 : 0
        return "devices_online=\(online);;;0;\(all) waiting=\(spool?["waiting"]?.integer ?? 0);;;0 "
            + "waiting_bytes=\(spool?["waitingBytes"]?.integer ?? 0)B;;;0 bridge_connected=\(connected);;;0;1"
    }

    /// One line without the bar that begins the figures.
    private static func plain(_ text: String) -> String {
        Notice.printable(text).split(separator: "|", omittingEmptySubsequences: false).joined(
            separator: "/")
    }
}
