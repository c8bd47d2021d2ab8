import Base
import CLinux
import Glibc
import Synchronization

/// A program that this process has started and will wait for.
package final class ChildProcess: Sendable {
    /// Place that a child's stream is connected to.
    package enum Stream: Hashable, Sendable {
        case inherit
        case discard
        /// Readable here through `output` or `errors`.
        case pipe
    }

    package enum Exit: Hashable, Sendable {
        case code(Int32)
        case signal(Int32)
    }

    package let processID: Int32
    private let outputParcel: DescriptorParcel?
    private let errorsParcel: DescriptorParcel?
    /// Readable when the child has ended; nil before Linux 5.3.
    private let ended: DescriptorParcel?
    private let exit = Mutex<Exit?>(nil)

    /// `path` is the program, `arguments` exclude its name. The child starts with standard signal
    /// dispositions, nothing blocked, and no descriptors but 0, 1 and 2.
    package init(
        _ path: String, _ arguments: [String], environment: [String]? = nil,
        output: Stream = .inherit,
        errors: Stream = .inherit
    ) throws(SystemFailure) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        // The parent's ends are kept, the child's ends closed when this initialiser returns.
        let outputEnds = try Self.connect(output, 1, &actions)
        let errorsEnds = try Self.connect(errors, 2, &actions)
        clinux_spawn_close_from(&actions, 3)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var usual = sigset_t()
        sigemptyset(&none)
        sigemptyset(&usual)
        for number in [SIGPIPE, SIGXFSZ, SIGTERM, SIGINT, SIGHUP] { sigaddset(&usual, number) }
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &usual)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF))

        var pid: pid_t = 0
        let words = [path] + arguments
        let variables = environment ?? Self.ownEnvironment
        let code = Self.withCStrings(words) { words in
            Self.withCStrings(variables) { variables in
                posix_spawnp(&pid, path, &actions, &attributes, words, variables)
            }
        }
        guard code == 0 else { throw SystemFailure("spawn", path, code: code) }
        processID = pid
        outputParcel = outputEnds?.parent
        errorsParcel = errorsEnds?.parent
        let number = clinux_pidfd_open(pid)
        ended = number >= 0 ? DescriptorParcel(try OwnedFD(adopting: number)) : nil
        // Held until here: the child's ends must live through the spawn.
        withExtendedLifetime((outputEnds, errorsEnds)) {}
    }

    /// The child's standard output, non-blocking; once.
    package func takeOutput() -> OwnedFD? { outputParcel?.take() }
    package func takeErrors() -> OwnedFD? { errorsParcel?.take() }
    /// A descriptor that becomes readable when the child ends, for the loop; once.
    package func takeEnded() -> OwnedFD? { ended?.take() }

    /// Sends a signal, unless the child has been waited for: then its number may be another's.
    @discardableResult
    package func send(_ signal: Int32) -> Bool {
        exit.withLock { $0 == nil && kill(processID, signal) == 0 }
    }

    package func terminate() { send(SIGTERM) }
    package func kill9() { send(SIGKILL) }

    /// How it ended; nil while it runs. Never waits.
    package func poll() -> Exit? {
        exit.withLock { exit in
            if let exit { return exit }
            var status: Int32 = 0
            guard retrying({ waitpid(processID, &status, WNOHANG) }) == processID else {
                return nil
            }
            let signal = status & 0x7F
            exit = signal == 0 ? .code((status >> 8) & 0xFF) : .signal(signal)
            return exit
        }
    }

    /// Waits for its end, at most for `limit`.
    package func wait(within limit: Duration) -> Exit? {
        let due = Clock.instant + limit
        while true {
            if let exit = poll() { return exit }
            let now = Clock.instant
            if now >= due { return nil }
            // Ten milliseconds are short for a person and cheap for a demo.
            _ = clinux_poll_ns(-1, 0, min(10_000_000, (due - now).nanoseconds))
        }
    }

    private struct Ends {
        let parent: DescriptorParcel?
        let child: DescriptorParcel
    }

    private static func connect(
        _ stream: Stream, _ number: Int32, _ actions: inout posix_spawn_file_actions_t
    ) throws(SystemFailure) -> Ends? {
        switch stream {
        case .inherit:
            return nil
        case .discard:
            posix_spawn_file_actions_addopen(&actions, number, "/dev/null", O_WRONLY, 0)
            return nil
        case .pipe:
            var ends: [Int32] = [-1, -1]
            try checked("pipe2") { clinux_pipe(&ends) }
            let reader = try OwnedFD(adopting: ends[0])
            let writer = try OwnedFD(adopting: ends[1])
            _ = clinux_set_nonblocking(reader.number, 1)
            posix_spawn_file_actions_adddup2(&actions, writer.number, number)
            return Ends(parent: DescriptorParcel(reader), child: DescriptorParcel(writer))
        }
    }

    private static var ownEnvironment: [String] {
        var entries: [String] = []
        var next = clinux_environment()
        while let entry = next?.pointee {
            entries.append(String(cString: entry))
            next = next?.advanced(by: 1)
        }
        return entries
    }

    private static func withCStrings<Value>(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Value
    ) -> Value {
        var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        return body(pointers)
    }
}
