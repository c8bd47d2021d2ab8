/// Outputs of a machine that are taken one by one. Public and inlinable: as generic code in another
/// module it would cost more than what it holds.
@frozen public struct OutputQueue<Element: Sendable>: Sendable {
    @usableFromInline var waiting: [Element] = []
    @usableFromInline var taken = 0

    @inlinable public init() {}

    @inlinable public mutating func append(_ output: Element) { waiting.append(output) }

    /// Drops what has not been taken.
    @inlinable public mutating func removeWaiting() { waiting.removeSubrange(taken...) }

    @inlinable public mutating func next() -> Element? {
        guard taken < waiting.count else {
            if taken > 0 { waiting.removeAll(keepingCapacity: true) }
            taken = 0
            return nil
        }
        taken += 1
        return waiting[taken - 1]
    }
}
