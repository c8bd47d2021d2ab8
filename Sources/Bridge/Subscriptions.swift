import Base
import MQTT

/// The config and commands subscriptions of attached devices: gathered for a moment, then up to 50
/// filters a packet. A refused one is tried again after five minutes.
struct Subscriptions: Sendable {
    static let filtersMax = 50
    static let gather: Duration = .milliseconds(100)
    static let retryAfter: Duration = .seconds(300)

    struct Item: Hashable, Sendable {
        var device: DeviceID
        var kind: TopicKind
        var filter: ByteString
    }

    private var pending: [Item] = []
    private var isPending: Set<Item> = []
    private var gatherUntil: Instant?
    private var inFlight: [PacketID: [Item]] = [:]
    private var refused: [(item: Item, retry: Instant)] = []

    var isIdle: Bool { pending.isEmpty && inFlight.isEmpty }

    /// When `timeout` or `next` has something to do.
    func due(_ trust: TopicTrust) -> Instant? {
        let retry = refused.first?.retry
        guard let gatherUntil, mayBegin(trust) else { return retry }
        return min(gatherUntil, retry ?? .distantFuture)
    }

    mutating func want(_ items: [Item], at now: Instant) {
        let new = items.filter { isPending.insert($0).inserted }
        if pending.isEmpty, !new.isEmpty { gatherUntil = now + Self.gather }
        pending += new
    }

    mutating func forget(_ device: DeviceID) {
        pending.removeAll { $0.device == device }
        isPending = Set(pending)
        refused.removeAll { $0.item.device == device }
    }

    /// Enough for a full packet waits.
    var isFull: Bool { pending.count >= Self.filtersMax }

    private func mayBegin(_ trust: TopicTrust) -> Bool {
        trust.isCareful ? pending.contains { trust.mayBegin($0.kind) } : !pending.isEmpty
    }

    /// Whether a packet may leave: a full one at once, otherwise after the gathering time.
    func isReady(at now: Instant, eager: Bool, _ trust: TopicTrust) -> Bool {
        mayBegin(trust) && (isFull || eager || (gatherUntil.map { $0 <= now } ?? true))
    }

    /// The filters of the next packet. While a kind is doubted, at most one that is not proven is
    /// among them.
    mutating func next(at now: Instant, eager: Bool, _ trust: TopicTrust) -> [Item]? {
        guard isReady(at: now, eager: eager, trust) else { return nil }
        var batch: [Item] = []
        if trust.isCareful {
            var left: [Item] = []
            var probe: TopicKind?
            for item in pending {
                let isProven = trust.isProven(item.kind)
                guard batch.count < Self.filtersMax, trust.mayBegin(item.kind),
                    isProven || (probe ?? item.kind) == item.kind
                else {
                    left.append(item)
                    continue
                }
                if !isProven { probe = item.kind }
                batch.append(item)
            }
            pending = left
        } else {
            batch = Array(pending.prefix(Self.filtersMax))
            pending.removeFirst(batch.count)
        }
        isPending.subtract(batch)
        return batch
    }

    mutating func sent(_ id: PacketID, _ items: [Item]) { inFlight[id] = items }

    /// Filters without an answer.
    var unanswered: [TopicTrust.Packet] {
        inFlight.values.flatMap { $0 }.map {
            TopicTrust.Packet(kind: $0.kind, words: "SUBSCRIBE to \($0.filter)")
        }.sorted { ByteString($0.words) < ByteString($1.words) }
    }

    /// Topics that a packet asked for, and those that the bridge refused.
    mutating func answered(
        _ id: PacketID, _ codes: [UInt8], at now: Instant
    ) -> (kinds: Set<TopicKind>, refused: [Item]) {
        guard let items = inFlight.removeValue(forKey: id) else { return ([], []) }
        let failed = zip(items, codes).filter { $0.1 == Suback.failure }.map(\.0)
        for item in failed { refused.append((item, now + Self.retryAfter)) }
        return (Set(items.map(\.kind)), failed)
    }

    mutating func timeout(at now: Instant) {
        while let first = refused.first, first.retry <= now {
            refused.removeFirst()
            want([first.item], at: now)
        }
    }
}
