import Adapter
import Base
import Bridge
import Drivers
import Spool

/// A new configuration while the gateway runs.
///
/// | what differs | becomes |
/// |---|---|
/// | a port's nodes or timing | its driver takes the new plan between two exchanges; what stays the same does not notice |
/// | a port's line | it is opened again |
/// | a port that is new, or gone | opened, or closed |
/// | a port's `serve` | its clients are sent away, and it listens as the file says now |
/// | a device that is new | attached |
/// | a device that is gone | its state says so; detached once nothing of it waits |
/// | how the bridge is met | connected again after an orderly end |
/// | the HTTP door | its clients are sent away, and it is opened with what the file says now |
/// | `topics`, `liveWithin`, `batch` of the bridge | holds from the next message on |
/// | the journal | told: needs a restart |
/// | which gateway it is | refused as a whole: the journal is another one |
///
/// A port of which nothing differs does not notice: its driver goes on with all it has learned.
extension Gateway {
    /// New configuration that is taken up as soon as the journal is ready.
    struct Reload: Sendable {
        var settings: Settings
        /// Keys that the shell has found to differ and that only a start takes up.
        var needRestart: [String]
    }

    /// Settings in force, with which `Settings.sharing(_:)` compares a new configuration.
    package var settingsInForce: Settings { settings }

    mutating func reload(_ new: Reload, at now: Moment) {
        guard phase == .running else { return }
        guard isReady else {
            pendingReload = new
            return
        }
        guard new.settings.spool.identity == settings.spool.identity else {
            return refuseReload(
                "it is for another gateway or registry (\(new.settings.spool.identity), not "
                    + "\(settings.spool.identity)), and the journal belongs to this one: restart for that"
            )
        }
        effects.append(.reloaded(isInForce: true))
        reports.refusedFile = nil
        let old = settings
        settings = new.settings
        settings.spool = old.spool
        settings.spool.gapSubfolder = new.settings.spool.gapSubfolder
        spool.tellGaps(in: settings.spool.gapSubfolder)
        var told = rebuildPorts(old, at: now)
        told += rebuildDevices(old, at: now)
        unread = unreadInForce
        applyConfigs(at: now)
        logFrames()
        adapter.rebind(bound.flatMap(\.bindings), unread: unreadInForce)
        door.adopt(settings.door, settings.bindings, before: old.bindings)
        effects.append(.logLevel(logLevel == settings.logLevel ? nil : logLevel.notice))
        if settings.session != old.session || settings.credentials != old.credentials {
            told.append("the bridge is connected again")
            isRenewingSession = true
            session.stop(at: now)
        }
        if settings.topics != old.topics {
            told.append("the topics of reports are others from now on")
        }
        if settings.publish != old.publish {
            told.append("messages have another form from now on")
        }
        if settings.liveWithin != old.liveWithin || settings.batch != old.batch {
            told.append("`liveWithin` and `batch` hold from the next message on")
        }
        let words =
            told.isEmpty
            ? "nothing differs that matters to ports, devices or bridge"
            : told.joined(separator: "; ")
        say(.info, "the new configuration is in force: \(words)")
        let restart = new.needRestart + (new.settings.spool == settings.spool ? [] : ["spool"])
        if !restart.isEmpty {
            say(
                .warning,
                "\(restart.joined(separator: ", ")): changed in the file, in force only after a restart"
            )
        }
    }

    mutating func refuseReload(_ reason: String) {
        effects.append(.reloaded(isInForce: false))
        reports.refusedFile = reason
        say(.error, "the new configuration is refused, the one before stays in force: \(reason)")
    }

    private mutating func say(_ level: Notice.Level, _ words: String) {
        effects.append(.notice(Notice(level, "gateway", settings.gateway.text, words)))
    }

    // MARK: ports

    /// Keepers of ports that stay are taken along; what they are to read is changed by the plans.
    private mutating func rebuildPorts(_ old: Settings, at now: Moment) -> [String] {
        let (before, places, drivers, bindings) = (ports, portNames, inForce, bound)
        let wanted = Set(settings.ports.map(\.name))
        let gone = before.indices.filter { !wanted.contains(before[$0].name) }
        for index in gone { remove(index, at: now) }
        let toldOfPause = Dictionary(
            uniqueKeysWithValues: lent.map { (before[$0.key].name, $0.value) })
        (ports, inForce, bound, plans) = ([], [], [], [:])
        var added: [PortName] = []
        var changed: [PortName] = []
        for port in settings.ports {
            if let place = places.firstIndex(of: port.name) {
                ports.append(before[place])
                ports[ports.count - 1].serve(as: port.service)
                inForce.append(drivers[place])
                bound.append(bindings[place])
                if old.configured[place] != settings.configured[ports.count - 1] {
                    changed.append(port.name)
                }
            } else {
                let driver = port.driver.make(seed: random.next(), autonomy: fresh.autonomy)
                let configured = settings.configured[ports.count]
                ports.append(
                    PortKeeper(
                        name: port.name, line: port.line, driver: driver, service: port.service))
                inForce.append(port.driver)
                bound.append(Bound(Source(port: configured), configured.bindings))
                ports[ports.count - 1].start()
                added.append(port.name)
            }
        }
        portNames = settings.ports.map(\.name)
        lent = [:]
        for index in ports.indices { lent[index] = toldOfPause[ports[index].name] }
        return Self.sentence(
            "port",
            [
                ("added", added.map(\.text)), ("changed", changed.map(\.text)),
                ("removed", gone.map { before[$0].name.text }),
            ])
    }

    /// Orders that wait for the port fail, and so does who waits for the line itself.
    private mutating func remove(_ index: Int, at now: Moment) {
        ports[index].end(at: now)
        drain(port: index, at: now)
        effects.append(.removeLine(ports[index].name))
    }

    // MARK: devices

    private mutating func rebuildDevices(_ old: Settings, at now: Moment) -> [String] {
        let (before, after) = (old.bindings.map(\.device), settings.bindings.map(\.device))
        let (known, wanted) = (Set(before), Set(after))
        let gone = before.filter { !wanted.contains($0) }
        let added = after.filter { !known.contains($0) }
        states.rebind(settings.bindings)
        safe.rebind(settings.bindings)
        setups.rebind(settings.bindings)
        lanes.settings = Lanes.Settings(
            liveWithin: settings.liveWithin, batch: settings.batch, settings.session)
        if settings.batch != old.batch { batching = settings.batch.map(Batching.init) }
        identities.rebind(settings.configured)
        for device in added {
            leaving.remove(device)
            states.forget(device)
            session.attach(device, at: now)
        }
        for device in gone {
            _ = states.set(device, .offline, error: "removed from the configuration", at: now)
            resting.remove(device)
            leaving.insert(device)
        }
        for (device, reason) in configs.rebase(settings.configured, logLevel: settings.logLevel) {
            // A device that is gone takes its document along.
            store.keep(ConfigDesk.name(of: device), nil, at: now.instant)
            if let reason {
                effects.append(
                    .notice(
                        Notice(
                            .warning, "gateway", device.text,
                            "its config document does not fit the new file: \(reason)")))
            }
        }
        for device in gone { publishState(of: device, at: now) }
        wantRetained(at: now)
        return Self.sentence(
            "device", [("added", added.map(\.text)), ("removed", gone.map(\.text))])
    }

    private static func sentence(
        _ noun: String, _ parts: [(verb: String, names: [String])]
    ) -> [String] {
        parts.filter { !$0.names.isEmpty }.map { verb, names in
            let shown =
                names.prefix(8).joined(separator: ", ")
                + (names.count > 8 ? " and \(names.count - 8) more" : "")
            return "\(names.count == 1 ? noun : noun + "s") \(verb): \(shown)"
        }
    }

    // MARK: the bridge

    /// The old session has said goodbye: the next one begins, knowing what the old one knew of the
    /// clock.
    mutating func renewSession(at now: Moment) {
        isRenewingSession = false
        let devices = settings.bindings.map(\.device) + leaving.sorted()
        var new = Session(settings.session, devices: devices, seed: random.next())
        new.inherit(session)
        session = new
        resting = []
        session.start(at: now)
        for device in [settings.gateway] + devices { publishState(of: device, at: now) }
    }
}

extension Gateway.Settings {
    /// The same settings, with the storage of `old` for every port of which nothing differs: what a
    /// reload compares is then compared by address. It takes as long as the configuration is large,
    /// so it is for a helper.
    package func sharing(_ old: Gateway.Settings) -> Gateway.Settings {
        var settings = self
        let places = Dictionary(
            old.configured.enumerated().map { ($1.name, $0) },
            uniquingKeysWith: { first, _ in first })
        for index in configured.indices {
            guard let place = places[configured[index].name],
                old.configured[place] == configured[index]
            else { continue }
            settings.configured[index] = old.configured[place]
            settings.ports[index] = old.ports[place]
        }
        settings.bindings = settings.configured.flatMap(\.bindings)
        return settings
    }
}

/// Devices that the configuration does not name any more.
extension Gateway {
    /// Each is detached when the bridge has all that the journal holds of it.
    mutating func detachLeaving(at now: Moment) -> Bool {
        guard !leaving.isEmpty, phase == .running, !isRenewingSession else { return false }
        var any = false
        for device in leaving.sorted() where spool.waiting(of: device) == 0 {
            switch session.status(of: device) {
            case .attached, .attaching: if session.holdsAnything(of: device) { continue }
            // Offline: its last state document is still to be sent.
            case .detached: if !session.isOnline || session.holdsAnything(of: device) { continue }
            case .refused, .quarantined, nil: break
            }
            leaving.remove(device)
            session.detach(device, at: now)
            any = true
        }
        if any { wantRetained(at: now) }
        return any
    }

    /// The journal of an earlier run may hold records of devices that have gone meanwhile.
    mutating func adoptStrangers(at now: Moment) {
        let known = Set(settings.bindings.map(\.device) + [settings.gateway])
        for device in spool.readyDevices where !known.contains(device) {
            leaving.insert(device)
            session.attach(device, at: now)
        }
    }
}
