import Base

/// One write of a command: an order, and the points whose values it carries.
package struct WriteStep: Hashable, Sendable {
    package var order: Order
    package var points: [ByteString]

    package init(_ order: Order, _ points: [ByteString]) {
        self.order = order
        self.points = points
    }

    /// Of one request of function 16 or 15 (Application Protocol V1.1b3, sections 6.11 and 6.12).
    private static let registersMax = 123
    private static let coilsMax = 1968

    /// Joins the steps of points that are to be written together, where one begins at the item
    /// after the other's last, to one step each, which stands where the first of them stood.
    /// - Parameter isTogether: for each step whether it may be joined.
    static func joined(_ steps: [WriteStep], _ isTogether: [Bool]) -> [WriteStep] {
        let chosen = steps.indices.filter { isTogether[$0] }.sorted { left, right in
            let (left, right) = (steps[left].order, steps[right].order)
            return (left.table.rawValue, left.start) < (right.table.rawValue, right.start)
        }
        guard chosen.count > 1 else { return steps }
        var runs: [(first: Int, step: WriteStep)] = []
        for index in chosen {
            if let last = runs.last, let both = last.step.joined(with: steps[index]) {
                runs[runs.count - 1] = (min(last.first, index), both)
            } else {
                runs.append((index, steps[index]))
            }
        }
        let heads = Dictionary(runs.map { ($0.first, $0.step) }) { first, _ in first }
        return steps.indices.compactMap { isTogether[$0] ? heads[$0] : steps[$0] }
    }

    /// Nil unless `next` follows at once and both go by one request.
    private func joined(with next: WriteStep) -> WriteStep? {
        let (mine, other) = (order, next.order)
        guard mine.table == other.table, mine.start + mine.data.count == other.start,
            mine.readBack == other.readBack, mine.compare == other.compare
        else { return nil }
        var both = self
        switch (mine.data, other.data) {
        case (.registers(let left), .registers(let right))
        where left.count + right.count <= Self.registersMax:
            both.order.data = .registers(left + right)
        case (.bits(let left), .bits(let right)) where left.count + right.count <= Self.coilsMax:
            both.order.data = .bits(left + right)
        default: return nil
        }
        both.order.function = nil
        both.points += next.points
        return both
    }
}
