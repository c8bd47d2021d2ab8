import Base
import Bridge
import Spool

/// Documents of the state directory, which outlive the process. They are given back at the start
/// and kept as they change. None of them is needed: without them the gateway starts as on its first
/// day.
extension Gateway {
    /// Names of documents in the store.
    enum Kept {
        /// `{"floor":MILLISECONDS}`: no clock that says earlier is right.
        static let clock = "clock"
        /// `{"to":"HOST:PORT GATEWAY","failures":N,"shortLives":N,"key":N,"refusals":N}`: how the
        /// bridge was reached last; `refusals` is missing if there was none.
        static let bridge = "bridge"
        /// Losses that an earlier process could not tell: see `UntoldLosses`.
        static let losses = "losses"
        /// The alarms that are raised: see `Alarms.document`.
        static let alarms = "alarms"
        /// Facts that the driver of a port has learned about its units. Only the driver reads them.
        static func learned(_ port: PortName) -> String { "learned-\(port)" }

        /// The loss that goes with a document; nil for a name that the gateway does not use.
        static func meaning(of name: String) -> String? {
            func rest(_ prefix: String) -> Substring? {
                name.hasPrefix(prefix) ? name.dropFirst(prefix.count) : nil
            }
            switch name {
            case clock: return "how late it is at least is lost"
            case bridge: return "how often the bridge could not be reached is lost"
            case losses: return "losses of an earlier run are not told"
            case StartCount.name: return "how often it was started is lost"
            case RetainedTopics.name:
                return "retained messages of devices that are gone stay at the broker"
            case alarms: return "alarms of an earlier run that are over are not cleared"
            case NumberFloor.name:
                return
                    "how far record numbers had come is lost, chance alone keeps a wiped journal apart"
            default: break
            }
            if let port = rest("learned-") {
                return "what was learned about the units of \(port) is lost"
            }
            if let device = rest("config-") {
                return "the config document of \(device) is lost until the bridge sends it again"
            }
            if let device = rest("commands-") {
                return
                    "the command ids of \(device) are lost: a command that comes again may be carried out again"
            }
            return nil
        }

        /// The name in a version before the command log.
        static func commands(_ device: DeviceID) -> String {
            let text = device.text
            // A document's name has 200 characters at most; no device ID has a plus.
            if text.utf8.count <= 180 { return "commands-\(text)" }
            return
                "commands-\(text.prefix(160))+\(String(CRC32C.checksum(Array(text.utf8)), radix: 16))"
        }
    }

    /// The floor is written again when it has risen by this.
    static let clockFloorStep = Duration.seconds(3600)

    /// Called once, before the first line is opened and the bridge is called.
    mutating func restore(at now: Moment) {
        if let text = store.document(Kept.clock),
            let floor = try? JSONReader.parse(text)["floor"]?.integer
        {
            session.restore(clockFloor: WallTime(milliseconds: floor))
            keptFloor = session.clockFloor
        }
        restoreBridge()
        let floor = numbers.restore(store.document(NumberFloor.name))
        if phase == .running { spool.start(numbersFrom: floor, at: now) }
        if let losses = store.document(Kept.losses).flatMap(UntoldLosses.init(document:)) {
            spool.inherit(losses, at: now)
        }
        reports.starts.restore(store.document(StartCount.name))
        keepStart(hasEnded: false, at: now)
        if let document = store.document(Kept.alarms) { reports.alarms.restore(document) }
        states.retained.restore(store.document(RetainedTopics.name))
        wantRetained(at: now)
        restoreConfigs(at: now)
        for index in ports.indices {
            if let document = store.document(Kept.learned(ports[index].name)) {
                ports[index].driver.receive(.learned(document), at: now)
            }
        }
        restoreCommands(at: now)
    }

    /// Notes the topics on which the broker keeps something of ours, and clears those that are no
    /// more.
    mutating func wantRetained(at now: Moment) {
        let session = settings.session
        var topics: Set<ByteString> = []
        let devices = settings.bindings.map(\.device) + leaving
        if session.retainsState, let state = session.layout.state {
            for device in [settings.gateway] + devices {
                topics.insert(ByteString(state.topic(device)))
            }
        }
        if session.retainsLatest, let latest = session.layout.latest {
            for binding in settings.bindings {
                for point in binding.points where !point.hidden {
                    let topic = latest.topic(binding.device, point.name)
                    if let topic { topics.insert(ByteString(topic.text)) }
                }
            }
        }
        if states.retained.want(topics) { keepRetained(at: now) }
        self.session.clear(states.retained.stale, at: now)
    }

    mutating func keepRetained(at now: Moment) {
        store.keep(RetainedTopics.name, states.retained.document, .now, at: now.instant)
    }

    /// At the end, when the disk has failed to the end.
    mutating func keepLosses(at now: Moment) {
        guard isRestored else { return }
        let losses = spool.untoldLosses
        store.keep(Kept.losses, losses.isEmpty ? nil : losses.document, .now, at: now.instant)
    }

    /// Forgets the losses that were taken over, once the journal has them.
    mutating func forgetLosses(at now: Moment) {
        guard isRestored, phase == .running, store.document(Kept.losses) != nil, spool.hasToldAll
        else { return }
        store.keep(Kept.losses, nil, .now, at: now.instant)
    }

    /// At once: how this run ends says what the next one tells of it.
    mutating func keepStart(hasEnded: Bool, at now: Moment) {
        guard isRestored else { return }
        let document = reports.starts.document(hasEnded: hasEnded)
        store.keep(StartCount.name, document, .now, at: now.instant)
    }

    mutating func keepLearned(_ document: [UInt8], of port: PortName, at now: Moment) {
        store.keep(Kept.learned(port), document, at: now.instant)
    }

    mutating func drainStore(at now: Moment) -> Bool {
        var any = false
        while let output = store.next() {
            any = true
            switch output {
            case .disk(let request): effects.append(.disk(request))
            case .notice(let notice): effects.append(.notice(notice))
            case .opened(let entries): commandStore.log.open(entries, at: now.instant)
            case .durable(let name): configIsDurable(name, at: now)
            case .failed(let reason):
                effects.append(.finished(.unavailable(reason)))
                phase = .done
            }
        }
        // A directory that cannot be written is told about, not waited for.
        if any, store.isIdle { for name in configs.awaited { configIsDurable(name, at: now) } }
        return any
    }

    /// Another bridge or gateway starts without a past.
    private mutating func restoreBridge() {
        guard let text = store.document(Kept.bridge), let document = try? JSONReader.parse(text),
            document["to"]?.string == ByteString(bridgeName)
        else { return }
        func number(_ name: ByteString) -> Int {
            document[name]?.integer.flatMap { Int(exactly: $0) } ?? 0
        }
        keptMemory = Session.Memory(
            failures: number("failures"), shortLives: number("shortLives"), key: number("key"),
            refusals: number("refusals"))
        session.restore(keptMemory)
    }

    private var bridgeName: String {
        "\(settings.session.endpoints.first?.describe ?? "") \(settings.gateway)"
    }

    /// At most a handful of times in an outage, since the count ends where the back-off does.
    mutating func keepBridge(at now: Moment) {
        let memory = session.memory
        guard isRestored, memory != keptMemory else { return }
        keptMemory = memory
        guard memory != Session.Memory() else {
            store.keep(Kept.bridge, nil, .now, at: now.instant)
            return
        }
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("to", bridgeName)
            writer.member("failures", memory.failures)
            writer.member("shortLives", memory.shortLives)
            writer.member("key", memory.key)
            if memory.refusals > 0 { writer.member("refusals", memory.refusals) }
        }
        store.keep(Kept.bridge, writer.bytes, .now, at: now.instant)
    }

    /// At once: the numbers of what is published must be covered.
    mutating func keepNumbers(at now: Moment) {
        guard isRestored, let document = numbers.change(to: spool.numberFloor) else { return }
        store.keep(NumberFloor.name, document, .now, at: now.instant)
    }

    mutating func keepClockFloor(at now: Moment) {
        let floor = session.clockFloor
        guard isRestored, floor > keptFloor + Self.clockFloorStep || floor < keptFloor else {
            return
        }
        keptFloor = floor
        var writer = JSONWriter()
        writer.object { $0.member("floor", Int(floor.milliseconds)) }
        store.keep(Kept.clock, writer.bytes, at: now.instant)
    }
}
