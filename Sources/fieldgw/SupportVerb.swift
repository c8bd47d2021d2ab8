import Base
import Gateway
import Platform

/// One archive with what somebody needs who is to help.
enum SupportVerb {
    static let verb = Verb(
        "support", "[FILE.tar]",
        summary: "collect what somebody needs who is to help, without secrets, in one archive",
        details: """
            Of a running gateway its status, last values, metrics and the latest traffic of every
            port; of the machine its serial ports and figures; of --config FILE what `check` says
            and the file itself, without comments and with *** in place of passwords, tokens,
            proxies and keys. Values of sensors and names of hosts are in it: look before you send
            it. Default FILE: fieldgw-support.tar.
            """,
        options: Daemon.options
    ) { arguments in
        guard arguments.positional.count <= 1 else {
            throw Arguments.Misuse(message: "one FILE at most")
        }
        let path = arguments.positional.first ?? "fieldgw-support.tar"
        var archive = SupportArchive()
        archive.add("version.txt", "fieldgw \(Version.text)\n")
        archive.addMachine()
        if let file = arguments["config"] { archive.addConfiguration(file) }
        archive.addGateway(try? Daemon(arguments))
        do throws(SystemFailure) {
            try FileSystem.create(path, archive.finished(), mode: 0o600)
        } catch {
            Console.complain("\(path): \(error.words)")
            return .inputOutput
        }
        for name in archive.names { Console.say(name) }
        Console.complain("\(Plural.text(archive.names.count, "file")) in \(path)")
        return .ok
    }
}

/// Files of the archive as they are collected.
private struct SupportArchive {
    private static let folder = "fieldgw-support/"

    private var tar = TarWriter()
    private(set) var names: [String] = []
    private let time = Clock.now().wall.seconds

    mutating func add(_ name: String, _ text: String) { add(name, Array(text.utf8)) }

    mutating func add(_ name: String, _ bytes: [UInt8]) {
        tar.add(Self.folder + name, bytes, time: time)
        names.append(name)
    }

    func finished() -> [UInt8] {
        var tar = tar
        tar.finish()
        return tar.bytes
    }

    mutating func addMachine() {
        let ports = SerialPorts.reports().map { port in
            "\(port.entry.path)  \(port.entry.driver)  \(port.entry.product)\n"
                + port.warnings.map { "    \($0.message); \($0.cure)\n" }.joined()
        }
        add("ports.txt", ports.joined())
        for name in ["loadavg", "meminfo", "uptime", "version", "cpuinfo"] {
            if let text = try? FileSystem.text("/proc/\(name)") {
                add("machine/\(name)", text + "\n")
            }
        }
        if let text = try? FileSystem.text("/etc/os-release") { add("machine/os-release", text) }
    }

    mutating func addConfiguration(_ path: String) {
        guard let bytes = try? FileSystem.read(path) else {
            return add("check.txt", "\(path) cannot be read\n")
        }
        let found = ConfigurationFile.examine(bytes, path, loadsFiles: true, for: .check)
        add("check.txt", found.diagnostics.map { $0.description + "\n" }.joined())
        guard let document = ConfigurationFile.document(bytes, path).root else { return }
        add("configuration.json", PrintedConfiguration.text(document, isStrict: true) + "\n")
    }

    mutating func addGateway(_ daemon: Daemon?) {
        guard let daemon else { return add("status.txt", "no gateway was asked\n") }
        let status: Daemon.Answer
        do throws(Daemon.Failure) {
            status = try daemon.answer("{\"get\":\"status\"}")
        } catch {
            return add("status.txt", error.words + "\n")
        }
        add("status.json", status.bytes + [0x0A])
        if let values = try? daemon.valuesText(of: nil) { add("values.json", values + [0x0A]) }
        if let metrics = try? daemon.ask("{\"get\":\"metrics\"}", within: .seconds(10)).document[
            "metrics"]?.string
        {
            add("metrics.txt", metrics.string)
        }
        for port in status.document["ports"]?.members ?? [] {
            let answer = try? daemon.ask { writer in
                writer.member("get", "pcap")
                writer.member("port", port.name)
            }
            if let bytes = (answer?.document["pcap"]?.string).flatMap({ Base64.decode($0.string) })
            {
                add("\(port.name.string.filter { $0 != "/" }).pcap", bytes)
            }
        }
    }
}
