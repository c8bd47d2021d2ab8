import Base
import MQTT

/// Every registry of the emulated bridge behind one port: a connection belongs to the registry that
/// its client id names. Registries come and go while it runs.
package struct BridgeCloud: Sendable {
    package enum Output: Sendable {
        case send(ConnectionID, [UInt8])
        case close(ConnectionID, reason: String)
        case verify(
            ticket: UInt64, algorithm: SigningAlgorithm, publicKeyPEM: String,
            signingInput: [UInt8],
            signature: [UInt8])
        case telemetry(RegistryName, BridgeEmulator.Received)
        case state(RegistryName, BridgeEmulator.Received)
        case log(String)
        /// A line of the device-activity log.
        case activity(String)
        case commandEnded(ticket: UInt64, isAcknowledged: Bool)
        /// False: cut what is connected and close the port; true: open it again.
        case listening(Bool)
    }

    private enum Route {
        /// Nothing is known yet but its first bytes.
        case unknown
        case registry(RegistryName)
        /// No registry wants it.
        case lobby
    }

    /// The first bytes of a connection, until its CONNECT is whole.
    private struct Opening {
        let since: Moment
        var bytes: [UInt8] = []
        var decoder = PacketDecoder(packetSizeMax: connectMax)

        init(at now: Moment) { since = now }

        mutating func receive(_ chunk: ArraySlice<UInt8>) {
            bytes += chunk
            decoder.receive(chunk)
        }
    }

    /// A CONNECT with the largest token and client id is smaller.
    private static let connectMax = 128 << 10

    package let switches: BridgeSwitches
    package private(set) var faults: BridgeFaults
    package private(set) var registries: [RegistryName: BridgeEmulator] = [:]
    /// Whether the port is open.
    package private(set) var isListening = true
    private var lobby: BridgeEmulator
    private var routes: [ConnectionID: Route] = [:]
    private var openings: [ConnectionID: Opening] = [:]
    private var tickets: [UInt64: (registry: RegistryName, ticket: UInt64)] = [:]
    private var lastTicket: UInt64 = 0
    private var schedule: [(due: Instant, order: BridgeOrder)] = []
    private var outputs: [Output] = []
    private var outputStart = 0
    private var seed: UInt64

    package init(
        _ registries: [BridgeRegistry] = [], switches: BridgeSwitches = BridgeSwitches(),
        faults: BridgeFaults = BridgeFaults(), seed: UInt64 = 1
    ) {
        self.switches = switches
        self.faults = faults
        self.seed = seed
        lobby = BridgeEmulator(
            registry: BridgeRegistry(project: "", region: "", registry: ""), switches: switches,
            faults: faults)
        for registry in registries { add(registry) }
    }

    // MARK: Registries

    package mutating func add(_ registry: BridgeRegistry) {
        seed &+= 1
        registries[registry.name] = BridgeEmulator(
            registry: registry, switches: switches, faults: faults, seed: seed)
    }

    package mutating func remove(_ name: RegistryName, at now: Moment) {
        change(name) { $0.closeAll("the registry was deleted", at: now) }
        registries[name] = nil
    }

    /// Nil if there is no such registry.
    @discardableResult
    package mutating func change<Answer>(
        _ name: RegistryName, _ body: (inout BridgeEmulator) -> Answer
    ) -> Answer? {
        guard registries[name] != nil else { return nil }
        let answer = body(&registries[name]!)
        collect(from: name)
        return answer
    }

    /// The first registry with such a device.
    package func registry(with device: ByteString) -> RegistryName? {
        registries.keys.sorted().first { registries[$0]?.registry.devices[device] != nil }
    }

    // MARK: Input

    package mutating func connected(_ id: ConnectionID, at now: Moment) {
        routes[id] = .unknown
        openings[id] = Opening(at: now)
        lobby.connected(id, at: now)
    }

    package mutating func received(_ id: ConnectionID, _ bytes: ArraySlice<UInt8>, at now: Moment) {
        switch routes[id] {
        case nil: return
        case .lobby: lobby.received(id, bytes, at: now)
        case .registry(let name): change(name) { $0.received(id, bytes, at: now) }
        case .unknown:
            openings[id]?.receive(bytes)
            place(id, at: now)
        }
        collectLobby()
    }

    /// The registry of a connection is told by its CONNECT; what cannot become one is the lobby's.
    private mutating func place(_ id: ConnectionID, at now: Moment) {
        var name: RegistryName?
        if !faults.mute {
            do {
                guard let packet = try openings[id]?.decoder.next() else { return }
                if case .connect(let connect) = packet {
                    name = RegistryName(clientID: ByteString(connect.clientID))
                }
            } catch {
                name = nil
            }
        }
        guard let opening = openings.removeValue(forKey: id) else { return }
        guard let name, registries[name] != nil else {
            routes[id] = .lobby
            return lobby.received(id, opening.bytes[...], at: now)
        }
        lobby.forgetQuietly(id)
        routes[id] = .registry(name)
        change(name) { registry in
            registry.connected(id, at: opening.since)
            registry.received(id, opening.bytes[...], at: now)
        }
    }

    package mutating func disconnected(_ id: ConnectionID, at now: Moment) {
        openings[id] = nil
        guard let route = routes.removeValue(forKey: id) else { return }
        if case .registry(let name) = route {
            change(name) { $0.disconnected(id, at: now) }
        } else {
            lobby.forgetQuietly(id)
        }
    }

    /// The shell should read no more from this client for now.
    package func isCongested(_ id: ConnectionID) -> Bool {
        if case .registry(let name) = routes[id] {
            registries[name]?.isCongested(id) ?? false
        } else {
            false
        }
    }

    /// The shell's answer to `.verify`.
    package mutating func verified(_ ticket: UInt64, _ isGenuine: Bool, at now: Moment) {
        guard let (name, inner) = tickets.removeValue(forKey: ticket) else { return }
        change(name) { $0.verified(inner, isGenuine, at: now) }
    }

    // MARK: Time

    package var deadline: Instant? {
        var earliest = lobby.deadline?.due
        for emulator in registries.values {
            if let due = emulator.deadline?.due { earliest = min(earliest ?? due, due) }
        }
        if let due = schedule.first?.due { earliest = min(earliest ?? due, due) }
        return earliest
    }

    package mutating func timeout(at now: Moment) {
        while let first = schedule.first, first.due <= now.instant {
            schedule.removeFirst()
            do {
                try obey(first.order, at: now)
            } catch {
                log("an order failed: \(error.message)")
            }
        }
        lobby.timeout(at: now)
        collectLobby()
        for name in registries.keys.sorted() { change(name) { $0.timeout(at: now) } }
    }

    /// Every step of a fault script, counted from now.
    package mutating func play(_ script: BridgeScript, at now: Moment) {
        for (after, order) in script.steps { plan(order, at: now.instant + after) }
    }

    private mutating func plan(_ order: BridgeOrder, at due: Instant) {
        let place = schedule.firstIndex { $0.due > due } ?? schedule.endIndex
        schedule.insert((due, order), at: place)
    }

    // MARK: Faults

    mutating func setFaults(_ change: (inout BridgeFaults) -> Void, at now: Moment) {
        change(&faults)
        lobby.faults = faults
        let faults = faults
        for name in registries.keys.sorted() {
            self.change(name) { emulator in
                emulator.faults = faults
                emulator.faultsChanged(at: now)
            }
        }
    }

    mutating func setListening(_ isListening: Bool, at now: Moment) {
        guard self.isListening != isListening else { return }
        self.isListening = isListening
        if !isListening {
            for id in routes.keys.sorted() { disconnected(id, at: now) }
        }
        log(isListening ? "the bridge is back" : "the bridge is away")
        outputs.append(.listening(isListening))
    }

    /// After `lasts`, the opposite of the order.
    mutating func planEnd(of order: BridgeOrder, _ end: BridgeOrder.Deed, at now: Moment) {
        schedule.removeAll { $0.order.deed == end && $0.order.lasts == .zero }
        // A zero marks ends that were planned here, not written by somebody.
        if let lasts = order.lasts { plan(BridgeOrder(end, lasts: .zero), at: now.instant + lasts) }
    }

    // MARK: Output

    package mutating func next() -> Output? {
        guard outputStart < outputs.count else {
            outputs.removeAll(keepingCapacity: outputs.capacity <= 1024)
            outputStart = 0
            return nil
        }
        defer { outputStart += 1 }
        return outputs[outputStart]
    }

    mutating func log(_ words: String) { outputs.append(.log(words)) }

    private mutating func collectLobby() {
        while let output = lobby.next() {
            switch output {
            case .send(let id, let bytes): outputs.append(.send(id, bytes))
            case .close(let id, let reason):
                routes[id] = nil
                openings[id] = nil
                outputs.append(.close(id, reason: reason))
            case .log(let words): outputs.append(.log(words))
            case .verify, .telemetry, .state, .activity, .commandEnded: break
            }
        }
    }

    private mutating func collect(from name: RegistryName) {
        while let output = registries[name]?.next() {
            switch output {
            case .send(let id, let bytes): outputs.append(.send(id, bytes))
            case .close(let id, let reason):
                routes[id] = nil
                outputs.append(.close(id, reason: reason))
            case .verify(let ticket, let algorithm, let key, let input, let signature):
                lastTicket += 1
                tickets[lastTicket] = (name, ticket)
                outputs.append(
                    .verify(
                        ticket: lastTicket, algorithm: algorithm, publicKeyPEM: key,
                        signingInput: input,
                        signature: signature))
            case .telemetry(let received): outputs.append(.telemetry(name, received))
            case .state(let received): outputs.append(.state(name, received))
            case .log(let words): outputs.append(.log(words))
            case .activity(let activity):
                if let registry = registries[name]?.registry {
                    outputs.append(.activity(activity.line(in: registry)))
                }
            case .commandEnded(let ticket, let isAcknowledged):
                outputs.append(.commandEnded(ticket: ticket, isAcknowledged: isAcknowledged))
            }
        }
    }
}
