import Base
import Platform
import Simulators

/// The bridge emulator on a TCP port, with TLS or without, and its admin API on another.
final class BridgeShell: TimedShell {
    private(set) var cloud: BridgeCloud
    var port: Int { bridge.port }
    /// Of the admin API; nil without one.
    var adminPort: Int? { admin?.port }

    /// TLS keys are renewed after so many writes to a client; 0: never.
    var rekeyEvery: Int {
        get { bridge.rekeyEvery }
        set { bridge.rekeyEvery = newValue }
    }

    private let bridge: StreamServer
    private let admin: StreamServer?
    private var api: AdminServer
    private let hear: (BridgeCloud.Output) -> Void
    private var congested: Set<ConnectionID> = []

    /// `hear` gets what is not a matter of bytes: telemetry, state, activity and the log.
    init(
        _ cloud: BridgeCloud, address: String = "127.0.0.1", port: Int, tls: ServerContext?,
        admin: (address: String, port: Int)? = nil, on loop: SimulatorLoop,
        hear: @escaping (BridgeCloud.Output) -> Void
    ) throws {
        self.cloud = cloud
        self.hear = hear
        bridge = try StreamServer(address: address, port: port, tls: tls, on: loop)
        self.admin = try admin.map {
            try StreamServer(address: $0.address, port: $0.port, tls: nil, on: loop)
        }
        api = AdminServer(
            isLoopback: admin.map { $0.address.hasPrefix("127.") || $0.address == "::1" } ?? true)
        listen()
        loop.add(self)
    }

    private func listen() {
        bridge.connected = { [unowned self] id in change { $0.connected(id, at: Clock.now()) } }
        bridge.received = { [unowned self] id, bytes in
            change { $0.received(id, bytes[...], at: Clock.now()) }
            if cloud.isCongested(id) {
                congested.insert(id)
                bridge.pause(id, true)
            }
        }
        bridge.disconnected = { [unowned self] id in
            congested.remove(id)
            change { $0.disconnected(id, at: Clock.now()) }
        }
        admin?.connected = { [unowned self] id in
            api.connected(id, at: Clock.now())
            settle()
        }
        admin?.received = { [unowned self] id, bytes in
            api.received(id, bytes[...], &cloud, at: Clock.now())
            settle()
        }
        admin?.disconnected = { [unowned self] id in api.disconnected(id) }
    }

    func change(_ body: (inout BridgeCloud) -> Void) {
        body(&cloud)
        settle()
    }

    /// Carries out an operator's line; complaints are for standard error.
    func obey(_ line: String) throws(BridgeOrder.Misuse) {
        defer { settle() }
        _ = try cloud.obey(line, at: Clock.now())
    }

    var deadline: Instant? {
        guard let own = cloud.deadline else { return api.deadline }
        return min(own, api.deadline ?? own)
    }

    func timeout() {
        cloud.timeout(at: Clock.now())
        api.timeout(&cloud, at: Clock.now())
        settle()
    }

    private func settle() {
        var isBusy = true
        while isBusy {
            isBusy = false
            while let output = cloud.next() {
                isBusy = true
                handle(output)
            }
            while let output = api.next() {
                isBusy = true
                switch output {
                case .send(let id, let bytes): admin?.send(id, bytes)
                case .close(let id): admin?.close(id)
                case .request: break
                }
            }
        }
        for id in congested where !cloud.isCongested(id) {
            congested.remove(id)
            bridge.pause(id, false)
        }
    }

    private func handle(_ output: BridgeCloud.Output) {
        switch output {
        case .send(let id, let bytes): bridge.send(id, bytes)
        case .close(let id, _): bridge.close(id)
        case .verify(let ticket, let algorithm, let key, let input, let signature):
            let isGood = PublicKey.verify(
                algorithm, publicKeyPEM: key, input: input, signature: signature)
            cloud.verified(ticket, isGood, at: Clock.now())
        case .telemetry(let name, let received):
            if admin != nil { api.messages.add(received.line("event", in: name)) }
            hear(output)
        case .state(let name, let received):
            if admin != nil { api.messages.add(received.line("state", in: name)) }
            hear(output)
        case .commandEnded(let ticket, let isAcknowledged):
            api.commandEnded(ticket, isAcknowledged: isAcknowledged, &cloud, at: Clock.now())
        case .listening(true):
            do { try bridge.open() } catch {
                Console.complain("the bridge could not come back: \(error)")
            }
        case .listening(false): bridge.close()
        case .activity, .log: hear(output)
        }
    }
}
