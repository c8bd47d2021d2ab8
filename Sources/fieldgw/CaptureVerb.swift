import Base
import Platform

/// Saves the latest traffic of a line of the running gateway as a capture file.
enum CaptureVerb {
    static let verb = Verb(
        "capture", "PORT FILE",
        summary: "save the latest wire traffic of a running gateway's port as pcap",
        details: """
            The gateway remembers about the last 60 KiB of every line. The file has link type 250 (RTAC serial) with
            the direction of every packet; Wireshark reads it. FILE `-` is standard output. The same is written by
            itself to capture-PORT-N.pcap in the state directory when a unit begins to fail.
            """,
        options: Daemon.options
    ) { arguments in
        guard arguments.positional.count == 2 else {
            throw Arguments.Misuse(message: "a PORT and a FILE are needed")
        }
        let answer = try Daemon(arguments).ask { writer in
            writer.member("get", "pcap")
            writer.member("port", arguments.positional[0])
        }
        guard let bytes = answer.document["pcap"]?.string.flatMap({ Base64.decode($0.string) })
        else {
            Console.complain("the answer holds no capture")
            return .badData
        }
        if arguments.positional[1] == "-" {
            Console.emit(bytes)
            return .ok
        }
        let path = arguments.positional[1]
        do throws(SystemFailure) {
            if FileSystem.exists(path) {
                try FileSystem.overwrite(path, bytes)
            } else {
                try FileSystem.create(path, bytes, mode: 0o644)
            }
        } catch {
            Console.complain("\(path): \(error.words)")
            return .inputOutput
        }
        Console.complain(
            "\(Plural.text(answer.document["packets"]?.integer ?? 0, "packet")) in \(path)")
        return .ok
    }
}
