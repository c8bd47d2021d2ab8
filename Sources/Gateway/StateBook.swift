import Adapter
import Base

/// What each device's state document says: status of its unit, since when, the last error and the
/// units of its points. Latest only, never in the journal.
struct StateBook: Sendable {
    struct State: Sendable, Equatable {
        var status = UnitState.offline
        var since: WallTime
        var error: String?
        var known = false
    }

    private var states: [DeviceID: State] = [:]
    private let units: [DeviceID: [(point: String, units: String)]]

    init(_ bindings: [Binding]) {
        var units: [DeviceID: [(point: String, units: String)]] = [:]
        for binding in bindings {
            units[binding.device] = binding.points.compactMap { point in
                point.hidden ? nil : point.units.map { (point.name, $0) }
            }
        }
        self.units = units
    }

    func state(of device: DeviceID) -> State? { states[device] }

    /// True if the document has changed.
    mutating func set(_ device: DeviceID, _ status: UnitState, error: String? = nil, at now: WallTime) -> Bool {
        let old = states[device]
        if let old, old.known, old.status == status, old.error == error { return false }
        let since = old.map { $0.known && $0.status == status ? $0.since : now } ?? now
        states[device] = State(status: status, since: since, error: error, known: true)
        return true
    }

    /// `{"ts","status","since","error","points"}`; nil until the unit was heard of.
    func document(of device: DeviceID, at now: WallTime) -> [UInt8]? {
        guard let state = states[device], state.known else { return nil }
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("ts", now)
            writer.member("status", state.status.rawValue)
            writer.member("since", state.since)
            if let error = state.error { writer.member("error", error) }
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
        return writer.bytes
    }
}
