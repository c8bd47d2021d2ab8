/// Values by packet id. Ids are given out in order, so an id's own low bits place it: open
/// addressing with linear probing, at most half full, without the hashing that a dictionary would
/// do several times for every message. Public and inlinable, because generic code over types that
/// stay generic is many times slower.
public struct PacketTable<Value: Sendable>: Sendable {
    @usableFromInline struct Slot: Sendable {
        @usableFromInline var id: UInt16
        @usableFromInline var value: Value

        @inlinable init(id: UInt16, value: Value) {
            self.id = id
            self.value = value
        }
    }

    /// A power of two of them; a packet is in its own place or in the free ones behind it.
    @usableFromInline var slots: [Slot?]
    @usableFromInline var used = 0
    /// How many are not in their own place. Ids in a row make runs without a gap, so nothing but
    /// this being zero ends the search for what has to move up when one goes.
    @usableFromInline var displaced = 0

    @inlinable public init() { slots = Array(repeating: nil, count: 16) }

    @inlinable public var count: Int { used }
    @inlinable public var isEmpty: Bool { used == 0 }

    @inlinable public subscript(id: UInt16) -> Value? { slots[place(of: id)]?.value }

    @inlinable public func contains(_ id: UInt16) -> Bool { slots[place(of: id)] != nil }

    /// Where it is, or where it would go.
    @inlinable func place(of id: UInt16) -> Int {
        let mask = slots.count &- 1
        var place = Int(id) & mask
        while let slot = slots[place], slot.id != id { place = (place &+ 1) & mask }
        return place
    }

    @inlinable public mutating func insert(_ value: Value, for id: UInt16) {
        if used &* 2 >= slots.count { grow() }
        let place = place(of: id)
        if slots[place] == nil {
            used &+= 1
            if place != Int(id) & (slots.count &- 1) { displaced &+= 1 }
        }
        slots[place] = Slot(id: id, value: value)
    }

    @inlinable public mutating func remove(_ id: UInt16) -> Value? {
        var hole = place(of: id)
        guard let found = slots[hole].take() else { return nil }
        used &-= 1
        let mask = slots.count &- 1
        if hole != Int(id) & mask { displaced &-= 1 }
        guard displaced > 0 else { return found.value }
        // What stands behind and would not be found across the hole moves into it.
        var next = (hole &+ 1) & mask
        while let slot = slots[next] {
            let home = Int(slot.id) & mask
            if (next &- home) & mask >= (next &- hole) & mask {
                slots[hole] = slot
                slots[next] = nil
                if hole == home { displaced &-= 1 }
                hole = next
            }
            next = (next &+ 1) & mask
        }
        return found.value
    }

    @inlinable mutating func grow() {
        let old = slots
        slots = Array(repeating: nil, count: old.count * 2)
        displaced = 0
        for case let slot? in old {
            let place = place(of: slot.id)
            slots[place] = slot
            if place != Int(slot.id) & (slots.count &- 1) { displaced &+= 1 }
        }
    }

    /// In no order.
    @inlinable public var elements: [(id: UInt16, value: Value)] {
        slots.compactMap { slot in slot.map { ($0.id, $0.value) } }
    }
}
