import Base
import Modbus

/// A request that nobody wants for its answer: it proves that nothing older of its unit is on its
/// way.
struct FenceJob: Sendable {
    enum Cause: Hashable, Sendable {
        /// A read of this cycle waits for it.
        case cycle(Int)
        /// The unit's first order, of this id, waits for it.
        case order(UInt64)
        /// The last reading is in doubt.
        case doubt
        /// The unit's first request of another master waits for it.
        case served

        var isRead: Bool { if case .cycle = self { true } else { false } }
    }

    let unit: Int
    let kind: FenceMeans.Kind
    let request: Request
    let cause: Cause
    /// Whether the unit answers to such a request is not known, and it is well otherwise.
    let isTrial: Bool
}
