import Adapter
import Base

/// Safe values: when the bridge has been away for `after`, the point is set to its value, once;
/// again only when the bridge has been back in between. A write that fails is tried again every
/// half minute.
struct SafeKeeper: Sendable {
    static let pause = Duration.seconds(30)

    struct Item: Sendable {
        var device: DeviceID
        var point: ByteString
        var value: JSON
        /// The same as it was configured.
        var text: ByteString
        var after: Duration
        fileprivate var state = State.waiting
        /// The failure was told; only success is news.
        var isQuiet = false

        func means(_ other: Item) -> Bool {
            device == other.device && point == other.point && text == other.text
                && after == other.after
        }
    }

    private struct Place: Hashable {
        var device: DeviceID
        var point: ByteString
    }

    fileprivate enum State: Sendable, Equatable {
        case waiting, writing, written
        case failed(retry: Instant)
    }

    private var items: [Item] = []
    /// Nil while the bridge is here.
    private(set) var awaySince: Instant?

    init(_ bindings: [Binding]) { rebind(bindings) }

    /// Other points; what was written of those that stay is not written again.
    mutating func rebind(_ bindings: [Binding]) {
        let old = Dictionary(
            items.map { (Place(device: $0.device, point: $0.point), $0) },
            uniquingKeysWith: { first, _ in first })
        items = bindings.flatMap { binding in
            binding.points.compactMap { point in
                guard let safe = point.safe, let value = try? JSONReader.parse(safe.value) else {
                    return nil
                }
                let new = Item(
                    device: binding.device, point: point.name, value: value, text: safe.value,
                    after: safe.after)
                let known = old[Place(device: new.device, point: new.point)]
                return known.flatMap { $0.means(new) ? $0 : nil } ?? new
            }
        }
    }

    mutating func start(at now: Instant) { awaySince = now }

    mutating func bridge(isHere: Bool, at now: Instant) {
        guard isHere else {
            awaySince = awaySince ?? now
            return
        }
        awaySince = nil
        for index in items.indices {
            items[index].state = .waiting
            items[index].isQuiet = false
        }
    }

    private func due(_ item: Item) -> Instant? {
        guard let awaySince else { return nil }
        switch item.state {
        case .waiting: return awaySince + item.after
        case .failed(let retry): return retry
        case .writing, .written: return nil
        }
    }

    var deadline: Instant? { items.lazy.compactMap(due).min() }

    /// Takes the items that are to be written now.
    mutating func take(at now: Instant) -> [Item] {
        guard awaySince != nil else { return [] }
        var taken: [Item] = []
        for index in items.indices {
            guard let due = due(items[index]), due <= now else { continue }
            items[index].state = .writing
            taken.append(items[index])
        }
        return taken
    }

    mutating func finished(
        _ device: DeviceID, _ point: ByteString, isWritten: Bool, at now: Instant
    ) {
        guard let index = items.firstIndex(where: { $0.device == device && $0.point == point }),
            items[index].state == .writing
        else { return }
        items[index].state = isWritten ? .written : .failed(retry: now + Self.pause)
        items[index].isQuiet = !isWritten
    }

    /// How many points hold their safe value because of this absence.
    var writtenCount: Int { items.count { $0.state == .written } }
    var count: Int { items.count }
}
