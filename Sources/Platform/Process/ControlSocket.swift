import Base
import CLinux
import Glibc

/// The daemon's side of the control socket: lines of JSON over a Unix stream socket that the owner
/// and the group may open (0660). Lives on the loop's thread.
package final class ControlSocket {
    package static let clientsMax = 16
    package static let lineMax = 64 << 10
    /// Answers a client may leave unread before it is dropped.
    package static let unreadMax = 4 << 20

    package struct Client: Hashable, Sendable {
        /// Never given to a second connection.
        package let number: Int
        /// Who connected, from the kernel (SO_PEERCRED).
        package let userID: UInt32
        package let processID: Int32
    }

    package enum Event: Sendable {
        /// One request without its newline. Answer every one, also with an error.
        case line(Client, [UInt8])
        /// The client is gone: stop streaming to it.
        case closed(Client)
    }

    private final class Connection {
        let descriptor: OwnedFD
        let client: Client
        var watch: EventLoop.Watch?
        var received: [UInt8] = []
        var unsent: [UInt8] = []
        var sent = 0
        var unanswered = 0
        /// The client has shut down its side, as `nc -N` does; it still reads.
        var hasEnded = false
        /// Close once everything is sent.
        var isClosing = false

        init(_ descriptor: consuming OwnedFD, _ client: Client) {
            self.descriptor = descriptor
            self.client = client
        }

        var hasUnsent: Bool { sent < unsent.count }
    }

    package let path: String
    private let loop: EventLoop
    private let handler: (Event) -> Void
    private let listener: OwnedFD
    private var watch: EventLoop.Watch?
    private var connections: [Int: Connection] = [:]
    private var nextID = 1
    /// Given up for a moment when the process has no descriptors left, to turn a client away.
    private var spare: DescriptorParcel?

    /// Binds and listens. A socket file that nobody answers on is replaced; one that answers is EADDRINUSE.
    package init(
        path: String, on loop: EventLoop, _ handler: @escaping (Event) -> Void
    ) throws(SystemFailure) {
        self.path = path
        self.loop = loop
        self.handler = handler
        listener = try Self.bound(path)
        spare = Self.makeSpare()
        watch = try loop.watch(listener.number, .read) { [weak self] _ in self?.accept() }
    }

    deinit { shutdown() }

    package var clientCount: Int { connections.count }

    /// One line to a client; the newline is added here. With `more` the request stays open for further
    /// lines. A client that is gone is ignored.
    package func answer(_ client: Client, _ line: [UInt8], more: Bool = false) {
        guard let connection = connections[client.number], !connection.isClosing else { return }
        guard connection.unsent.count - connection.sent + line.count < Self.unreadMax else {
            return close(connection)
        }
        if !more, connection.unanswered > 0 { connection.unanswered -= 1 }
        connection.unsent += line
        connection.unsent.append(0x0A)
        send(connection)
    }

    /// Closes after what was answered is sent.
    package func close(_ client: Client) {
        guard let connection = connections[client.number] else { return }
        connection.isClosing = true
        send(connection)
    }

    /// Removes the socket file and closes every connection.
    package func shutdown() {
        guard let watch else { return }
        loop.remove(watch)
        self.watch = nil
        for connection in connections.values {
            if let watch = connection.watch { loop.remove(watch) }
        }
        connections.removeAll()
        unlink(path)
    }

    private static func bound(_ path: String) throws(SystemFailure) -> OwnedFD {
        guard let address = UnixAddress(path) else { throw SystemFailure("bind", path, code: ENAMETOOLONG) }
        let socket = try unixStreamSocket()
        let number = socket.number
        do {
            try checked("bind", path) { address.withSocketAddress { Glibc.bind(number, $0, $1) } }
        } catch {
            guard error.code == EADDRINUSE, isStale(address) else { throw error }
            unlink(path)
            try checked("bind", path) { address.withSocketAddress { Glibc.bind(number, $0, $1) } }
        }
        // Nobody can connect before listen, so there is no moment with the wrong mode.
        try checked("chmod", path) { chmod(path, 0o660) }
        try checked("listen", path) { listen(number, Int32(clientsMax)) }
        return socket
    }

    private static func isStale(_ address: UnixAddress) -> Bool {
        var status = stat()
        guard stat(address.text, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK,
            let probe = try? unixStreamSocket()
        else { return false }
        let number = probe.number
        return address.withSocketAddress { connect(number, $0, $1) } != 0 && errno == ECONNREFUSED
    }

    private static func makeSpare() -> DescriptorParcel? {
        guard let descriptor = try? OwnedFD("open", "", { clinux_open("/dev/null", O_RDONLY | O_CLOEXEC, 0) })
        else { return nil }
        return DescriptorParcel(descriptor)
    }

    private func accept() {
        // The listen queue's length bounds one turn.
        for _ in 0..<Self.clientsMax {
            let flags = Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
            var number = retrying { clinux_accept(listener.number, flags) }
            if number < 0, errno == EMFILE || errno == ENFILE {
                spare = nil
                number = retrying { clinux_accept(listener.number, flags) }
                if number >= 0 { Glibc.close(number) }
                spare = Self.makeSpare()
                continue
            }
            guard number >= 0, let descriptor = try? OwnedFD(adopting: number) else { return }
            admit(descriptor)
        }
    }

    private func admit(_ descriptor: consuming OwnedFD) {
        guard connections.count < Self.clientsMax else {
            let refusal = Array("{\"error\":\"too many clients\"}\n".utf8)
            _ = retrying { Glibc.send(descriptor.number, refusal, refusal.count, Int32(MSG_NOSIGNAL)) }
            return
        }
        var processID: pid_t = 0
        var userID: uid_t = 0
        var groupID: gid_t = 0
        guard clinux_peer_credentials(descriptor.number, &processID, &userID, &groupID) == 0 else { return }
        let client = Client(number: nextID, userID: userID, processID: processID)
        nextID += 1
        let connection = Connection(descriptor, client)
        let number = connection.descriptor.number
        connection.watch = try? loop.watch(number, .read) { [weak self, weak connection] ready in
            if let connection { self?.ready(connection, ready) }
        }
        guard connection.watch != nil else { return }
        connections[client.number] = connection
    }

    private func ready(_ connection: Connection, _ ready: EventLoop.Ready) {
        if ready.isWritable { send(connection) }
        if ready.isReadable { receive(connection) }
        if ready.isHungUp, !ready.isReadable { close(connection) }
    }

    private func receive(_ connection: Connection) {
        guard !connection.hasEnded, !connection.isClosing else { return }
        var chunk = [UInt8](repeating: 0, count: 16384)
        let count = retrying { recv(connection.descriptor.number, &chunk, chunk.count, 0) }
        if count < 0 {
            if errno != EAGAIN { close(connection) }
            return
        }
        if count == 0 {
            connection.hasEnded = true
            // The end of a half-closed connection ends its last line too, as `printf '{"get":"status"}' | nc -N` means.
            if !connection.received.isEmpty {
                let line = connection.received
                connection.received = []
                connection.unanswered += 1
                handler(.line(connection.client, line))
                guard connections[connection.client.number] != nil, !connection.isClosing else { return }
            }
            return settle(connection)
        }
        connection.received += chunk[..<count]
        var start = 0
        while let end = connection.received[start...].firstIndex(of: 0x0A) {
            let line = Array(connection.received[start..<end])
            start = end + 1
            connection.unanswered += 1
            handler(.line(connection.client, line))
            guard connections[connection.client.number] != nil, !connection.isClosing else { return }
        }
        connection.received.removeFirst(start)
        if connection.received.count > Self.lineMax {
            connection.received = []
            answer(connection.client, Array("{\"error\":\"the line is longer than 64 KiB\"}".utf8))
            close(connection.client)
        }
    }

    private func send(_ connection: Connection) {
        while connection.hasUnsent {
            let count = retrying {
                connection.unsent[connection.sent...].withUnsafeBytes {
                    Glibc.send(connection.descriptor.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
            }
            if count < 0 {
                if errno == EAGAIN { break }
                return close(connection)
            }
            connection.sent += count
        }
        if !connection.hasUnsent {
            connection.unsent = []
            connection.sent = 0
        }
        settle(connection)
    }

    /// Watches for what can still happen, or closes when nothing can.
    private func settle(_ connection: Connection) {
        let isDone = connection.isClosing || (connection.hasEnded && connection.unanswered == 0)
        if isDone, !connection.hasUnsent { return close(connection) }
        // A client that does not read its answers may not ask on.
        let interest: EventLoop.Interest = connection.hasUnsent ? .write
            : !connection.hasEnded && !connection.isClosing ? .read : .none
        if let watch = connection.watch { try? loop.change(watch, interest) }
    }

    private func close(_ connection: Connection) {
        guard connections.removeValue(forKey: connection.client.number) != nil else { return }
        if let watch = connection.watch { loop.remove(watch) }
        handler(.closed(connection.client))
    }
}
