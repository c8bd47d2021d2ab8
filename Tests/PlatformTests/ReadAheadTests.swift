import Base
import Glibc
import Platform
import Synchronization
import Testing

extension Network {
    /// OpenSSL reads ahead: what stands in its buffer makes no descriptor readable. Nothing may be
    /// left there, and nobody may be woken for ever by half a record.
    @Suite(.serialized) struct ReadAhead {
        @Test func halfARecordIsNoReasonToReadAgain() throws {
            let relay = try Relay()
            let (link, server) = try relay.connect()
            defer { relay.end() }
            relay.hold()
            #expect(send(server, pattern(100)) == nil)
            #expect(send(server, pattern(5000)) == nil)
            let held = relay.waitForHeld(5100)
            relay.release(held - 10)
            let first = shellReads(link, 100)
            #expect(first.bytes == pattern(100))
            #expect(!link.hasPending, "this would spin until the rest is there")
            #expect(!waitReady(link.descriptor, .read, milliseconds: 0))
            relay.release(10)
            let second = shellReads(link, 5000)
            #expect(second.bytes == pattern(5000) && second.turns < 10, "\(second.turns) turns")
            #expect(!link.hasPending)
            link.close(orderly: true)
            server.close(orderly: true)
        }

        /// Byte by byte the first record, then the rest in one piece.
        @Test func aRecordThatComesInDropsIsReadOnceItIsWhole() throws {
            let relay = try Relay()
            let (link, server) = try relay.connect()
            defer { relay.end() }
            relay.hold()
            #expect(send(server, pattern(20)) == nil)
            #expect(send(server, pattern(20)) == nil)
            let held = relay.waitForHeld(40)
            for _ in 0..<30 {
                relay.release(1)
                #expect(waitReady(link.descriptor, .read))
                #expect(link.read() == .wouldBlock(wants: .read) && !link.hasPending)
            }
            relay.release(held - 30)
            let got = shellReads(link, 40)
            #expect(got.bytes == pattern(20) + pattern(20) && !link.hasPending)
            link.close(orderly: true)
            server.close(orderly: true)
        }

        @Test(arguments: [1, 16_000]) func aGoodbyeInTheSameReadIsSeenBehindTheBytes(
            size: Int
        ) throws {
            let relay = try Relay()
            let (link, server) = try relay.connect()
            defer { relay.end() }
            relay.hold()
            for _ in 0..<3 { #expect(send(server, pattern(size)) == nil) }
            server.close(orderly: true)
            relay.release(relay.waitForHeld(3 * size + 20))
            let got = shellReads(link, 3 * size + 1)
            #expect(got.bytes == pattern(size) + pattern(size) + pattern(size))
            #expect(got.end == .closed && got.turns < 30, "\(got.turns) turns")
        }

        /// A server that speaks at once, with its tickets before it, perhaps while our handshake
        /// still reads.
        @Test(
            "Fault 46, a ticket or KeyUpdate in a write: tickets and first words with the handshake",
            arguments: 0..<5)
        func ticketsAndFirstWordsThatComeWithTheHandshakeAreRead(round: Int) throws {
            let listener = try Listener(tls: tlsServer(tickets: 2))
            let peer = Running { () -> Arrival in
                guard let link = acceptOne(listener) else { return .silence }
                if let problem = send(link, pattern(3000)) { return problem }
                return receive(link, 1)
            }
            let link = try Connector.connect(tlsTarget(listener.port), context: tlsClient()).get()
            let got = shellReads(link, 3000)
            #expect(got.bytes == pattern(3000) && got.turns < 20, "\(got.turns) turns")
            #expect(!link.hasPending)
            link.close(orderly: true)
            #expect(peer.join() == .closed)
        }

        /// Fault 46. Both directions are full while one side, or both, renew keys and demand new
        /// ones: a read has to write first, and what it has read ahead meanwhile must not be
        /// forgotten.
        @Test(
            "Fault 46, a ticket or KeyUpdate in a write: new keys while both directions are full",
            arguments: [(200_000, Int.max), (Int.max, 200_000), (70_000, 50_000)])
        func newKeysInTheMiddleOfAFullExchange(server: Int, client: Int) throws {
            let listener = try Listener(tls: tlsServer(tickets: 2))
            let bytes = pattern(3 << 20)
            let peer = Running {
                acceptOne(listener).map { ($0, exchange($0, bytes, rekeyEvery: server)) }
            }
            let link = try Connector.connect(tlsTarget(listener.port), context: tlsClient()).get()
            #expect(exchange(link, bytes, rekeyEvery: client) == nil)
            let (accepted, trouble) = try #require(peer.join(), "no connection")
            #expect(trouble == nil)
            // Only now: who closes with the other's last KeyUpdate unread resets the connection,
            // and what the other has not read yet is lost with it.
            link.close(orderly: true)
            accepted.close(orderly: true)
        }

        /// Of a KeyUpdate only a part has come when we write.
        @Test("Fault 46, a ticket or KeyUpdate in a write: half a KeyUpdate before a write")
        func aWriteInTheMiddleOfAKeyUpdateHoldsNothingUp() throws {
            let relay = try Relay()
            let (link, server) = try relay.connect()
            defer { relay.end() }
            relay.hold()
            #expect(server.updateKeys(askingPeer: true))
            #expect(send(server, pattern(50)) == nil)
            let held = relay.waitForHeld(60)
            relay.release(8)
            #expect(waitReady(link.descriptor, .read))
            #expect(link.read() == .wouldBlock(wants: .read) && !link.hasPending)
            relay.release(held - 8)
            #expect(waitReady(link.descriptor, .read))
            #expect(send(link, [1, 2, 3]) == nil)
            let got = shellReads(link, 50)
            #expect(got.bytes == pattern(50))
            #expect(receive(server, 3) == .bytes([1, 2, 3]))
            #expect(!link.hasPending)
            link.close(orderly: true)
            server.close(orderly: true)
        }
    }
}

/// Reads as the gateway's loop does: waits only if nothing is pending, and for what the link wants.
private func shellReads(_ link: Link, _ count: Int) -> (bytes: [UInt8], end: Arrival?, turns: Int) {
    var bytes: [UInt8] = []
    for turn in 1...10_000 {
        if !link.hasPending,
            !waitReady(link.descriptor, link.readWantsWrite ? .write : .read, milliseconds: 3000)
        {
            return (bytes, .silence, turn)
        }
        reading: while true {
            switch link.read() {
            case .bytes(let more): bytes += more
            case .wouldBlock: break reading
            case .closed: return (bytes, .closed, turn)
            case .failed(let failure): return (bytes, .failed(failure), turn)
            }
        }
        if bytes.count >= count { return (bytes, nil, turn) }
    }
    return (bytes, .silence, 10_000)
}

/// Stands between a client and a TLS server and can keep back what the server says.
private final class Relay: Sendable {
    private struct State {
        var isHolding = false
        var held: [UInt8] = []
        var mayPass = 0
        var isOver = false
    }

    private let front = Mutex<Listener?>(nil)
    private let pump = Mutex<Running<Void>?>(nil)
    private let state = Mutex(State())
    private let frontPort: Int
    private let back: Listener

    init() throws {
        back = try Listener(tls: tlsServer())
        let listener = try Listener()
        frontPort = listener.port
        front.withLock { $0 = listener }
    }

    func end() {
        state.withLock { $0.isOver = true }
        pump.withLock { $0.take() }?.join()
    }

    /// The client's and the server's end; the pump between them runs until both are gone.
    func connect() throws -> (client: Link, server: Link) {
        let (back, frontPort) = (back, frontPort)
        let accepting = Running { () -> Link? in
            guard let link = acceptOne(back) else { return nil }
            // The handshake is done inside the first read.
            return receive(link, 1) == .bytes([7]) ? link : nil
        }
        let context = try tlsClient()
        let calling = Running { Connector.connect(tlsTarget(frontPort), context: context) }
        let listener = try #require(front.withLock { $0.take() })
        let near = try #require(acceptOne(listener))
        let far = try Connector.connect(
            LinkTarget(host: "127.0.0.1", port: back.port, tls: false), context: nil
        ).get()
        let running = Running { [self] in carry(near, far) }
        pump.withLock { $0 = running }
        let client = try calling.join().get()
        #expect(send(client, [7]) == nil)
        return (client, try #require(accepting.join()))
    }

    func hold() { state.withLock { $0.isHolding = true } }

    /// Lets so many of the bytes kept back go on.
    func release(_ count: Int) { state.withLock { $0.mayPass += count } }

    /// How many bytes are kept back, once there are so many at least and no more come.
    func waitForHeld(_ count: Int) -> Int {
        var last = -1
        for _ in 0..<500 {
            let now = state.withLock { $0.held.count }
            if now >= count, now == last { return now }
            last = now
            _ = poll(nil, 0, 20)
        }
        Issue.record("the server said only \(last) bytes")
        return 0
    }

    private func carry(_ near: Link, _ far: Link) {
        var isFarOpen = true
        while !state.withLock({ $0.isOver }) {
            var sockets = [
                pollfd(fd: near.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: isFarOpen ? far.descriptor : -1, events: Int16(POLLIN), revents: 0),
            ]
            _ = poll(&sockets, 2, 5)
            switch near.read() {
            case .bytes(let bytes): _ = send(far, bytes)
            case .wouldBlock: break
            case .closed, .failed: return
            }
            if isFarOpen {
                switch far.read() {
                case .bytes(let bytes): state.withLock { $0.held += bytes }
                case .wouldBlock: break
                case .closed, .failed: isFarOpen = false
                }
            }
            let pass = state.withLock { state -> [UInt8] in
                let count =
                    state.isHolding ? min(state.mayPass, state.held.count) : state.held.count
                let bytes = Array(state.held.prefix(count))
                state.held.removeFirst(count)
                if state.isHolding { state.mayPass -= count }
                return bytes
            }
            if !pass.isEmpty { _ = send(near, pass) }
            if !isFarOpen, state.withLock({ $0.held.isEmpty }) {
                shutdown(near.descriptor, Int32(SHUT_WR))
            }
        }
    }
}
