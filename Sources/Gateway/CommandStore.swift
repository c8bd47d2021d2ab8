import Adapter
import Base
import Bridge

/// Keeps what outlives the process of commands, and holds PUBACKs and results until it is on the
/// disk.
///
/// The write to the wire never waits for the disk. The command's id is written at the same moment,
/// and the PUBACK waits for it: what the bridge has been told is known for good, and what it has
/// not been told may come again. A result is published only when the log has it, so that a repeat
/// is answered with the same.
struct CommandStore: Sendable {
    enum Held: Sendable {
        case acknowledge(Delivery)
        case result(DeviceID, body: [UInt8], at: Moment)
        /// The document of an earlier version, of which the log has all.
        case removal(String)
    }

    var log = CommandLog()
    var clock: BudgetClock
    private var held: [(version: UInt64, what: Held)] = []
    private var heldRead = 0

    init(bootID: [UInt8]) { clock = BudgetClock(bootID: bootID) }

    var isIdle: Bool { log.isIdle && heldRead == held.count }

    /// Waits until all that was put before is durable.
    mutating func hold(_ what: Held) { held.append((log.version, what)) }

    mutating func takeDurable() -> Held? {
        guard heldRead < held.count, held[heldRead].version <= log.durable else {
            if heldRead == held.count, heldRead > 0 { (held, heldRead) = ([], 0) }
            return nil
        }
        defer { heldRead += 1 }
        return held[heldRead].what
    }
}

extension Gateway {
    /// Gives the log what is new in memory, and with the first counted write the clocks.
    mutating func keepCommands(at now: Moment) {
        let changes = commands.takeChanges()
        guard !changes.isEmpty else { return }
        keepBudgetClock(at: now)
        for change in changes { commandStore.log.put(change) }
    }

    /// With the first counted write, and every hour while one counts.
    mutating func keepBudgetClock(at now: Moment) {
        let isTrusted = session.clockLevel == .trusted
        guard isRestored,
            let mark = commandStore.clock.mark(adapter.budgets, isTrusted: isTrusted, at: now)
        else { return }
        commandStore.log.put(.time(order: commands.takeOrder(), mark))
    }

    mutating func drainCommandStore(at now: Moment) -> Bool {
        keepCommands(at: now)
        var any = false
        let found = commandStore.log.takeFound()
        if !found.isEmpty { restore(found, at: now) }
        if commandStore.log.wantsSnapshot, isRestored {
            commandStore.log.rewrite(allCommandRecords(at: now))
        }
        while let output = commandStore.log.next() {
            any = true
            switch output {
            case .disk(let request): effects.append(.disk(request))
            case .notice(let notice): effects.append(.notice(notice))
            }
        }
        while let what = commandStore.takeDurable() {
            any = true
            switch what {
            case .acknowledge(let delivery): session.acknowledge(delivery, at: now)
            case .result(let device, let body, let known):
                appendResult(device, body, known: known, at: now)
            case .removal(let name): store.keep(name, nil, at: now.instant)
            }
        }
        return any
    }

    /// At the start, before a line is opened.
    mutating func restoreCommands(at now: Moment) {
        restore(commandStore.log.takeFound(), at: now)
        for device in adapter.bindings.map(\.device) + [settings.gateway] {
            let name = Kept.commands(device)
            guard let document = store.document(name) else { continue }
            commands.restore(document, of: device)
            keepCommands(at: now)
            commandStore.hold(.removal(name))
        }
    }

    private mutating func restore(_ records: [CommandRecord], at now: Moment) {
        commands.restore(records)
        var (mark, markOrder): (BudgetClock.Mark?, UInt64) = (nil, 0)
        var latest = Instant.zero
        var spent: [WriteBudgets.Key: (order: UInt64, value: WriteBudgets.Spent)] = [:]
        for record in records {
            switch record {
            case .time(let order, let found):
                latest = max(latest, found.time)
                if mark == nil || order > markOrder { (mark, markOrder) = (found, order) }
            case .spent(let order, let device, let point, let value):
                latest = max(latest, value.day.entries.last?.at ?? latest)
                let key = WriteBudgets.Key(device: device, point: point)
                if spent[key].map({ $0.order < order }) ?? true { spent[key] = (order, value) }
            case .accepted, .done: break
            }
        }
        let accepted = records.sorted { $0.order < $1.order }
        for case .accepted(let order, let at, let device, _, let points) in accepted {
            let time = Instant.zero + .milliseconds(at)
            latest = max(latest, time)
            for point in points {
                let key = WriteBudgets.Key(device: device, point: point)
                guard order > (spent[key]?.order ?? 0) else { continue }
                spent[key, default: (0, WriteBudgets.Spent())].value.add(at: time)
            }
        }
        guard latest > .zero || mark != nil else { return }
        let offset = commandStore.clock.restore(mark, latest: latest, at: now)
        adapter.budgets.shift(by: offset - adapter.budgets.offset)
        for (key, one) in spent { adapter.budgets.restore(key, one.value) }
        if session.clockLevel == .trusted {
            adapter.budgets.offset = commandStore.clock.trust(adapter.budgets.offset, at: now)
        }
    }

    private mutating func allCommandRecords(at now: Moment) -> [CommandRecord] {
        var all = commands.records
        commandStore.clock.expire()
        let isTrusted = session.clockLevel == .trusted
        if let mark = commandStore.clock.mark(adapter.budgets, isTrusted: isTrusted, at: now) {
            all.append(.time(order: commands.takeOrder(), mark))
        }
        for (key, spent) in adapter.budgets.all(at: now.instant) {
            all.append(
                .spent(order: commands.takeOrder(), device: key.device, point: key.point, spent))
        }
        return all
    }
}
