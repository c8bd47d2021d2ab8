import Base
import Gateway
import Platform

/// Where the HTTP door listens.
package struct DoorPlace: Sendable {
    package var address: String
    package var port: Int
    package var tls: ServerContext?
    /// Digests of certificate and key: a renewed one under the same name is another place.
    package var mark: [UInt8]

    package init(address: String, port: Int, tls: ServerContext?, mark: [UInt8]) {
        self.address = address
        self.port = port
        self.tls = tls
        self.mark = mark
    }

    var describe: String { LinkTarget.describe(address, port) }

    func isSame(as other: DoorPlace?) -> Bool {
        address == other?.address && port == other?.port && mark == other?.mark
    }
}

/// A listening socket and its connections: the HTTP door's, or those of a line's server. It carries
/// bytes and bounds what each client may hold.
final class DoorShell {
    private final class Peer {
        let link: Link
        var watch: EventLoop.Watch?
        var interest = EventLoop.Interest.read
        var unsent: [UInt8] = []
        var sent = 0
        /// To be closed when all is out, at that time at the latest.
        var closeDue: Instant?
        /// TLS must read before it can write on: that the socket takes bytes is no news.
        var writeWantsRead = false
        /// The machine is to hear when all is out.
        var owesNews = false

        init(_ link: Link) { self.link = link }

        var hasUnsent: Bool { sent < unsent.count }
    }

    /// More than the machine takes, so that those beyond are told why they are turned away.
    private static let peersMax = 48
    /// A client that has not taken so much is cut.
    private static let unsentMax = 256 << 10
    private static let readsPerTurn = 4
    private static let writesPerTurn = 8
    /// Longest time for the last bytes of a connection that is over.
    private static let lingering = Duration.seconds(3)
    /// Time between two tries to listen, and after a failure to accept.
    private static let retry = Duration.seconds(10)
    private static let breath = Duration.seconds(1)

    /// Longest time that a slice takes, with a margin.
    private static let near = Duration.milliseconds(1)
    private static let heldMost = Duration.milliseconds(5)

    private let loop: EventLoop
    private let deliver: (DoorEvent) -> Void
    private let tell: (Notice) -> Void
    /// Subsystem and subject of its lines in the log.
    private let subsystem: String
    private let subject: String
    private var place: DoorPlace?
    private var listener: Listener?
    private var listenerWatch: EventLoop.Watch?
    private var retryDue: Instant?
    private var complaint = ""
    /// Since when a slice has been held for the lines.
    private var heldSince: Instant?
    private var peers: [ConnectionID: Peer] = [:]
    private var lastConnection: UInt64 = 0
    /// Clients that have taken all, in that order: the machine hears of one in a turn of the loop.
    private var news: [ConnectionID] = []
    /// Clients for which OpenSSL holds bytes that no descriptor reports.
    private var pending: Set<ConnectionID> = []

    init(
        loop: EventLoop, subsystem: String = "door", subject: String = "",
        deliver: @escaping (DoorEvent) -> Void, tell: @escaping (Notice) -> Void
    ) {
        self.loop = loop
        self.subsystem = subsystem
        self.subject = subject
        self.deliver = deliver
        self.tell = tell
    }

    var isOpen: Bool { place != nil }

    /// Something is to be done in the next turn of the loop, whatever the descriptors say.
    var hasPending: Bool { !news.isEmpty || !pending.isEmpty }

    // MARK: Listening

    /// Listens there from now on; nil: nowhere.
    func open(_ new: DoorPlace?) {
        guard new != nil || place != nil, !(new?.isSame(as: place) ?? false) else { return }
        close()
        place = new
        complaint = ""
        if new != nil { listen() }
    }

    private func listen() {
        guard let place, listener == nil else { return }
        do throws(LinkFailure) {
            let listener = try Listener(port: place.port, address: place.address, tls: place.tls)
            self.listener = listener
            retryDue = nil
            watchListener()
            let scheme = subsystem == "door" ? (place.tls == nil ? "http://" : "https://") : ""
            tell(Notice(.info, subsystem, subject, "listening on \(scheme)\(place.describe)"))
        } catch {
            retryDue = Clock.instant + Self.retry
            if complaint != error.message {
                tell(Notice(.warning, subsystem, subject, error.message))
            }
            complaint = error.message
        }
    }

    private func watchListener() {
        guard let listener else { return }
        listenerWatch = try? loop.watch(listener.descriptor, .read) { [unowned self] _ in accept() }
        if listenerWatch == nil { retryDue = Clock.instant + Self.breath }
    }

    /// Closes the socket and every connection.
    func close() {
        for id in peers.keys.sorted() {
            drop(id, orderly: true)
            deliver(.disconnected(id))
        }
        if let listenerWatch { loop.remove(listenerWatch) }
        listenerWatch = nil
        listener?.close()
        listener = nil
        retryDue = nil
        place = nil
    }

    private func accept() {
        for _ in 0..<Self.peersMax {
            switch listener?.accept() {
            case .link(let link): admit(link)
            case .failed:
                // Out of descriptors: the socket stays readable, so it is not looked at for a
                // moment.
                if let listenerWatch { loop.remove(listenerWatch) }
                listenerWatch = nil
                retryDue = Clock.instant + Self.breath
                return
            case .wouldBlock, nil: return
            }
        }
    }

    private func admit(_ link: Link) {
        guard peers.count < Self.peersMax else { return link.close(orderly: false) }
        lastConnection += 1
        let id = ConnectionID(lastConnection)
        let peer = Peer(link)
        peer.watch = try? loop.watch(link.descriptor, .read) { [unowned self] ready in
            self.ready(id, ready)
        }
        guard peer.watch != nil else { return link.close(orderly: false) }
        peers[id] = peer
        let facts = DoorPeer(
            client: link.peer, local: ByteString(link.localAddress ?? ""), isTLS: link.isTLS)
        deliver(.connected(id, facts))
    }

    // MARK: Bytes

    private func ready(_ id: ConnectionID, _ ready: EventLoop.Ready) {
        if ready.isWritable { flush(id) }
        receive(id)
        if peers[id]?.writeWantsRead == true { flush(id) }
        if ready.isHungUp, !ready.isReadable, peers[id] != nil { lose(id) }
    }

    private func receive(_ id: ConnectionID) {
        pending.remove(id)
        for _ in 0..<Self.readsPerTurn {
            guard let peer = peers[id] else { return }
            switch peer.link.read() {
            case .bytes(let bytes):
                if peer.closeDue == nil { deliver(.received(id, bytes)) }
            case .wouldBlock: return settle(id)
            case .closed, .failed: return lose(id)
            }
        }
        if let peer = peers[id], peer.link.hasPending { pending.insert(id) }
        settle(id)
    }

    func send(_ id: ConnectionID, _ bytes: [UInt8]) {
        guard let peer = peers[id], peer.closeDue == nil else { return }
        peer.unsent += bytes
        peer.owesNews = true
        guard peer.unsent.count - peer.sent <= Self.unsentMax else { return lose(id) }
        flush(id)
    }

    /// Closes when all that was sent is out, and after a while whatever is.
    func close(_ id: ConnectionID) {
        guard let peer = peers[id], peer.closeDue == nil else { return }
        peer.closeDue = Clock.instant + Self.lingering
        flush(id)
    }

    private func flush(_ id: ConnectionID) {
        guard let peer = peers[id] else { return }
        writing: for _ in 0..<Self.writesPerTurn where peer.hasUnsent {
            switch peer.link.write(peer.unsent[peer.sent...]) {
            case .wrote(let count):
                peer.sent += count
                peer.writeWantsRead = false
            case .wouldBlock(let wants):
                peer.writeWantsRead = wants == .read
                break writing
            case .closed, .failed: return lose(id)
            }
        }
        if !peer.hasUnsent {
            peer.unsent = []
            peer.sent = 0
            if peer.closeDue != nil { return drop(id, orderly: true) }
            if peer.owesNews {
                peer.owesNews = false
                news.append(id)
            }
        }
        settle(id)
    }

    private func settle(_ id: ConnectionID) {
        guard let peer = peers[id], let watch = peer.watch else { return }
        let writes = peer.hasUnsent && !peer.writeWantsRead || peer.link.readWantsWrite
        let wanted: EventLoop.Interest = writes ? .both : .read
        guard wanted != peer.interest else { return }
        peer.interest = wanted
        try? loop.change(watch, wanted)
    }

    private func lose(_ id: ConnectionID) {
        drop(id, orderly: false)
        deliver(.disconnected(id))
    }

    private func drop(_ id: ConnectionID, orderly: Bool) {
        guard let peer = peers.removeValue(forKey: id) else { return }
        if let watch = peer.watch { loop.remove(watch) }
        peer.link.close(orderly: orderly)
        pending.remove(id)
    }

    // MARK: Time

    /// Whether there is time for a slice of an answer: a request that leaves within a moment goes
    /// first. Where one is always near, slices are held for `heldMost` each.
    func mayServe(before sending: Instant, at now: Instant) -> Bool {
        guard isOpen, sending >= now, sending - now < Self.near else {
            heldSince = nil
            return true
        }
        let since = heldSince ?? now
        heldSince = since
        guard now - since > Self.heldMost else { return false }
        heldSince = nil
        return true
    }

    /// Once a turn of the loop: at most one client's next slice is asked for.
    func takeTurn() {
        if !news.isEmpty {
            let id = news.removeFirst()
            if peers[id] != nil { deliver(.drained(id)) }
        }
        for id in pending.sorted() { receive(id) }
    }

    /// When `timeout` must be called.
    var deadline: Instant? {
        guard place != nil else { return nil }
        let closing = peers.values.lazy.compactMap(\.closeDue).min()
        guard let retryDue else { return closing }
        return min(retryDue, closing ?? retryDue)
    }

    func timeout(at now: Instant) {
        for (id, peer) in peers where peer.closeDue.map({ $0 <= now }) ?? false {
            drop(id, orderly: false)
        }
        guard let due = retryDue, due <= now else { return }
        retryDue = nil
        if listener == nil { listen() } else if listenerWatch == nil { watchListener() }
    }
}
