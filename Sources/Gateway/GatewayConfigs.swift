import Adapter
import Base
import Bridge
import Drivers

/// Config documents: from the bridge to what is read, and back as a hash in the state document.
extension Gateway {
    mutating func receiveConfig(
        _ payload: [UInt8], for device: DeviceID, _ delivery: Delivery, at now: Moment
    ) {
        let name = ConfigDesk.name(of: device)
        switch configs.receive(payload, for: device) {
        case .known:
            guard store.isDurable(name) else { return configs.await(name, device, delivery) }
            session.acknowledge(delivery, at: now)
            // A refusal in between is over; where there was none, this says nothing new.
            publishState(of: device, at: now)
        case .refused(let reason):
            effects.append(.notice(Notice(
                .warning, "gateway", device.text, "a config document is refused, the one before stays: \(reason)")))
            session.acknowledge(delivery, at: now)
            publishState(of: device, at: now)
        case .accepted:
            let words = configs.hash(of: device).map { "config document \($0) is in force" }
            effects.append(.notice(Notice(
                .info, "gateway", device.text, words ?? "no config document any more: the file alone holds")))
            applyConfigs(at: now)
            configs.await(name, device, delivery)
            store.keep(name, payload.isEmpty ? nil : payload, .now, at: now.instant)
            if store.isDurable(name) { configIsDurable(name, at: now) }
        }
    }

    /// Only now is it acknowledged: what the bridge has been told, the disk has.
    mutating func configIsDurable(_ name: String, at now: Moment) {
        guard let (device, deliveries) = configs.durable(name) else { return }
        for delivery in deliveries { session.acknowledge(delivery, at: now) }
        publishState(of: device, at: now)
        guard device == settings.gateway else { return }
        // Those for whom nothing has changed say nothing again.
        for binding in settings.bindings { publishState(of: binding.device, at: now) }
    }

    /// What an earlier run has kept; before the first line is opened.
    mutating func restoreConfigs(at now: Moment) {
        let devices = [settings.gateway] + settings.bindings.map(\.device)
        var ours: Set<String> = []
        for device in devices {
            let name = ConfigDesk.name(of: device)
            ours.insert(name)
            guard let payload = store.document(name) else { continue }
            if case .refused(let reason) = configs.receive(payload, for: device) {
                effects.append(.notice(Notice(
                    .warning, "gateway", device.text,
                    "the config document of an earlier run does not fit the file any more: \(reason)")))
                store.keep(name, nil, at: now.instant)
            }
        }
        for name in store.names("config-") where !ours.contains(name) { store.keep(name, nil, at: now.instant) }
        if !configs.narrowings.isEmpty { applyConfigs(at: now) }
    }

    /// What a port is to read instead, as soon as the exchange under way has ended.
    struct Plan: Sendable {
        var reads: Configuration.Port
        var bindings: [Binding]
    }

    /// Everything as all documents together say. A port whose reads do not change goes on undisturbed.
    mutating func applyConfigs(at now: Moment) {
        let narrowings = configs.narrowings
        unread = [:]
        for (index, port) in settings.configured.enumerated() {
            let (narrowed, silent) = port.narrowed(by: narrowings)
            unread.merge(silent) { $1 }
            plans[index] = Plan(reads: narrowed.reading(without: silent), bindings: narrowed.bindings)
        }
        let level = configs.logLevel ?? settings.logLevel
        guard level != logLevel else { return }
        logLevel = level
        effects.append(.logLevel(level == settings.logLevel ? nil : level.notice))
    }

    /// Driver and adapter change together, or a reading would meet an adapter that does not expect it.
    mutating func takeUpPlans(at now: Moment) -> Bool {
        guard !plans.isEmpty else { return false }
        var any = false
        for (index, plan) in plans {
            guard !ports[index].driver.isExchanging(at: now.instant) else {
                if ports[index].driver.recall() { any = true }
                continue
            }
            plans[index] = nil
            any = true
            bound[index] = plan.bindings
            adapter.rebind(bound.flatMap(\.self), unread: unread)
            let wanted = plan.reads.driverSettings
            guard wanted != inForce[index] else { continue }
            inForce[index] = wanted
            var driver = wanted.make(seed: random.next(), lineKeeps: fresh.delay)
            if let learned = store.document(Kept.learned(ports[index].name)) { driver.restore(learned, at: now) }
            for outcome in ports[index].change(to: driver, on: plan.reads.line, at: now) { receive(outcome) }
        }
        return any
    }
}

extension Gateway {
    mutating func publishState(of device: DeviceID, at now: Moment) {
        let config = StateBook.Config(
            hash: configs.hash(of: device), refused: configs.refused(of: device),
            isEnabled: !isDisabled(device))
        let document = device == settings.gateway
            ? states.own(since: startedAt.wall, version: settings.version, config, at: now.wall)
            : states.document(of: device, config, firmware: firmware(of: device), at: now.wall)
        if let document { session.state(device, document: document.bytes, mark: document.mark, at: now) }
    }

    /// The clock is trusted: documents from before say when things really began.
    mutating func correctStates(at now: Moment) {
        let started = now.at(startedAt.instant)
        if StateBook.differ(started, startedAt) {
            startedAt = started
            publishState(of: settings.gateway, at: now)
        }
        for device in states.correct(at: now) { publishState(of: device, at: now) }
    }

    private func firmware(of device: DeviceID) -> String? {
        guard !identities.isEmpty, let binding = adapter.binding(of: device) else { return nil }
        return identities.firmware(binding.address)
    }

    /// A reading's failures are the last error of its devices while they are not well.
    mutating func noteErrors(of reading: Reading, at now: Moment) -> Bool {
        // What is well and has always been costs nothing.
        var word: String?
        for part in reading.parts {
            if case .failure(let failure) = part.result {
                word = failure.word
                break
            }
        }
        guard word != nil || states.hasErrors else { return false }
        var isNews = false
        for device in adapter.devices(at: reading.address) where states.note(error: word, of: device) {
            publishState(of: device, at: now)
            isNews = true
        }
        return isNews
    }

    /// Nothing of it is read.
    func isDisabled(_ device: DeviceID) -> Bool {
        guard let names = unread[device] else { return false }
        return adapter.binding(of: device).map { $0.points.allSatisfy { names.contains($0.name) } } ?? false
    }
}
