import Base
import MQTT

/// Owner of the key that makes a signature: the gateway, with one of its keys, or a device that
/// proves itself.
package enum Signer: Hashable, Sendable {
    /// The place in `Settings.keys`.
    case gateway(Int)
    case device(DeviceID)
}

/// Tokens: one for every CONNECT, and one for every attach of a device with a key of its own. The
/// bridge asks for the latter where the gateway's method is DEVICE_AUTH_TOKEN_ONLY or
/// ASSOCIATION_AND_DEVICE_AUTH_TOKEN.
extension Session {
    /// A device's token on its way to be signed, or signed and waiting for the rate.
    struct DeviceToken: Sendable {
        var device: DeviceID
        var input: [UInt8]
    }

    var keyAlgorithm: SigningAlgorithm { settings.keys[credentials.current] }

    package mutating func signed(
        _ ticket: UInt64, _ result: Result<[UInt8], SigningFailure>, at now: Moment
    ) {
        see(now)
        if let token = deviceTokens.removeValue(forKey: ticket) {
            deviceSigned(token, result, at: now)
            return settle(at: now)
        }
        guard case .signing(let expected) = phase, expected == ticket, let claims else { return }
        switch result {
        case .success(let signature):
            let input = claims.signingInput(keyAlgorithm)
            sendConnect(password: TokenClaims.token(input: input, signature: signature), at: now)
        case .failure(let failure): endConnection(.signing(failure.message), at: now)
        }
        settle(at: now)
    }

    // MARK: Devices

    var hasDeviceKeys: Bool { !settings.deviceKeys.isEmpty }

    /// Begins the attach of a device that has a key of its own; false if it has none.
    mutating func signAttach(_ device: DeviceID, at now: Moment) -> Bool {
        guard let algorithm = settings.deviceKeys[device], let audience = settings.dialect.audience
        else {
            return false
        }
        let claims = TokenClaims(audience: audience, lifetime: settings.tokenLifetime, at: now.wall)
        ticket += 1
        let input = claims.signingInput(algorithm)
        deviceTokens[ticket] = DeviceToken(device: device, input: input)
        emit(.sign(ticket: ticket, by: .device(device), input: input))
        return true
    }

    private mutating func deviceSigned(
        _ token: DeviceToken, _ result: Result<[UInt8], SigningFailure>, at now: Moment
    ) {
        guard case .open = phase, attachments.status(of: token.device) == .attaching else { return }
        switch result {
        case .success(let signature):
            var payload = JSONWriter()
            payload.object { writer in
                let text = TokenClaims.token(input: token.input, signature: signature)
                writer.member("authorization", String(decoding: text, as: UTF8.self))
            }
            if let turn, turn.key == Suspects.Key(token.device, .attach) {
                sendAttach(token.device, payload: payload.bytes, at: now.instant)
                return fly(at: now.instant)
            }
            signedAttaches.append((token.device, payload.bytes))
        case .failure(let failure):
            let wait = attachments.failed(token.device, .lost, at: now.instant)
            announce(
                "attach \(token.device)", "signing \(failure.message)", .error,
                "its own key could not sign a token: \(Self.clause(failure.message)); trying again in "
                    + Self.seconds(wait),
                about: token.device)
        }
    }
}
