import Base
import Platform
import Simulators

/// The bridge emulator on a TCP port, with TLS or without.
final class BridgeShell: TimedShell {
    private final class Peer {
        let link: Link
        var watch: EventLoop.Watch?
        var unsent: [UInt8] = []
        var isWriting = false

        init(_ link: Link) { self.link = link }
    }

    private(set) var emulator: BridgeEmulator
    let port: Int
    private let loop: EventLoop
    private let tls: ServerContext?
    private let address: String
    private var listener: Listener?
    private var listenerWatch: EventLoop.Watch?
    private var peers: [ConnectionID: Peer] = [:]
    private var lastConnection: UInt64 = 0
    private let hear: (BridgeEmulator.Output) -> Void

    /// `hear` gets what is not a matter of bytes: telemetry, state and the log.
    init(
        _ emulator: BridgeEmulator, address: String = "127.0.0.1", port: Int, tls: ServerContext?,
        on loop: SimulatorLoop, hear: @escaping (BridgeEmulator.Output) -> Void
    ) throws {
        self.emulator = emulator
        self.loop = loop.events
        self.tls = tls
        self.address = address
        self.hear = hear
        let listener = try Listener(port: port, address: address, tls: tls)
        self.port = listener.port
        self.listener = listener
        try watch(listener)
        loop.add(self)
    }

    /// Takes the whole bridge away: every connection is cut and the port closed.
    func goAway() {
        for id in peers.keys.sorted() {
            emulator.disconnected(id, at: Clock.now())
            drop(id)
        }
        if let listenerWatch { loop.remove(listenerWatch) }
        listenerWatch = nil
        listener?.close()
        listener = nil
        settle()
    }

    func comeBack() throws {
        guard listener == nil else { return }
        let listener = try Listener(port: port, address: address, tls: tls)
        self.listener = listener
        try watch(listener)
    }

    func change(_ body: (inout BridgeEmulator) -> Void) {
        body(&emulator)
        settle()
    }

    var deadline: Instant? { emulator.deadline?.due }

    func timeout() {
        emulator.timeout(at: Clock.now())
        settle()
    }

    private func watch(_ listener: Listener) throws {
        listenerWatch = try loop.watch(listener.descriptor, .read) { [unowned self] _ in accept() }
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
            emulator.connected(id, at: Clock.now())
        }
        settle()
    }

    private func receive(_ id: ConnectionID) {
        guard let peer = peers[id] else { return }
        repeat {
            switch peer.link.read() {
            case .bytes(let bytes): emulator.received(id, bytes[...], at: Clock.now())
            case .wouldBlock(let wants):
                if wants == .write { setWriting(peer, true) }
                return settle()
            case .closed, .failed:
                emulator.disconnected(id, at: Clock.now())
                drop(id)
                return settle()
            }
        } while peers[id] != nil
        settle()
    }

    private func settle() {
        while let output = emulator.next() {
            switch output {
            case .send(let id, let bytes):
                peers[id]?.unsent.append(contentsOf: bytes)
                flush(id)
            case .close(let id, let reason):
                flush(id)
                if let peer = peers[id] { peer.link.close(orderly: true) }
                drop(id)
                hear(.close(id, reason: reason))
            case .verify(let ticket, let algorithm, let key, let input, let signature):
                let isGood = (try? PublicKey(pem: key)).map {
                    $0.algorithm == algorithm && $0.verify(input, signature: signature)
                } ?? false
                emulator.verified(ticket, isGood, at: Clock.now())
            case .telemetry, .state, .log: hear(output)
            }
        }
    }

    private func flush(_ id: ConnectionID) {
        guard let peer = peers[id] else { return }
        var written = 0
        while written < peer.unsent.count {
            guard case .wrote(let count) = peer.link.write(peer.unsent[written...]) else { break }
            written += count
        }
        peer.unsent.removeFirst(written)
        setWriting(peer, !peer.unsent.isEmpty)
    }

    private func setWriting(_ peer: Peer, _ isWriting: Bool) {
        guard peer.isWriting != isWriting, let watch = peer.watch else { return }
        peer.isWriting = isWriting
        try? loop.change(watch, isWriting ? [.read, .write] : .read)
    }

    private func drop(_ id: ConnectionID) {
        guard let peer = peers.removeValue(forKey: id) else { return }
        if let watch = peer.watch { loop.remove(watch) }
        peer.link.close(orderly: false)
    }
}
