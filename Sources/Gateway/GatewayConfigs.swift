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
            effects.append(
                .notice(
                    Notice(
                        .warning, "gateway", device.text,
                        "a config document is refused, the one before stays: \(reason)", kind: .peer
                    )))
            session.acknowledge(delivery, at: now)
            publishState(of: device, at: now)
        case .accepted:
            let words = configs.hash(of: device).map { "config document \($0) is in force" }
            effects.append(
                .notice(
                    Notice(
                        .info, "gateway", device.text,
                        words ?? "no config document any more: the file alone holds", kind: .peer)))
            applyConfigs(of: device, at: now)
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

    /// Restores the documents that an earlier run has kept, before the first line is opened.
    mutating func restoreConfigs(at now: Moment) {
        let devices = [settings.gateway] + settings.bindings.map(\.device)
        var ours: Set<String> = []
        for device in devices {
            let name = ConfigDesk.name(of: device)
            ours.insert(name)
            guard let payload = store.document(name) else { continue }
            if case .refused(let reason) = configs.receive(payload, for: device) {
                effects.append(
                    .notice(
                        Notice(
                            .warning, "gateway", device.text,
                            "the config document of an earlier run does not fit the file any more: \(reason)"
                        )))
                store.keep(name, nil, at: now.instant)
            }
        }
        for name in store.names("config-") where !ours.contains(name) && !store.isUnmarked(name) {
            store.keep(name, nil, at: now.instant)
        }
        if !configs.narrowings.isEmpty { applyConfigs(at: now) }
    }

    /// New reads of a port, taken up as soon as the exchange under way has ended.
    struct Plan: Sendable {
        var driver: Settings.Driver
        var line: LineSettings
        var bound: Bound
    }

    /// The adapter's part of a port: its bindings, and their points that are not read.
    struct Bound: Sendable {
        var source: Source
        var bindings: [Binding]
        var unread: [DeviceID: Set<ByteString>]

        init(_ source: Source, _ bindings: [Binding], unread: [DeviceID: Set<ByteString>] = [:]) {
            self.source = source
            self.bindings = bindings
            self.unread = unread
        }

        func reads(asIn other: Bound) -> Bool {
            bindings == other.bindings && unread == other.unread
        }
    }

    /// Section and narrowings from which a port's reads were made.
    struct Source: Hashable, Sendable {
        var port: Configuration.Port
        var narrowings: [Narrowing] = []
    }

    /// Everything as all documents together say. A port whose reads do not change goes on
    /// undisturbed, and one whose file and documents are the same costs next to nothing.
    /// - Parameter device: whose document is another one; nil: all may be.
    mutating func applyConfigs(of device: DeviceID? = nil, at now: Moment) {
        for (index, port) in settings.configured.enumerated() {
            if let device, device != settings.gateway,
                !port.nodes.contains(where: { $0.device == device })
            {
                continue
            }
            let source = Source(port: port, narrowings: configs.narrowings(for: port))
            guard source != plans[index]?.bound.source ?? bound[index].source else { continue }
            let (narrowed, silent) = port.narrowed(by: source.narrowings)
            for node in port.nodes { unread[node.device] = silent[node.device] }
            let reads = narrowed.reading(without: silent)
            let plan = Plan(
                driver: reads.driverSettings, line: reads.line,
                bound: Bound(source, narrowed.bindings, unread: silent))
            let isInForce =
                plan.driver == inForce[index] && plan.bound.reads(asIn: bound[index])
                && plan.line == ports[index].line
            if !isInForce || plans[index] != nil {
                plans[index] = plan
            } else {
                bound[index] = plan.bound
            }
        }
        let level = configs.logLevel ?? settings.logLevel
        guard level != logLevel else { return }
        logLevel = level
        logFrames()
        effects.append(.logLevel(level == settings.logLevel ? nil : level.notice))
    }

    /// Frames are told at the level `wire`.
    mutating func logFrames() {
        for index in ports.indices {
            let isModbus = settings.configured[index].driver.isModbus
            ports[index].logFrames(isModbus: logLevel == .wire ? isModbus : nil)
        }
    }

    /// Points that are not read, as far as drivers and adapter know of it.
    var unreadInForce: [DeviceID: Set<ByteString>] {
        bound.reduce(into: [:]) { all, port in all.merge(port.unread) { $1 } }
    }

    /// Driver and adapter change together, or a reading would meet an adapter that does not expect
    /// it.
    mutating func takeUpPlans(at now: Moment) -> Bool {
        guard !plans.isEmpty else { return false }
        recordFresh(at: now)
        var (isTaken, isHeld) = (false, false)
        for index in plans.keys.sorted() {
            guard let plan = plans[index] else { continue }
            let isOther = plan.driver != inForce[index] || plan.line != ports[index].line
            if isOther, ports[index].driver.isExchanging(at: now.instant) {
                isHeld = ports[index].driver.hold(at: now) || isHeld
                guard !ports[index].driver.isExchanging(at: now.instant) else { continue }
            }
            plans[index] = nil
            isTaken = true
            // Also where nothing is to change any more: it was held for that.
            change(index, to: plan, at: now)
            bound[index] = plan.bound
        }
        if isTaken { adapter.rebind(bound.flatMap(\.bindings), unread: unreadInForce) }
        return isTaken || isHeld
    }

    private mutating func change(_ index: Int, to plan: Plan, at now: Moment) {
        let isOtherLine = plan.line != ports[index].line
        if isOtherLine {
            ports[index].endLine(at: now)
            drain(port: index, at: now)
        }
        let hasOthers = plan.driver.units != inForce[index].units
        inForce[index] = plan.driver
        let learned = store.document(Kept.learned(ports[index].name))
        if ports[index].adopt(plan.driver, at: now) {
            if hasOthers, let learned { ports[index].driver.receive(.learned(learned), at: now) }
        } else {
            if !isOtherLine { ports[index].endLine(at: now) }
            drain(port: index, at: now)
            var driver = plan.driver.make(seed: random.next(), autonomy: fresh.autonomy)
            if let learned { driver.receive(.learned(learned), at: now) }
            ports[index].replace(driver, at: now)
        }
        if isOtherLine { ports[index].change(to: plan.line) }
    }
}

extension Gateway {
    mutating func publishState(of device: DeviceID, at now: Moment) {
        door.touch(device)
        let config = StateBook.Config(
            hash: configs.hash(of: device), refused: configs.refused(of: device),
            isEnabled: !isDisabled(device))
        let document =
            device == settings.gateway
            ? states.own(since: startedAt.wall, version: settings.version, config, at: now.wall)
            : states.document(of: device, config, firmware: firmware(of: device), at: now.wall)
        guard let document else { return }
        session.state(
            device, document: settings.publish.state(document.bytes, of: device, at: now.wall),
            mark: document.mark, at: now)
    }

    /// The clock is trusted: documents from before say when things really began.
    mutating func correctStates(at now: Moment) {
        let started = now.corrected(startedAt)
        if started != startedAt {
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
        for device in adapter.devices(at: reading.address)
        where states.note(error: word, of: device) {
            publishState(of: device, at: now)
            isNews = true
        }
        return isNews
    }

    /// Nothing of it is read.
    func isDisabled(_ device: DeviceID) -> Bool {
        guard let names = unread[device] else { return false }
        return adapter.binding(of: device).map { $0.points.allSatisfy { names.contains($0.name) } }
            ?? false
    }
}
