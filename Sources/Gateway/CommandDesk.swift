import Adapter
import Base

/// Carries commands to the wire and their results back, whoever gives them. A command is checked as
/// a whole before its first write; the writes go out one after the other in the order given; the
/// first that fails ends it. Each is told once in the log, with who gave it, and once as a result.
package struct CommandDesk: Sendable {
    /// Commands under way at one time; more are refused rather than queued without bound.
    package static let openMax = 64
    /// Commands taken at once, and in every second from then on.
    package static let burst = 100
    package static let perSecond = 20.0
    /// Refusals of a flood that are published; the others are only counted.
    static let refusalBurst = 20
    static let refusalsPerSecond = 1.0

    package enum Output: Sendable {
        case submit(Order)
        /// The body of a message on the device's command result topic.
        case result(DeviceID, body: [UInt8])
        /// The one who waits at the control socket is answered.
        case answer(ControlTicket, Result<Void, Refusal>)
        /// A safe value was written, or could not be.
        case safe(DeviceID, point: ByteString, isWritten: Bool)
        case notice(Notice)
    }

    package struct Refusal: Error, Hashable, Sendable {
        package var kind: String
        package var message: String
        package var exception: UInt8?
    }

    struct Open: Sendable {
        var device: DeviceID
        var id: ByteString
        var origin: CommandOrigin
        var ticket: ControlTicket?
        /// Note for the client of the control socket, added to the message of a failure.
        var note: String?
        /// A failure is no news.
        var isQuiet = false
        var orders: [WriteStep]
        var done = 0
        var values: [(point: ByteString, json: [UInt8])] = []
    }

    private var open: [UInt64: Open] = [:]  // by the id of the order on its way
    private(set) var memory = CommandMemory()
    private var bucket = TokenBucket(burst: burst, perSecond: perSecond)
    private var refusals = TokenBucket(burst: refusalBurst, perSecond: refusalsPerSecond)
    /// Refusals of a flood since it was last told.
    private var unpublished = 0
    private var orderID: UInt64 = 0
    private var outputs: [Output] = []
    private(set) var counters = Counters()

    struct Counters: Sendable {
        var accepted = 0
        var done = 0
        var failed = 0
        var refused = 0
        var repeated = 0
    }

    package init() {}

    package mutating func next() -> Output? { outputs.isEmpty ? nil : outputs.removeFirst() }

    /// The ids and results that earlier runs remembered.
    package mutating func restore(_ records: [CommandRecord]) { memory.restore(records) }

    /// The same of one device, from the document of an earlier version.
    package mutating func restore(_ document: [UInt8], of device: DeviceID) {
        memory.restore(document, of: device)
    }

    /// Takes the records that are new in memory, to be kept.
    package mutating func takeChanges() -> [CommandRecord] { memory.takeChanges() }

    /// All that is remembered.
    package var records: [CommandRecord] { memory.records }

    mutating func takeOrder() -> UInt64 { memory.takeOrder() }

    /// Writes that no command has asked for count as well.
    mutating func keep(_ spent: WriteBudgets.Spent, _ key: WriteBudgets.Key) {
        memory.keep(spent, key)
    }

    /// Ids for orders that others make: `count` of them.
    mutating func takeIDs(_ count: Int) -> UInt64 {
        defer { orderID += UInt64(count) }
        return orderID + 1
    }

    // MARK: commands from the bridge

    /// - Parameter isRetained: the broker had kept it.
    package mutating func receive(
        _ payload: [UInt8], for device: DeviceID, isRetained: Bool = false, adapter: inout Adapter,
        at now: Moment
    ) {
        guard bucket.take(at: now.instant) else {
            return refuseFlood(payload, device, at: now.instant)
        }
        let command: Command
        do { command = try Command.parse(payload) } catch {
            return refuse(error.id, device, error.reason)
        }
        let key = CommandMemory.Key(device: device, id: command.id)
        if let known = memory[key] {
            counters.repeated += 1
            if case .done(let body) = known { outputs.append(.result(device, body: body)) }
            return
        }
        guard open.count < Self.openMax else {
            return refuse(
                command.id, device, "\(Self.openMax) commands are under way already",
                remembers: false)
        }
        if isRetained,
            let point = command.writes.first(where: {
                adapter.rule(of: $0.point, of: device)?.retained != true
            })
        {
            return refuse(
                command.id, device,
                "a retained command is not carried out, or every new connection would bring it "
                    + "again: publish it without the retain flag, or set `writable: { retained: true }` at "
                    + Notice.printable(point.point))
        }
        let orders: [WriteStep]
        do {
            orders = try adapter.steps(
                command.writes.map { ($0.point, $0.value) }, of: device,
                firstID: takeIDs(command.writes.count),
                expires: now.instant + command.expires, at: now)
        } catch {
            return refuse(command.id, device, error.message)
        }
        let counted = command.writes.map(\.point).filter {
            adapter.rule(of: $0, of: device).map(WriteBudgets.counts) ?? false
        }
        memory.accept(key, counted: counted, at: adapter.budgets.time(at: now.instant))
        begin(Open(device: device, id: command.id, origin: .bridge, orders: orders))
    }

    private mutating func refuse(
        _ id: ByteString?, _ device: DeviceID, _ reason: String, remembers: Bool = true
    ) {
        counters.refused += 1
        let body = CommandResult.body(id: id, origin: .bridge, values: [], error: reason)
        if let id, remembers {
            let key = CommandMemory.Key(device: device, id: id)
            if memory[key] == nil { memory.finish(key, body: body) }
        }
        outputs.append(.result(device, body: body))
        outputs.append(
            .notice(
                Notice(
                    .warning, "command", device.text,
                    "\(id.map(Notice.printable) ?? "without id") refused: \(reason)",
                    kind: .peer)))
    }

    /// More than anybody means: answered while the answers are few, then only counted.
    private mutating func refuseFlood(_ payload: [UInt8], _ device: DeviceID, at now: Instant) {
        guard refusals.take(at: now) else {
            counters.refused += 1
            unpublished += 1
            return
        }
        if unpublished > 0 {
            outputs.append(
                .notice(
                    Notice(
                        .warning, "command", device.text,
                        "\(Plural.text(unpublished, "command")) of a flood refused without a result",
                        kind: .peer)))
            unpublished = 0
        }
        let rate = Int(Self.perSecond)
        let reason = "too many commands: \(Self.burst) at once and \(rate) a second are taken"
        var id: ByteString?
        do { id = try Command.parse(payload).id } catch { id = error.id }
        refuse(id, device, reason, remembers: false)
    }

    // MARK: commands from others

    /// Orders that somebody else has made and answers for, with ids from `takeIDs`.
    mutating func run(_ command: Open) {
        guard !command.orders.isEmpty else { return }
        begin(command)
    }

    private mutating func begin(_ command: Open) {
        counters.accepted += 1
        let order = command.orders[0].order
        open[order.id] = command
        outputs.append(.submit(order))
    }

    // MARK: outcomes

    /// False if it belongs to somebody else.
    package mutating func receive(_ outcome: Outcome, adapter: inout Adapter) -> Bool {
        guard var command = open.removeValue(forKey: outcome.id) else { return false }
        let step = command.orders[command.done]
        var refusal: Refusal?
        for point in step.points {
            let verdict = Self.judge(
                outcome, step.order, of: command.device, point: point, adapter: adapter)
            if let json = verdict.json { command.values.append((point, json)) }
            refusal = refusal ?? verdict.refusal
        }
        if let refusal {
            finish(command, refusal, adapter)
            return true
        }
        command.done += 1
        guard command.done < command.orders.count else {
            finish(command, nil, adapter)
            return true
        }
        let next = command.orders[command.done].order
        open[next.id] = command
        outputs.append(.submit(next))
        return true
    }

    /// Judges the outcome of an order: the value to show, and the reason why it is no success.
    static func judge(
        _ outcome: Outcome, _ order: Order, of device: DeviceID, point: ByteString, adapter: Adapter
    ) -> (json: [UInt8]?, refusal: Refusal?) {
        let part: ReadPart?
        switch outcome.result {
        case .failure(let failure):
            var code: UInt8?
            if case .read(.exception(let number)) = failure { code = number }
            return (
                nil,
                Refusal(
                    kind: failure.kind, message: "\(point): \(failure.sentence)", exception: code)
            )
        case .success(let found): part = found
        }
        if case .custom = order.data {
            guard case .success(let bytes)? = part?.result else { return (nil, nil) }
            return (CommandResult.hex(bytes), nil)
        }
        guard let part else {
            // Acknowledged and not read back: what was written is what is known.
            if case .masked = order.data { return (nil, nil) }
            return (
                CommandResult.json(adapter.written(order, of: device, point: point))
                    ?? CommandResult.raw(order), nil
            )
        }
        let json = CommandResult.json(adapter.decode(part, of: device, point: point))
        guard order.compare else { return (json, nil) }
        func doubt(_ words: String) -> Refusal {
            Refusal(kind: "unconfirmed", message: "\(point): written, but \(words)")
        }
        if case .failure(let failure) = part.result {
            return (nil, doubt("reading it back failed: \(Outcome.Failure.read(failure).sentence)"))
        }
        guard adapter.confirms(part, order, of: device, point: point) else {
            return (json, doubt("it reads back as another value"))
        }
        return (json, nil)
    }

    /// `setpoint = 42, level = 1.5`: what a command writes, as far as a line of the log bears it.
    private static func words(_ command: Open, _ adapter: Adapter) -> String {
        let all = command.orders.flatMap { step in step.points.map { (step.order, $0) } }
        let writes = all.prefix(8).map { order, point in
            let value =
                CommandResult.json(adapter.written(order, of: command.device, point: point))
                ?? CommandResult.raw(order)
            return value.map { "\(point) = \(String(decoding: $0.prefix(80), as: UTF8.self))" }
                ?? point.string
        }
        let more = all.count - writes.count
        return Notice.printable(writes.joined(separator: ", "))
            + (more > 0 ? " and \(more) more" : "")
    }

    private mutating func finish(_ command: Open, _ refusal: Refusal?, _ adapter: Adapter) {
        if refusal == nil { counters.done += 1 } else { counters.failed += 1 }
        let body = CommandResult.body(
            id: command.id, origin: command.origin, values: command.values, error: refusal?.message)
        if command.origin == .bridge {
            memory.finish(CommandMemory.Key(device: command.device, id: command.id), body: body)
        }
        if let ticket = command.ticket {
            var told = refusal
            if let note = command.note { told?.message += note }
            outputs.append(.answer(ticket, told.map { .failure($0) } ?? .success(())))
        }
        if command.origin == .safe, let point = command.orders.first?.points.first {
            outputs.append(.safe(command.device, point: point, isWritten: refusal == nil))
            if command.isQuiet, refusal != nil { return }
        }
        outputs.append(.result(command.device, body: body))
        audit(
            command.device, command.id, command.origin, Self.words(command, adapter),
            refusal?.message)
    }

    /// A result of orders that somebody else has carried out.
    mutating func report(
        _ device: DeviceID, _ id: ByteString, _ origin: CommandOrigin,
        values: [(point: ByteString, json: [UInt8])],
        error: String?
    ) {
        if error == nil { counters.done += 1 } else { counters.failed += 1 }
        outputs.append(
            .result(
                device,
                body: CommandResult.body(id: id, origin: origin, values: values, error: error)))
        let words = values.prefix(8).map {
            "\($0.point) = \(String(decoding: $0.json.prefix(80), as: UTF8.self))"
        }
        audit(device, id, origin, Notice.printable(words.joined(separator: ", ")), error)
    }

    /// One line for each command: who, what, what became of it, and why.
    private mutating func audit(
        _ device: DeviceID, _ id: ByteString, _ origin: CommandOrigin, _ what: String,
        _ error: String?
    ) {
        let end = error.map { "failed: \($0)" } ?? "done"
        outputs.append(
            .notice(
                Notice(
                    error == nil ? .info : .warning, "command", device.text,
                    "\(Notice.printable(id)) by \(origin.rawValue)\(what.isEmpty ? " " : ": \(what): ")\(end)",
                    kind: .audit)))
    }
}
