import Adapter
import Base

/// Content of each device's state document: status of its unit, since when, the last error and the
/// units of its points. It holds the latest only, and never goes into the journal.
struct StateBook: Sendable {
    struct State: Hashable, Sendable {
        var status = UnitState.offline
        var since: Moment
        var error: String?
        var known = false
    }

    /// Where the broker keeps a state or a value.
    var retained = RetainedTopics()
    private var states: [DeviceID: State] = [:]
    /// Devices that are known not to be online.
    private(set) var unwell: Set<DeviceID> = []
    private var lastErrors: [DeviceID: String] = [:]
    private var units: [DeviceID: [(point: ByteString, units: ByteString)]]

    init(_ bindings: [Binding]) { units = Self.units(bindings) }

    /// Other devices and points; what is known of those that stay, stays.
    mutating func rebind(_ bindings: [Binding]) { units = Self.units(bindings) }

    private static func units(
        _ bindings: [Binding]
    ) -> [DeviceID: [(point: ByteString, units: ByteString)]] {
        var units: [DeviceID: [(point: ByteString, units: ByteString)]] = [:]
        for binding in bindings {
            units[binding.device] = binding.points.compactMap { point in
                point.hidden ? nil : point.units.map { (point.name, $0) }
            }
        }
        return units
    }

    /// A device that was gone and is back: nothing is known of it.
    mutating func forget(_ device: DeviceID) {
        states[device] = nil
        unwell.remove(device)
        lastErrors[device] = nil
    }

    func state(of device: DeviceID) -> State? { states[device] }

    /// Part of a state document about the config documents of its device.
    struct Config: Hashable, Sendable {
        var hash: String?
        var refused: ConfigDesk.Refused?
        var isEnabled = true
    }

    /// `mark` is the same for documents that say the same at another time.
    struct Document: Sendable {
        var bytes: [UInt8]
        var mark: Int
    }

    /// True if the document has changed.
    /// Without an `error` of its own, what is not well has that of its last reading.
    mutating func set(
        _ device: DeviceID, _ status: UnitState, error: String? = nil, at now: Moment
    ) -> Bool {
        let old = states[device].flatMap { $0.known && $0.status == status ? $0 : nil }
        if let old, error == nil || error == old.error { return false }
        let words = error ?? (status == .online ? nil : lastErrors[device])
        if status == .online { unwell.remove(device) } else { unwell.insert(device) }
        states[device] = State(status: status, since: old?.since ?? now, error: words, known: true)
        return true
    }

    /// The wall clock is right at last: what began before is told with its right time. The devices
    /// whose documents change with it.
    mutating func correct(at now: Moment) -> [DeviceID] {
        var changed: [DeviceID] = []
        for (device, state) in states {
            let since = now.corrected(state.since)
            guard since != state.since else { continue }
            states[device]?.since = since
            changed.append(device)
        }
        return changed.sorted()
    }

    var hasErrors: Bool { !lastErrors.isEmpty }

    /// The last reading's first failure, nil if it had none; true if the document has changed.
    mutating func note(error: String?, of device: DeviceID) -> Bool {
        lastErrors[device] = error
        guard let state = states[device], state.known, state.status != .online, let error,
            error != state.error
        else {
            return false
        }
        states[device]?.error = error
        return true
    }

    /// `{"ts","status","since","error","firmware","config","refused","enabled","points"}`; nil
    /// until there is something to say: the unit was heard of, or a config document came.
    func document(
        of device: DeviceID, _ config: Config, firmware: String? = nil, at now: WallTime
    ) -> Document? {
        let state = states[device].flatMap { $0.known ? $0 : nil }
        guard state != nil || config != Config() else { return nil }
        var hasher = Hasher()
        hasher.combine(state)
        hasher.combine(config)
        hasher.combine(firmware)
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("ts", now)
            if let state {
                writer.member("status", state.status.rawValue)
                writer.member("since", state.since.wall)
                if let error = state.error { writer.member("error", error) }
            }
            if let firmware { writer.member("firmware", firmware) }
            Self.write(config, to: &writer)
            if let points = units[device], !points.isEmpty {
                writer.key("points")
                writer.object { writer in
                    for each in points {
                        writer.key(each.point)
                        writer.object { $0.member("units", each.units) }
                    }
                }
            }
        }
        return Document(bytes: writer.bytes, mark: hasher.finalize())
    }

    /// The gateway's own: `{"ts","status":"online","since","firmware","config","refused"}`.
    func own(since: WallTime, version: String, _ config: Config, at now: WallTime) -> Document {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("ts", now)
            writer.member("status", UnitState.online.rawValue)
            writer.member("since", since)
            writer.member("firmware", version)
            Self.write(config, to: &writer)
        }
        var hasher = Hasher()
        hasher.combine(since)
        hasher.combine(config)
        return Document(bytes: writer.bytes, mark: hasher.finalize())
    }

    private static func write(_ config: Config, to writer: inout JSONWriter) {
        if let hash = config.hash { writer.member("config", hash) }
        if let refused = config.refused {
            writer.key("refused")
            writer.object { writer in
                writer.member("config", refused.hash)
                writer.member("reason", refused.reason)
            }
        }
        if !config.isEnabled { writer.member("enabled", false) }
    }
}
