import Base
import CLinux
import Glibc

extension SystemFailure {
    /// A file of another kind is where the control socket should be.
    package var isNoSocket: Bool { code == ENOTSOCK }
}

/// The command line's side of the control socket: asks and waits, each wait with a limit.
package final class ControlClient {
    /// The longest answer that is taken.
    package static let answerMax = 16 << 20

    private let socket: OwnedFD
    private let path: String
    private var received: [UInt8] = []
    /// Where to look for the next newline: what lies before has been searched.
    private var searched = 0

    /// Connects. ENOENT: no such socket; ENOTSOCK: a file of another kind; ECONNREFUSED: nobody
    /// listens, the daemon is not running.
    package init(path: String) throws(SystemFailure) {
        guard let address = UnixAddress(path) else {
            throw SystemFailure("connect", path, code: ENAMETOOLONG)
        }
        let socket = try unixStreamSocket()
        let number = socket.number
        do {
            try checked("connect", path) { address.withSocketAddress { connect(number, $0, $1) } }
        } catch {
            let isFile = error.code == ECONNREFUSED && !ControlSocket.isSocket(path)
            throw isFile ? SystemFailure("connect", path, code: ENOTSOCK) : error
        }
        self.socket = socket
        self.path = path
    }

    /// Watch it for reading.
    package var descriptor: Int32 { socket.number }

    /// One request; the newline is added here.
    package func send(_ line: [UInt8], within limit: Duration = .seconds(5)) throws(SystemFailure) {
        let due = Clock.instant + limit
        let bytes = line + [0x0A]
        let number = socket.number
        var done = 0
        while done < bytes.count {
            let count = retrying {
                bytes.withUnsafeBytes {
                    Glibc.send(
                        number, $0.baseAddress.map { $0 + done }, $0.count - done,
                        Int32(MSG_NOSIGNAL))
                }
            }
            if count >= 0 {
                done += count
            } else if errno == EAGAIN {
                try wait(POLLOUT, until: due)
            } else {
                let code = errno
                // Turned away before it has asked: the reason can still be read.
                if code == EPIPE, takeWhatIsThere() { return }
                throw SystemFailure("send", path, code: code)
            }
        }
    }

    private func takeWhatIsThere() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 4096)
        let count = retrying { recv(socket.number, &chunk, chunk.count, Int32(MSG_DONTWAIT)) }
        received += chunk[..<max(count, 0)]
        return count > 0
    }

    /// The next line without its newline; nil when the daemon has closed. ETIMEDOUT after `limit`.
    package func receive(within limit: Duration = .seconds(5)) throws(SystemFailure) -> [UInt8]? {
        let due = Clock.instant + limit
        let number = socket.number
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            if let end = received[searched...].firstIndex(of: 0x0A) {
                let line = Array(received[..<end])
                received.removeFirst(end + 1)
                searched = 0
                return line
            }
            searched = received.count
            guard searched <= Self.answerMax else {
                throw SystemFailure("recv", path, code: EMSGSIZE)
            }
            let count = retrying { recv(number, &chunk, chunk.count, 0) }
            if count > 0 {
                received += chunk[..<count]
            } else if count == 0 {
                return nil
            } else if errno == EAGAIN {
                try wait(POLLIN, until: due)
            } else {
                throw SystemFailure("recv", path, code: errno)
            }
        }
    }

    /// Connects, asks once and closes. A daemon that closes without an answer is ECONNRESET.
    package static func ask(
        _ path: String, _ line: [UInt8], within limit: Duration = .seconds(5)
    ) throws(SystemFailure) -> [UInt8] {
        let client = try ControlClient(path: path)
        try client.send(line, within: limit)
        guard let answer = try client.receive(within: limit) else {
            throw SystemFailure("recv", path, code: ECONNRESET)
        }
        return answer
    }

    /// Why the gateway could not be asked, what to do about it, and the exit code for it.
    package static func complaint(
        _ failure: SystemFailure, _ path: String
    ) -> (words: String, code: ExitCode) {
        let elsewhere = "--config FILE or --control SOCKET says where its socket is"
        return switch failure.code {
        case EACCES, EPERM:
            (
                "\(path): \(failure.words): you may not talk to this gateway; its user, its group and root may",
                .noPermission
            )
        case ENOTSOCK:
            (
                "\(path): a file is there that is no socket, so no gateway answers; \(elsewhere)",
                .unavailable
            )
        case ENOENT, ECONNREFUSED:
            ("\(path): \(failure.words); is the gateway running? \(elsewhere)", .unavailable)
        default: ("\(path): \(failure.words); \(elsewhere)", .unavailable)
        }
    }

    private func wait(_ events: Int32, until due: Instant) throws(SystemFailure) {
        let number = socket.number
        let answer = try checked("poll", path) {
            clinux_poll_ns(number, Int16(events), Instant.wait(until: due, from: Clock.instant))
        }
        guard answer != 0 else { throw SystemFailure("poll", path, code: ETIMEDOUT) }
    }
}
