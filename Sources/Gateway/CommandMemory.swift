import Adapter
import Base

/// The ids of the commands that came lately, with their results, so that a command that comes twice
/// (QoS 1 may repeat it, also over a restart) is executed once and answered twice with the same
/// words.
struct CommandMemory: Sendable {
    static let perDevice = 1024
    /// Ids and results of all devices together; a device that is over it forgets its own oldest.
    static let bytesMax = 8 << 20
    /// For each id beside its text.
    private static let overhead = 64

    enum State: Sendable, Equatable {
        case underWay
        case done(body: [UInt8])
    }

    struct Key: Hashable, Sendable {
        var device: DeviceID
        var id: ByteString
    }

    /// The result after a restart of a command that was under way at the end: nobody knows.
    static let interrupted =
        "the gateway was restarted while this command was under way; "
        + "it may or may not have been carried out, and it is not repeated"

    private struct Entry: Sendable {
        /// Rises from command to command.
        var order: UInt64
        var state: State
    }

    private struct Ring: Sendable {
        var ids: [ByteString] = []
        var start = 0
    }

    private var entries: [Key: Entry] = [:]
    private var rings: [DeviceID: Ring] = [:]
    private(set) var bytes = 0
    private var lastOrder: UInt64 = 0
    /// Records that are new and not taken yet.
    private var changes: [CommandRecord] = []

    subscript(key: Key) -> State? { entries[key]?.state }

    /// The next order, for what is to stand among the commands.
    mutating func takeOrder() -> UInt64 {
        lastOrder += 1
        return lastOrder
    }

    /// A command goes to the wire, and with it counted writes of `points` at that time of the
    /// budgets.
    mutating func accept(_ key: Key, counted points: [ByteString], at time: Instant) {
        let order = takeOrder()
        changes.append(
            .accepted(
                order: order, at: time.nanoseconds / 1_000_000, device: key.device, id: key.id,
                points: points))
        insert(key, Entry(order: order, state: .underWay))
    }

    /// Keeps the answer to a command, accepted or refused.
    mutating func finish(_ key: Key, body: [UInt8]) {
        let order = entries[key]?.order ?? takeOrder()
        changes.append(.done(order: order, device: key.device, id: key.id, body: body))
        insert(key, Entry(order: order, state: .done(body: body)))
    }

    /// All writes of a point that are counted, those of commands included.
    mutating func keep(_ spent: WriteBudgets.Spent, _ key: WriteBudgets.Key) {
        changes.append(.spent(order: takeOrder(), device: key.device, point: key.point, spent))
    }

    private mutating func insert(_ key: Key, _ entry: Entry) {
        if let old = entries.updateValue(entry, forKey: key) {
            bytes += Self.size(key, entry.state) - Self.size(key, old.state)
            return
        }
        bytes += Self.size(key, entry.state)
        rings[key.device, default: Ring()].ids.append(key.id)
        while let ring = rings[key.device], ring.ids.count - ring.start > 1,
            ring.ids.count - ring.start > Self.perDevice || bytes > Self.bytesMax
        { forgetOldest(of: key.device) }
    }

    private mutating func forgetOldest(of device: DeviceID) {
        guard var ring = rings.removeValue(forKey: device) else { return }
        let key = Key(device: device, id: ring.ids[ring.start])
        if let old = entries.removeValue(forKey: key) { bytes -= Self.size(key, old.state) }
        ring.start += 1
        if ring.start > Self.perDevice {
            ring.ids.removeFirst(ring.start)
            ring.start = 0
        }
        rings[device] = ring
    }

    private static func size(_ key: Key, _ state: State) -> Int {
        var size = overhead + key.id.utf8.count
        if case .done(let body) = state { size += body.count }
        return size
    }

    // MARK: over a restart

    mutating func takeChanges() -> [CommandRecord] {
        guard !changes.isEmpty else { return [] }
        defer { changes.removeAll() }
        return changes
    }

    /// All that is remembered, oldest first. Writes are counted elsewhere.
    var records: [CommandRecord] {
        entries.sorted { $0.value.order < $1.value.order }.map { key, entry in
            switch entry.state {
            case .underWay:
                .accepted(order: entry.order, at: 0, device: key.device, id: key.id, points: [])
            case .done(let body):
                .done(order: entry.order, device: key.device, id: key.id, body: body)
            }
        }
    }

    /// Restores the commands that earlier runs remembered, in any order, with repeats. The result
    /// of a command that was under way at the end is unknown.
    mutating func restore(_ records: [CommandRecord]) {
        var latest: [Key: Entry] = [:]
        for record in records {
            lastOrder = max(lastOrder, record.order)
            switch record {
            case .accepted(let order, _, let device, let id, _):
                let key = Key(device: device, id: id)
                let body = CommandResult.body(
                    id: id, origin: .bridge, values: [], error: Self.interrupted)
                if latest[key].map({ $0.order < order }) ?? true {
                    latest[key] = Entry(order: order, state: .done(body: body))
                }
            case .done(let order, let device, let id, let body):
                let key = Key(device: device, id: id)
                if latest[key].map({ $0.order <= order }) ?? true {
                    latest[key] = Entry(order: order, state: .done(body: body))
                }
            case .spent, .time: break
            }
        }
        // What this run knows itself is newer.
        for (key, entry) in latest.sorted(by: { $0.value.order < $1.value.order })
        where entries[key] == nil {
            insert(key, entry)
        }
    }

    /// The document of a version before the log: `[["c-1","…result…"],["c-2",null],…]`, oldest
    /// first; null was under way. It goes into the log.
    mutating func restore(_ document: [UInt8], of device: DeviceID) {
        guard let rows = try? JSONReader.parse(document).array else { return }
        for row in rows.suffix(Self.perDevice) {
            guard let cells = row.array, cells.count == 2, let id = cells[0].string,
                (1...Command.identifierBytesMax).contains(id.utf8.count)
            else { continue }
            let key = Key(device: device, id: id)
            guard entries[key] == nil else { continue }
            finish(
                key,
                body: cells[1].string.map { Array($0.utf8) }
                    ?? CommandResult.body(
                        id: id, origin: .bridge, values: [], error: Self.interrupted))
        }
    }
}
