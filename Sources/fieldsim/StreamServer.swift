import Base
import Platform
import Simulators

/// A listening port and its connections, each a number to the machine behind it. It carries bytes
/// and knows nothing else.
final class StreamServer {
    private final class Peer {
        let link: Link
        var watch: EventLoop.Watch?
        var unsent: [UInt8] = []
        var interest: EventLoop.Interest = .read
        var isPaused = false
        var writes = 0

        init(_ link: Link) { self.link = link }
    }

    /// A client that takes nothing of so much is cut.
    private static let unsentMax = 64 << 20

    let port: Int
    private let loop: EventLoop
    private let tls: ServerContext?
    private let address: String
    private var listener: Listener?
    private var listenerWatch: EventLoop.Watch?
    private var peers: [ConnectionID: Peer] = [:]
    private var lastConnection: UInt64 = 0

    /// After so many writes to a client both sides renew their TLS keys; 0: never.
    var rekeyEvery = 0

    var connected: (ConnectionID) -> Void = { _ in }
    var received: (ConnectionID, [UInt8]) -> Void = { _, _ in }
    var disconnected: (ConnectionID) -> Void = { _ in }

    init(address: String, port: Int, tls: ServerContext?, on loop: SimulatorLoop) throws {
        self.loop = loop.events
        self.tls = tls
        self.address = address
        let listener = try Listener(port: port, address: address, tls: tls)
        self.port = listener.port
        try open(listener)
    }

    private func open(_ listener: Listener) throws {
        self.listener = listener
        listenerWatch = try loop.watch(listener.descriptor, .read) { [unowned self] _ in accept() }
    }

    /// Listens again after `close`.
    func open() throws {
        guard listener == nil else { return }
        try open(try Listener(port: port, address: address, tls: tls))
    }

    /// Closes the port and every connection; the machine behind is not told.
    func close() {
        for id in peers.keys.sorted() { drop(id) }
        if let listenerWatch { loop.remove(listenerWatch) }
        listenerWatch = nil
        listener?.close()
        listener = nil
    }

    private func accept() {
        while let listener, case .link(let link) = listener.accept() {
            lastConnection += 1
            let id = ConnectionID(lastConnection)
            let peer = Peer(link)
            do {
                peer.watch = try loop.watch(link.descriptor, .read) { [unowned self] ready in
                    if ready.isWritable { flush(id) }
                    receive(id)
                }
            } catch {
                link.close(orderly: false)
                continue
            }
            peers[id] = peer
            connected(id)
        }
    }

    private func receive(_ id: ConnectionID) {
        while let peer = peers[id], !peer.isPaused {
            switch peer.link.read() {
            case .bytes(let bytes): received(id, bytes)
            case .wouldBlock:
                return setInterest(peer)
            case .closed, .failed:
                drop(id)
                return disconnected(id)
            }
        }
    }

    /// No more is read from a paused client.
    func pause(_ id: ConnectionID, _ isPaused: Bool) {
        guard let peer = peers[id], peer.isPaused != isPaused else { return }
        peer.isPaused = isPaused
        setInterest(peer)
        // What OpenSSL has already decrypted does not make the descriptor readable.
        if !isPaused { receive(id) }
    }

    func send(_ id: ConnectionID, _ bytes: [UInt8]) {
        guard let peer = peers[id] else { return }
        peer.unsent.append(contentsOf: bytes)
        flush(id)
        if peer.unsent.count > Self.unsentMax {
            drop(id)
            disconnected(id)
        }
    }

    /// Closes one connection after what was sent, as far as it goes without waiting.
    func close(_ id: ConnectionID) {
        flush(id)
        peers[id]?.link.close(orderly: true)
        drop(id)
    }

    private func flush(_ id: ConnectionID) {
        guard let peer = peers[id] else { return }
        var written = 0
        while written < peer.unsent.count {
            guard case .wrote(let count) = peer.link.write(peer.unsent[written...]) else { break }
            written += count
            peer.writes += 1
            if rekeyEvery > 0, peer.writes % rekeyEvery == 0 {
                peer.link.updateKeys(askingPeer: true)
            }
        }
        peer.unsent.removeFirst(written)
        setInterest(peer)
    }

    private func setInterest(_ peer: Peer) {
        let writes = !peer.unsent.isEmpty || peer.link.readWantsWrite
        let interest: EventLoop.Interest =
            peer.isPaused ? (writes ? .write : .none) : writes ? .both : .read
        guard peer.interest != interest, let watch = peer.watch else { return }
        peer.interest = interest
        try? loop.change(watch, interest)
    }

    private func drop(_ id: ConnectionID) {
        guard let peer = peers.removeValue(forKey: id) else { return }
        if let watch = peer.watch { loop.remove(watch) }
        peer.link.close(orderly: false)
    }
}
