import Base

/// Data that one manual write puts on the wire: whole registers, or coils.
package enum RegisterValues: Hashable, Sendable {
    case registers([UInt16])
    case bits([Bool])

    package var order: Order.Data {
        switch self {
        case .registers(let words): .registers(words)
        case .bits(let flags): .bits(flags)
        }
    }

    package var count: Int {
        switch self {
        case .registers(let words): words.count
        case .bits(let flags): flags.count
        }
    }

    /// Nil for orders that write something else than values at a place.
    package init?(_ data: Order.Data) {
        switch data {
        case .registers(let words): self = .registers(words)
        case .bits(let flags): self = .bits(flags)
        case .masked, .custom, .nothing: return nil
        }
    }
}
