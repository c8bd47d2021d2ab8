import Base
import Bridge

/// What outlives the process: documents of the state directory, given back at the start and kept as
/// they change. None of it is needed: without it the gateway starts as on its first day.
extension Gateway {
    /// Names of documents in the store.
    enum Kept {
        /// `{"floor":MILLISECONDS}`: no clock that says earlier is right.
        static let clock = "clock"
    }

    /// The floor is written again when it has risen by this.
    static let clockFloorStep = Duration.seconds(3600)

    /// Called once, before the first line is opened and the bridge is called.
    mutating func restore(at now: Moment) {
        if let text = store.document(Kept.clock), let floor = try? JSONReader.parse(text)["floor"]?.integer {
            session.restore(clockFloor: WallTime(milliseconds: floor))
            keptFloor = session.clockFloor
        }
    }

    mutating func drainStore(at now: Moment) -> Bool {
        var any = false
        while let output = store.next() {
            any = true
            switch output {
            case .disk(let request): effects.append(.disk(request))
            case .notice(let notice): effects.append(.notice(notice))
            case .durable: break
            case .failed(let reason):
                effects.append(.finished(.unavailable(reason)))
                phase = .done
            }
        }
        return any
    }

    mutating func keepClockFloor(at now: Moment) {
        let floor = session.clockFloor
        guard isRestored, floor > keptFloor + Self.clockFloorStep || floor < keptFloor else { return }
        keptFloor = floor
        var writer = JSONWriter()
        writer.object { $0.member("floor", Int(floor.milliseconds)) }
        store.keep(Kept.clock, writer.bytes, at: now.instant)
    }
}
