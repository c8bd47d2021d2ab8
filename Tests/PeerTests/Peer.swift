import Base
import Foundation
import Glibc
import Platform

/// A real program beside ours: started by a test, ended by its pid, its output read line by line.
/// Every wait has a limit, so a peer that says nothing fails its test instead of hanging it.
final class Peer {
    static let patience: Duration = .seconds(30)

    private let process: ChildProcess
    private let output: OwnedFD?
    private let errors: OwnedFD?
    private var buffered: [UInt8] = []
    private var complained: [UInt8] = []
    /// Where what it complains about goes if nobody reads it meanwhile.
    private let log: String?
    private var complaints: [UInt8] = []

    /// - Parameter quiet: its output is dropped and its errors go to a file, so that it may say
    ///   much while nobody listens.
    init(
        _ program: String, _ arguments: [String], environment: [String]? = nil, quiet: Bool = false
    ) throws {
        guard !quiet else {
            let file = FileManager.default.temporaryDirectory
                .appendingPathComponent("fieldgw-peer-\(UUID().uuidString.prefix(8)).log").path
            log = file
            process = try ChildProcess(
                "/bin/sh", ["-c", "exec \"$0\" \"$@\" 2>'\(file)'", program] + arguments,
                environment: environment,
                output: .discard, errors: .discard)
            output = nil
            errors = nil
            return
        }
        log = nil
        process = try ChildProcess(
            program, arguments, environment: environment, output: .pipe, errors: .pipe)
        output = process.takeOutput()
        errors = process.takeErrors()
    }

    var processID: Int32 { process.processID }

    /// The next line of standard output; nil at its end or when the peer says nothing for so long.
    func line(within limit: Duration = patience) -> String? {
        while true {
            if let end = buffered.firstIndex(of: 0x0A) {
                defer { buffered.removeSubrange(...end) }
                return String(decoding: buffered[..<end], as: UTF8.self)
            }
            guard let more = Self.read(output, within: limit), !more.isEmpty else { return nil }
            buffered += more
        }
    }

    /// The next line of standard error, likewise.
    func complaint() -> String? {
        while true {
            if let end = complained.firstIndex(of: 0x0A) {
                defer { complained.removeSubrange(...end) }
                return String(decoding: complained[..<end], as: UTF8.self)
            }
            guard let more = Self.read(errors), !more.isEmpty else { return nil }
            complained += more
        }
    }

    /// Lines until one satisfies the test; nil if the peer ends or falls silent first.
    func line(where wanted: (String) -> Bool) -> String? {
        while let next = line() { if wanted(next) { return next } }
        return nil
    }

    /// Lines of standard error until one satisfies the test; nil if there is none in time.
    func complaint(where wanted: (String) -> Bool) -> String? {
        while true {
            while let end = complaints.firstIndex(of: 0x0A) {
                let line = String(decoding: complaints[..<end], as: UTF8.self)
                complaints.removeSubrange(...end)
                if wanted(line) { return line }
            }
            guard let more = Self.read(errors), !more.isEmpty else { return nil }
            complaints += more
        }
    }

    /// Waits for its end: exit code, standard output and standard error.
    func finish() -> (code: Int32, output: String, errors: String) {
        while let more = Self.read(output), !more.isEmpty { buffered += more }
        while let more = Self.read(errors), !more.isEmpty { complaints += more }
        return (
            Self.code(process.wait(within: Self.patience)),
            String(decoding: buffered, as: UTF8.self),
            String(decoding: complaints, as: UTF8.self)
        )
    }

    /// SIGHUP: read the configuration again.
    func hangUp() { process.send(SIGHUP) }

    func signal(_ number: Int32) { process.send(number) }

    /// Whether it has ended by itself.
    var hasEnded: Bool { process.poll() != nil }

    /// SIGTERM, and its exit code; -1 if it does not end.
    @discardableResult func stop() -> Int32 {
        process.terminate()
        return Self.code(process.wait(within: Self.patience))
    }

    /// SIGTERM for a quiet peer, its exit code and what it had complained about.
    @discardableResult func end() -> (code: Int32, errors: String) {
        let code = stop()
        guard let log else { return (code, "") }
        return (code, (try? String(contentsOfFile: log, encoding: .utf8)) ?? "")
    }

    /// Without a chance to say goodbye.
    func kill() {
        process.kill9()
        _ = process.wait(within: Self.patience)
    }

    deinit {
        if let log { try? FileManager.default.removeItem(atPath: log) }
        process.kill9()
        _ = process.wait(within: Self.patience)
    }

    private static func code(_ exit: ChildProcess.Exit?) -> Int32 {
        switch exit {
        case .code(let code): code
        case .signal(let signal): 128 + signal
        case nil: -1
        }
    }

    /// What is there, waiting for it if nothing is; empty at the end, nil after the patience.
    private static func read(
        _ descriptor: borrowing OwnedFD?, within limit: Duration = patience
    ) -> [UInt8]? {
        let number: Int32
        switch descriptor {
        case .some(let open): number = open.number
        case .none: return []
        }
        var waiting = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, Int32(limit.seconds * 1000)) > 0 else { return nil }
        var chunk = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(number, &chunk, chunk.count)
        return Array(chunk.prefix(max(0, count)))
    }
}

/// Something the test needs is not here: what, and what to install.
struct MissingPeer: Error, CustomStringConvertible {
    var description: String
}

/// A folder of one test's own files, gone afterwards.
final class Workspace {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory
            .appendingPathComponent("fieldgw-peer-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    @discardableResult func write(
        _ name: String, _ text: String, mode: Int = 0o600
    ) throws -> String {
        try text.write(toFile: path(name), atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path(name))
        return path(name)
    }

    deinit { try? FileManager.default.removeItem(at: url) }
}

enum Tools {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func find(_ program: String, package: String) throws -> String {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(
            String.init)
        for folder in folders + ["/usr/sbin", "/sbin"] {
            let path = "\(folder)/\(program)"
            if FileManager.default.isExecutableFile(atPath: path) { return path }
        }
        throw MissingPeer(
            description: "\(program) is missing: apt-get install \(package) (board/test does it)")
    }

    static func python() throws -> String {
        guard let path = ProcessInfo.processInfo.environment["FIELDGW_PYTHON"] else {
            throw MissingPeer(
                description: "FIELDGW_PYTHON is not set: run these tests with board/test, "
                    + "which makes a Python environment with pymodbus")
        }
        return path
    }

    static func fieldgw() throws -> String { try binary("fieldgw") }
    static func fieldsim() throws -> String { try binary("fieldsim") }

    private static func binary(_ name: String) throws -> String {
        let environment = ProcessInfo.processInfo.environment
        let folders =
            [environment["FIELDGW_BINARIES"]].compactMap { $0 }
            + ["release", "debug"].map { root.appendingPathComponent(".build/\($0)").path }
        for folder in folders
        where FileManager.default.isExecutableFile(atPath: "\(folder)/\(name)") {
            return "\(folder)/\(name)"
        }
        throw MissingPeer(
            description: "the \(name) binary is not built: swift build, or run board/test")
    }

    static func peer(_ name: String) -> String {
        root.appendingPathComponent("Tests/PeerTests/peers/\(name)").path
    }

    /// The libmodbus slave, compiled once per test run.
    static func libmodbusSlave(in workspace: Workspace) throws -> String {
        let binary = workspace.path("libmodbus-slave")
        let compiler = try Peer(
            try find("cc", package: "gcc"),
            [
                "-o", binary, peer("libmodbus-slave.c"), "-I/usr/include/modbus", "-lmodbus",
            ])
        let (code, _, errors) = compiler.finish()
        guard code == 0 else {
            throw MissingPeer(
                description: "libmodbus does not compile: apt-get install libmodbus-dev\n\(errors)")
        }
        return binary
    }

    /// Two pseudo-terminals joined by socat: what is written to one end is read from the other.
    static func serialPair(in workspace: Workspace) throws -> (Peer, String, String) {
        let left = workspace.path("line-a")
        let right = workspace.path("line-b")
        let socat = try Peer(
            try find("socat", package: "socat"),
            [
                "-d", "-d", "pty,raw,echo=0,link=\(left)", "pty,raw,echo=0,link=\(right)",
            ])
        try until("socat made its pseudo-terminals") {
            FileManager.default.fileExists(atPath: left)
                && FileManager.default.fileExists(atPath: right)
        }
        return (socat, left, right)
    }

    /// A condition that a peer brings about by itself; asked again every 20 ms, at most 20 s.
    static func until(_ what: String, within seconds: Int = 90, _ holds: () throws -> Bool) throws {
        for _ in 0..<(seconds * 50) {
            if try holds() { return }
            usleep(20_000)
        }
        throw MissingPeer(description: "waited \(seconds) s in vain: \(what)")
    }

    /// Whether somebody listens on this port of the loopback interface.
    static func accepts(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        address.sin_port = UInt16(port).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    /// A TCP port of the loopback interface that nobody uses at this moment.
    static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard bound else { throw MissingPeer(description: "no free TCP port on 127.0.0.1") }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
