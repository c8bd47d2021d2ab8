import Base
import CLinux
import Glibc

/// The daemon's side of the control socket: lines of JSON over a Unix stream socket that the owner
/// and the group may open (0660). Lives on the loop's thread, which calls `timeout` when `deadline`
/// says.
///
/// - A connection's requests are begun one after the other, at most one a turn of the loop.
/// - A client without a whole request for `idleLimit` is closed, and so is one that takes nothing
///   of its answer for as long. One that waits for an answer is not idle.
/// - The last place is for root and the owner.
package final class ControlSocket {
    package static let clientsMax = 16
    package static let lineMax = 64 << 10
    /// Answers a client may leave unread before it is dropped.
    package static let unreadMax = 4 << 20
    package static let idleLimit = Duration.seconds(10)

    package struct Client: Hashable, Sendable {
        /// Never given to a second connection.
        package let number: Int
        /// User id of the client, from the kernel (SO_PEERCRED).
        package let userID: UInt32
        /// Process id of the client, from the kernel (SO_PEERCRED).
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
        var received = LineBuffer()
        var unsent: [UInt8] = []
        var sent = 0
        /// Requests that are open: answered not at all, or with more to come.
        var unanswered = 0
        /// The last request has had no answer yet.
        var isAsked = false
        /// The client has shut down its side, as `nc -N` does; it still reads.
        var hasEnded = false
        /// Close once everything is sent.
        var isClosing = false
        /// When it last asked, was answered or took something.
        var lastMove: Instant

        init(_ descriptor: consuming OwnedFD, _ client: Client, at now: Instant) {
            self.descriptor = descriptor
            self.client = client
            lastMove = now
        }

        var hasUnsent: Bool { sent < unsent.count }

        /// Until when it must have moved; nil while it waits for us.
        var due: Instant? { unanswered > 0 && !hasUnsent ? nil : lastMove + idleLimit }
    }

    package let path: String
    private let loop: EventLoop
    private let handler: (Event) -> Void
    private let clock: () -> Instant
    private let isPrivileged: (UInt32) -> Bool
    private let listener: OwnedFD
    private var watch: EventLoop.Watch?
    private var connections: [Int: Connection] = [:]
    private var nextID = 1
    /// Given up for a moment when the process has no descriptors left, to turn a client away.
    private var spare: DescriptorParcel?

    /// Binds and listens. A socket file that nobody answers on is replaced; one that answers is
    /// EADDRINUSE, and a file that is no socket is ENOTSOCK.
    ///
    /// - Parameter isPrivileged: whether this user may take the last place.
    package init(
        path: String, on loop: EventLoop, clock: @escaping () -> Instant = { Clock.instant },
        isPrivileged: @escaping (UInt32) -> Bool = { $0 == 0 || $0 == geteuid() },
        _ handler: @escaping (Event) -> Void
    ) throws(SystemFailure) {
        self.path = path
        self.loop = loop
        self.clock = clock
        self.isPrivileged = isPrivileged
        self.handler = handler
        listener = try Self.bound(path)
        spare = Self.makeSpare()
        watch = try loop.watch(listener.number, .read) { [weak self] _ in self?.accept() }
    }

    deinit { shutdown() }

    package var clientCount: Int { connections.count }

    /// When the next client has been idle for too long.
    package var deadline: Instant? {
        connections.isEmpty ? nil : connections.values.lazy.compactMap(\.due).min()
    }

    /// Closes the clients that have been idle for too long.
    package func timeout(at now: Instant) {
        for connection in Array(connections.values) where connection.due.map({ $0 <= now }) ?? false
        {
            close(connection)
        }
    }

    /// One line to a client; the newline is added here. With `more` the request stays open for
    /// further lines. A client that is gone is ignored.
    package func answer(_ client: Client, _ line: [UInt8], more: Bool = false) {
        guard let connection = connections[client.number], !connection.isClosing else { return }
        guard connection.unsent.count - connection.sent + line.count < Self.unreadMax else {
            return close(connection)
        }
        if !more, connection.unanswered > 0 { connection.unanswered -= 1 }
        connection.isAsked = false
        connection.lastMove = clock()
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
        guard let address = UnixAddress(path) else { throw tooLong(path) }
        let socket = try unixStreamSocket()
        let number = socket.number
        do {
            try checked("bind", path) { address.withSocketAddress { Glibc.bind(number, $0, $1) } }
        } catch {
            guard error.code == EADDRINUSE, isSocket(path) else {
                throw error.code == EADDRINUSE ? SystemFailure("bind", path, code: ENOTSOCK) : error
            }
            guard isStale(address) else { throw error }
            unlink(path)
            try checked("bind", path) { address.withSocketAddress { Glibc.bind(number, $0, $1) } }
        }
        // Nobody can connect before listen, so there is no moment with the wrong mode.
        try checked("chmod", path) { chmod(path, 0o660) }
        try checked("listen", path) { listen(number, Int32(clientsMax)) }
        return socket
    }

    /// The advice for a socket that could not be opened.
    package static func advice(_ failure: SystemFailure, _ path: String) -> String {
        switch failure.code {
        case EADDRINUSE: "another gateway answers on it"
        case ENOTSOCK:
            "\(path) is there and is no socket; remove it or choose another path with `control` or `state`"
        default: "\(failure.words); choose another path with `control` or `state`"
        }
    }

    /// Why no socket can be made there, as far as one look tells; nil if nothing stands in the way.
    package static func hindrance(_ path: String) -> String? {
        if UnixAddress(path) == nil { return advice(tooLong(path), path) }
        return isSocket(path) ? nil : advice(SystemFailure("bind", path, code: ENOTSOCK), path)
    }

    private static func tooLong(_ path: String) -> SystemFailure {
        SystemFailure(
            "bind", path, code: ENAMETOOLONG,
            "\(path.utf8.count) bytes, and \(UnixAddress.lengthMax) are allowed")
    }

    static func isSocket(_ path: String) -> Bool {
        var status = stat()
        // A name in the abstract space is no file, and always a socket; a link that leads nowhere
        // is none.
        guard stat(path, &status) == 0 else { return lstat(path, &status) != 0 }
        return status.st_mode & S_IFMT == S_IFSOCK
    }

    private static func isStale(_ address: UnixAddress) -> Bool {
        guard let probe = try? unixStreamSocket() else { return false }
        let number = probe.number
        return address.withSocketAddress { connect(number, $0, $1) } != 0 && errno == ECONNREFUSED
    }

    private static func makeSpare() -> DescriptorParcel? {
        guard
            let descriptor = try? OwnedFD(
                "open", "", { clinux_open("/dev/null", O_RDONLY | O_CLOEXEC, 0) })
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
        var processID: pid_t = 0
        var userID: uid_t = 0
        var groupID: gid_t = 0
        guard clinux_peer_credentials(descriptor.number, &processID, &userID, &groupID) == 0 else {
            return
        }
        let places = isPrivileged(userID) ? Self.clientsMax : Self.clientsMax - 1
        guard connections.count < places else {
            let refusal = Array("{\"error\":\"too many clients\",\"kind\":\"unavailable\"}\n".utf8)
            _ = retrying {
                Glibc.send(descriptor.number, refusal, refusal.count, Int32(MSG_NOSIGNAL))
            }
            return
        }
        let client = Client(number: nextID, userID: userID, processID: processID)
        nextID += 1
        let connection = Connection(descriptor, client, at: clock())
        let number = connection.descriptor.number
        connection.watch = try? loop.watch(number, .read) { [weak self, weak connection] ready in
            if let connection { self?.ready(connection, ready) }
        }
        guard connection.watch != nil else { return }
        connections[client.number] = connection
    }

    private func ready(_ connection: Connection, _ ready: EventLoop.Ready) {
        if ready.isWritable {
            send(connection)
            takeLine(connection)
        } else if ready.isReadable {
            receive(connection)
        }
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
        if count == 0 { connection.hasEnded = true }
        connection.received.append(chunk[..<count])
        takeLine(connection)
    }

    /// Begins the next request, unless the one before has no answer yet or it has not been taken.
    private func takeLine(_ connection: Connection) {
        guard connections[connection.client.number] === connection, !connection.isClosing else {
            return
        }
        guard !connection.isAsked, !connection.hasUnsent else { return settle(connection) }
        var line = connection.received.next()
        // A client that ends its side behind a request has asked it, with a newline or without.
        if line == nil, connection.hasEnded, connection.received.count > 0 {
            line = connection.received.rest()
        }
        if let line, line.count <= Self.lineMax {
            connection.lastMove = clock()
            connection.unanswered += 1
            connection.isAsked = true
            handler(.line(connection.client, line))
        } else if line != nil || connection.received.count > Self.lineMax {
            answer(
                connection.client,
                Array("{\"error\":\"the line is longer than 64 KiB\",\"kind\":\"usage\"}".utf8))
            return close(connection.client)
        }
        guard connections[connection.client.number] === connection else { return }
        settle(connection)
    }

    private func send(_ connection: Connection) {
        while connection.hasUnsent {
            let count = retrying {
                connection.unsent[connection.sent...].withUnsafeBytes {
                    Glibc.send(
                        connection.descriptor.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
            }
            if count < 0 {
                if errno == EAGAIN { break }
                return close(connection)
            }
            connection.sent += count
            connection.lastMove = clock()
        }
        if !connection.hasUnsent {
            connection.unsent = []
            connection.sent = 0
        }
        settle(connection)
    }

    /// Watches for what can still happen, or closes when nothing can.
    private func settle(_ connection: Connection) {
        let hasLine =
            connection.received.hasLine() || connection.hasEnded && connection.received.count > 0
        let isDone =
            connection.isClosing || (connection.hasEnded && connection.unanswered == 0 && !hasLine)
        if isDone, !connection.hasUnsent { return close(connection) }
        // A client that does not read its answers may not ask on. The next of several requests has
        // its turn when the loop has been around: a socket with room is writable at once.
        let interest: EventLoop.Interest =
            connection.hasUnsent || hasLine && !connection.isAsked && !connection.isClosing
            ? .write : hasLine || connection.hasEnded || connection.isClosing ? .none : .read
        if let watch = connection.watch { try? loop.change(watch, interest) }
    }

    private func close(_ connection: Connection) {
        guard connections.removeValue(forKey: connection.client.number) != nil else { return }
        if let watch = connection.watch { loop.remove(watch) }
        handler(.closed(connection.client))
    }
}
