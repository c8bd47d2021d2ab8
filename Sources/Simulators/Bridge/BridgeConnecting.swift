import Base
import MQTT

/// CONNECT and tokens: E3 to E9.
extension BridgeEmulator {
    /// A signature that is being verified, and the keys still to be tried.
    struct Verification: Sendable {
        enum Purpose: Sendable {
            case connect(Connect)
            case attach(device: ByteString, Publish)
        }

        var connection: ConnectionID
        var purpose: Purpose
        var token: DeviceToken
        var keys: [BridgeRegistry.Key]
    }

    mutating func connect(_ connect: Connect, on id: ConnectionID, at now: Moment) {
        if let refuse = faults.refuse, now.instant < refuse.until {
            return self.refuse(id, refuse.code, "fault: refused for a while")
        }
        let prefix = registry.clientIDPrefix
        let path = RegistryName(clientID: ByteString(connect.clientID))
        if let path, path != registry.name {
            return self.refuse(id, switches.refusedCode, "unknown \(path)")
        }
        let device = path == nil ? "" : ByteString(connect.clientID).dropping(prefix: prefix) ?? ""
        guard BridgeRegistry.isValidID(device) else {
            let shown = Notice.printable(connect.clientID)
            return refuse(
                id, switches.malformedClientIDCode,
                "client id \(shown) is not projects/…/locations/…/registries/…/devices/…")
        }
        guard registry.isMQTTEnabled else {
            return refuse(id, switches.refusedCode, "MQTT is disabled")
        }
        connections[id]?.device = device
        guard let entry = registry.devices[device] else {
            return refuse(id, switches.refusedCode, "unknown device")
        }
        guard !entry.blocked else {
            return refuse(id, switches.refusedCode, "the device is blocked")
        }
        if switches.unsupported == .close, connect.will != nil || !connect.cleanSession {
            return close(
                id,
                connect.will != nil
                    ? "a will is not supported" : "only clean sessions are supported")
        }
        do {
            let token = try DeviceToken(connect.password ?? [], switches.tokenText)
            try token.check(project: registry.project, now: now.wall, skew: switches.skew)
            verify(token, of: device, for: .connect(connect), on: id, at: now)
        } catch {
            if case .malformed = error {
                return refuse(id, switches.malformedTokenCode, error.reason)
            }
            refuse(id, switches.refusedCode, error.reason)
        }
    }

    private mutating func refuse(_ id: ConnectionID, _ code: UInt8, _ reason: String) {
        statistics.refused += 1
        send(.connack(Connack(code: code)), to: id)
        close(id, "refused with CONNACK \(code): \(reason)")
    }

    /// E4: any of the device's unexpired keys may verify; those of the wrong kind are not tried.
    mutating func verify(
        _ token: DeviceToken, of device: ByteString, for purpose: Verification.Purpose,
        on id: ConnectionID,
        at now: Moment
    ) {
        let keys = registry.devices[device]?.keys ?? []
        let usable = keys.prefix(BridgeRegistry.keysMax).filter { key in
            key.isPEM && key.expires ?? .max > now.wall.seconds
                && key.algorithm ?? token.algorithm == token.algorithm
        }
        if case .connect = purpose { connections[id]?.phase = .verifying }
        connections[id]?.isWaiting = true
        tryNextKey(
            Verification(connection: id, purpose: purpose, token: token, keys: usable), at: now)
    }

    private mutating func tryNextKey(_ verification: Verification, at now: Moment) {
        var verification = verification
        guard !verification.keys.isEmpty else { return conclude(verification, false, at: now) }
        let key = verification.keys.removeFirst()
        lastTicket += 1
        verifications[lastTicket] = verification
        emit(
            .verify(
                ticket: lastTicket, algorithm: verification.token.algorithm,
                publicKeyPEM: key.text.string,
                signingInput: verification.token.signingInput,
                signature: verification.token.signature))
    }

    /// The shell's answer to `.verify`.
    package mutating func verified(_ ticket: UInt64, _ isGenuine: Bool, at now: Moment) {
        guard let verification = verifications.removeValue(forKey: ticket) else { return }
        if isGenuine {
            conclude(verification, true, at: now)
        } else {
            tryNextKey(verification, at: now)
        }
    }

    private mutating func conclude(_ verification: Verification, _ isGenuine: Bool, at now: Moment)
    {
        let id = verification.connection
        connections[id]?.isWaiting = false
        switch verification.purpose {
        case .connect(let connect):
            if isGenuine {
                accept(connect, verification.token, on: id, at: now)
            } else {
                refuse(
                    id, switches.refusedCode,
                    "no \(verification.token.algorithm.rawValue) key verifies the token")
            }
        case .attach(let device, let message):
            if isGenuine {
                attach(device, by: message, on: id, at: now)
            } else {
                attachFailed(
                    device, message, "the device's token is not signed by one of its keys", on: id)
            }
        }
        drain(id, at: now)
    }

    private mutating func accept(
        _ connect: Connect, _ token: DeviceToken, on id: ConnectionID, at now: Moment
    ) {
        guard var connection = connections[id] else { return }
        let device = connection.device
        if let old = online[device], old != id {
            close(
                old,
                "The connection was closed because there is another active connection with the same "
                    + "device ID.", .alreadyExists)
        }
        takeOver(device, from: "it has connected itself")
        connection.phase = .open
        connection.isGateway = registry.devices[device]?.gateway != nil
        connection.silenceMax =
            connect.keepAlive == 0 ? nil : .milliseconds(Int64(connect.keepAlive) * 1500)
        let validFor = Duration.seconds(token.expires) - .milliseconds(now.wall.milliseconds)
        connection.tokenEnds = now.instant + validFor + switches.expiryGrace
        connection.lifetimeEnds = now.instant + switches.lifetimeMax
        connection.resetAt = faults.closeAfter.map { now.instant + $0 }
        connections[id] = connection
        online[device] = id
        statistics.accepted += 1
        send(.connack(Connack(code: 0)), to: id)
        let until = WallTime(milliseconds: token.expires * 1000).timestamp
        log("\(device): connected, token valid until \(until)")
        note(.connect, device)
    }

    /// E27: the device is no longer the gateway's that had attached it.
    mutating func takeOver(_ device: ByteString, from reason: String) {
        guard let loser = owners[device] else { return }
        log("\(device): taken from \(connections[loser]?.name ?? "its gateway"): \(reason)")
        detachWithError(device, on: loser)
    }
}
