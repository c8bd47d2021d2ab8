import Base
import Glibc
import Platform
import Synchronization

/// One thread of a test, with an answer that is waited for.
final class Running<Answer: Sendable>: @unchecked Sendable {
    private final class Job: @unchecked Sendable {
        let body: @Sendable () -> Answer
        var answer: Answer?
        init(_ body: @escaping @Sendable () -> Answer) { self.body = body }
    }

    private let job: Job
    private var thread = pthread_t()

    init(_ body: @escaping @Sendable () -> Answer) {
        job = Job(body)
        let entry: AnyWork = AnyWork { [job] in job.answer = job.body() }
        pthread_create(
            &thread, nil,
            { raw in
                Unmanaged<AnyWork>.fromOpaque(raw!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(entry).toOpaque())
    }

    /// Once only.
    func join() -> Answer {
        pthread_join(thread, nil)
        return job.answer!
    }
}

private final class AnyWork {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
}

/// Every wait in these tests ends after this long at the latest, and the test fails.
let patience: Int32 = 10_000

func waitReady(_ descriptor: Int32, _ wants: Link.Wants, milliseconds: Int32 = patience) -> Bool {
    var socket = pollfd(
        fd: descriptor, events: Int16(wants == .read ? POLLIN : POLLOUT), revents: 0)
    return poll(&socket, 1, milliseconds) == 1
}

func acceptOne(_ listener: Listener) -> Link? {
    for _ in 0..<100 {
        switch listener.accept() {
        case .link(let link): return link
        case .wouldBlock: guard waitReady(listener.descriptor, .read) else { return nil }
        case .failed: return nil
        }
    }
    return nil
}

enum Arrival: Equatable {
    case bytes([UInt8])
    case closed
    case failed(LinkFailure)
    case silence
}

/// Reads until `count` bytes are there or the link ends.
func receive(_ link: Link, _ count: Int) -> Arrival {
    var bytes: [UInt8] = []
    while bytes.count < count {
        switch link.read(max: count - bytes.count) {
        case .bytes(let more): bytes += more
        case .wouldBlock(let wants):
            guard waitReady(link.descriptor, wants) else { return .silence }
        case .closed: return .closed
        case .failed(let failure): return .failed(failure)
        }
    }
    return .bytes(bytes)
}

/// Writes everything; nil if all of it was taken.
func send(_ link: Link, _ bytes: [UInt8], chunk: Int = .max) -> Arrival? {
    var rest = bytes[...]
    while !rest.isEmpty {
        switch link.write(rest.prefix(chunk)) {
        case .wrote(let count): rest = rest.dropFirst(count)
        case .wouldBlock(let wants):
            guard waitReady(link.descriptor, wants) else { return .silence }
        case .closed: return .closed
        case .failed(let failure): return .failed(failure)
        }
    }
    return nil
}

/// A server for one connection that sends back `count` bytes and then waits for the client's end.
func echoOnce(_ listener: Listener, count: Int) -> Running<Arrival> {
    Running {
        guard let link = acceptOne(listener) else { return .silence }
        let first = receive(link, count)
        guard case .bytes(let bytes) = first else { return first }
        if let problem = send(link, bytes) { return problem }
        return receive(link, 1)
    }
}

/// Bytes that differ at every place of a long transfer.
func pattern(_ count: Int) -> [UInt8] {
    var random = RandomSource(seed: 7)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count { bytes.appendLittle(random.next()) }
    return Array(bytes.prefix(count))
}

/// IPv4 and IPv6 sockets that this process has open. Only the suites under `Network` open any.
func internetSockets() -> Int {
    (0..<Int32(1024)).count { descriptor in
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let code = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &length)
            }
        }
        return code == 0
            && (Int32(storage.ss_family) == AF_INET || Int32(storage.ss_family) == AF_INET6)
    }
}

/// A fresh directory for the files of one test.
struct CredentialFolder {
    let path: String

    init() {
        var template = Array("/tmp/fieldgw-net-XXXXXX".utf8CString)
        path = mkdtemp(&template).map { String(cString: $0) } ?? "/nonexistent"
    }

    func write(_ name: String, _ text: String, mode: mode_t = 0o600) -> String {
        write(name, bytes: Array(text.utf8), mode: mode)
    }

    func write(_ name: String, bytes: [UInt8], mode: mode_t = 0o600) -> String {
        let file = "\(path)/\(name)"
        let descriptor = open(file, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0o600)
        _ = Glibc.write(descriptor, bytes, bytes.count)
        fchmod(descriptor, mode)
        close(descriptor)
        return file
    }

    /// For a `defer` right behind its making.
    func remove() { _ = shell("rm -rf \(path)") }
}

/// Runs a command; nil unless it succeeded.
func shell(_ command: String) -> String? {
    guard let pipe = popen(command + " 2>/dev/null", "r") else { return nil }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = fread(&chunk, 1, chunk.count, pipe)
        if count == 0 { break }
        bytes += chunk[..<count]
    }
    return pclose(pipe) == 0 ? String(decoding: bytes, as: UTF8.self) : nil
}

/// The error a credential was refused with.
func refusal(_ body: () throws -> Void) -> CredentialError? {
    do {
        try body()
        return nil
    } catch {
        return error as? CredentialError
    }
}

func monotonicMilliseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}
