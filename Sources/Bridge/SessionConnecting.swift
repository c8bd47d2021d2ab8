import Base
import MQTT

/// From nothing to CONNACK, and back to the back-off.
extension Session {
    static let handshakeTimeout: Duration = .seconds(30)
    static let healthyAfter: Duration = .seconds(60)
    static let clockInterval: Duration = .seconds(10)

    var target: LinkTarget { settings.endpoints[endpoint % settings.endpoints.count] }

    mutating func connect(at now: Moment) {
        switch phase {
        case .idle, .waiting: break
        default: return
        }
        timers.disarm(.reconnect)
        timers.disarm(.clock)
        if settings.dialect.usesToken, clockLevel == .impossible {
            phase = .waiting
            timers.arm(.clock, at: now.instant + Self.clockInterval)
            return
        }
        phase = .connecting
        connection += 1
        emit(.connect(target))
    }

    /// The link is there, verified and encrypted.
    package mutating func linkUp(at now: Moment) {
        see(now)
        guard case .connecting = phase else { return }
        timers.arm(.handshake, at: now.instant + Self.handshakeTimeout)
        guard let audience = settings.dialect.audience else {
            sendConnect(password: settings.dialect.password, at: now)
            return settle(at: now)
        }
        guard clockLevel != .impossible else {
            endConnection(.clock, at: now)
            return settle(at: now)
        }
        let claims = TokenClaims(audience: audience, lifetime: settings.tokenLifetime, at: now.wall)
        self.claims = claims
        signedAt = now
        ticket += 1
        phase = .signing(ticket: ticket)
        emit(
            .sign(
                ticket: ticket, by: .gateway(credentials.current),
                input: claims.signingInput(keyAlgorithm)))
    }

    mutating func sendConnect(password: [UInt8]?, at now: Moment) {
        phase = .handshaking
        firstBytes = FirstBytes()
        var client = Client(
            Client.Settings(
                clientID: settings.dialect.clientID(of: settings.gateway),
                username: settings.dialect.username, password: password,
                keepAlive: settings.keepAlive, ackTimeout: settings.ackTimeout,
                connectTimeout: Self.handshakeTimeout, will: availability("offline"),
                pingTimeout: max(.seconds(5), min(.seconds(20), settings.keepAlive))))
        client.connect(at: now.instant)
        self.client = client
        paid = Client.Statistics()
    }

    package mutating func linkFailed(_ failure: LinkFailure, at now: Moment) {
        see(now)
        switch phase {
        case .connecting: endConnection(.link(failure), at: now)
        case .signing, .handshaking, .settingUp, .open, .draining:
            endConnection(.closed(failure), at: now)
        case .idle, .waiting, .stopped: return
        }
        settle(at: now)
    }

    /// The link is gone. While the next one is being made this is about an earlier one: ignored.
    package mutating func linkClosed(_ failure: LinkFailure, at now: Moment) {
        see(now)
        switch phase {
        case .idle, .waiting, .connecting, .stopped: return
        case .draining(let stop):
            endConnection(.planned, at: now, tellShell: false)
            if stop { finish() } else { connect(at: now) }
        case .signing, .handshaking, .settingUp, .open: endConnection(.closed(failure), at: now)
        }
        settle(at: now)
    }

    package mutating func received(_ bytes: ArraySlice<UInt8>, at now: Moment) {
        see(now)
        counters.bytesReceived += bytes.count
        if case .handshaking = phase {
            firstBytes.take(bytes)
            if let words = firstBytes.verdict(tls: target.tls) {
                endConnection(.foreign(words), at: now)
                return settle(at: now)
            }
        }
        client?.receive(bytes, at: now.instant)
        pull(at: now)
        settle(at: now)
    }

    mutating func handshakeTimedOut(at now: Moment) {
        switch phase {
        case .signing: endConnection(.signing("no answer within 30 s"), at: now)
        case .handshaking: endConnection(.fault(.noConnack(after: Self.handshakeTimeout)), at: now)
        default: break
        }
    }

    /// CONNACK 0.
    mutating func accepted(at now: Moment) {
        timers.disarm(.handshake)
        timers.arm(.healthy, at: now.instant + Self.healthyAfter)
        connectedAt = now
        lastProgress = now.instant
        acknowledgedSinceConnect = false
        counters.connects += 1
        credentials.accept()
        if settings.dialect.usesToken, let signedAt {
            guardian.tokenAccepted(signedAt: signedAt)
            see(now)
        }
        announce(
            "connection", "up \(target.describe)", .info,
            "connected to \(target.describe) as gateway \(settings.gateway)")
        emit(.online)
        reviseRenewal(at: now)
        setUp(at: now)
    }

    // MARK: Token renewal

    /// Plans the reconnect at exp − margin, less up to 5 % of the way there. Again when the clock
    /// steps, because the bridge goes by the true time.
    mutating func reviseRenewal(at now: Moment) {
        guard let claims, connectedAt != nil else { return }
        switch phase {
        case .handshaking, .settingUp, .open: break
        default: return
        }
        let left = WallTime(milliseconds: claims.expires &* 1000) - now.wall
        let span = max(.zero, left - TokenClaims.margin(lifetime: settings.tokenLifetime))
        let planned = timers.due(.renew)
        if let planned, planned <= now.instant + span { return }
        let early = span.secondsValue * random.uniform(0, 0.05)
        timers.arm(.renew, at: now.instant + span - .seconds(fraction: early))
    }

    /// Connected for a minute and heard: earlier failures are forgotten.
    mutating func becomeHealthy(at now: Moment) {
        guard acknowledgedSinceConnect, let connectedAt else { return }
        let lived = now.instant - connectedAt.instant
        takeover.living(for: lived)
        guard lived >= (takeover.isSuspected ? Takeover.long : Self.healthyAfter) else { return }
        backoff.reset()
    }

    /// In-flight messages are acknowledged first, for half of what is left before `exp`.
    mutating func renew(at now: Moment) {
        switch phase {
        case .open, .settingUp:
            notice(.debug, "the token is about to expire: connecting again with a new one")
            let margin = TokenClaims.margin(lifetime: settings.tokenLifetime)
            beginDrain(stop: false, bound: min(margin / 2, .seconds(20)), at: now)
        default: break
        }
    }

    mutating func beginDrain(stop: Bool, bound: Duration, at now: Moment) {
        phase = .draining(stop: stop)
        turn = nil
        if stop, settings.attachesByMessage {
            for device in attachments.devices where attachments.isAttached(device) {
                detaching.append(device)
            }
        }
        if stop { announceAvailability("offline", at: now.instant) }
        timers.arm(.drain, at: now.instant + bound)
    }

    /// Continues a drain, which waits for the messages in flight. Before an orderly end the devices
    /// are detached after the records in flight.
    mutating func settleDrain(at now: Moment) {
        while limiter.allows(at: now.instant), sendAcknowledgement(at: now.instant) {}
        while flights.records == 0, limiter.allows(at: now.instant),
            let device = detaching.popFirst()
        {
            _ = sendDetach(device, at: now.instant)
        }
        pull(at: now)
        guard case .draining = phase else { return }
        if flights.isEmpty, detaching.isEmpty { return endDrain(at: now) }
        if !limiter.allows(at: now.instant) { timers.arm(.rate, at: limiter.opens) }
    }

    mutating func endDrain(at now: Moment) {
        guard case .draining(let stop) = phase else { return }
        flushAcknowledgements(at: now.instant)
        client?.disconnect()
        pull(at: now)
        endConnection(.planned, at: now)
        if stop { finish() } else { connect(at: now) }
    }
}
