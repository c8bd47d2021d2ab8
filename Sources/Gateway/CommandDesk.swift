import Adapter
import Base

/// Carries commands to the wire and their results back. A command is checked as a whole before its
/// first write; the writes go out one after the other in the order given; the first that fails ends it.
/// The last 1,024 ids of every device are remembered, so a command that comes twice (QoS 1 may
/// repeat it) is executed once and answered twice with the same words.
package struct CommandDesk: Sendable {
    package static let rememberedMax = 1024
    /// Commands under way at one time; more are refused rather than queued without bound.
    package static let openMax = 64

    package enum Output: Sendable {
        case submit(Order)
        /// The body of a message on the device's command result topic.
        case result(DeviceID, body: [UInt8])
        case notice(Notice)
    }

    private struct Open: Sendable {
        var key: Key
        var orders: [(order: Order, point: String)]
        var done = 0
        var values: [(point: String, json: [UInt8])] = []
    }

    private struct Key: Hashable, Sendable {
        var device: DeviceID
        var id: String
    }

    private var open: [UInt64: Open] = [:]      // by the id of the order on its way
    private var results: [Key: [UInt8]?] = [:]  // nil while under way
    private var remembered: [Key] = []
    private var rememberedStart = 0
    private var orderID: UInt64 = 0
    private var outputs: [Output] = []

    package init() {}

    package mutating func next() -> Output? { outputs.isEmpty ? nil : outputs.removeFirst() }

    package mutating func receive(_ payload: [UInt8], for device: DeviceID, adapter: inout Adapter, at now: Moment) {
        let command: Command
        do { command = try Command.parse(payload) } catch {
            refuse(error.id, device, error.reason)
            return
        }
        let key = Key(device: device, id: command.id)
        if let known = results[key] {
            if let body = known { outputs.append(.result(device, body: body)) }
            return
        }
        guard open.count < Self.openMax else {
            refuse(command.id, device, "\(Self.openMax) commands are under way already")
            return
        }
        var orders: [(order: Order, point: String)] = []
        for write in command.writes {
            orderID += 1
            let wanted = WriteCommand(device: device, point: write.point, value: write.value)
            do {
                let order = try adapter.order(
                    wanted, id: orderID, expires: now.instant + command.expires, at: now)
                orders.append((order, write.point))
            } catch {
                refuse(command.id, device, error.message)
                return
            }
        }
        remember(key)
        let begun = Open(key: key, orders: orders)
        open[orders[0].order.id] = begun
        outputs.append(.submit(orders[0].order))
    }

    package mutating func receive(_ outcome: Outcome, adapter: inout Adapter) {
        guard var command = open.removeValue(forKey: outcome.id) else { return }
        let point = command.orders[command.done].point
        switch outcome.result {
        case .failure(let failure):
            finish(command, error: "\(point): \(failure.sentence)")
        case .success(let part):
            if let part, let json = try? adapter.decode(part, of: command.key.device, point: point).get() {
                command.values.append((point, json))
            }
            if let doubt = part.flatMap({ command.orders[command.done].order.doubt(about: $0) }) {
                return finish(command, error: "\(point): \(doubt)")
            }
            command.done += 1
            guard command.done < command.orders.count else { return finish(command, error: nil) }
            let order = command.orders[command.done].order
            open[order.id] = command
            outputs.append(.submit(order))
        }
    }

    private mutating func finish(_ command: Open, error: String?) {
        let body = Self.body(id: command.key.id, values: command.values, error: error)
        results[command.key] = body
        outputs.append(.result(command.key.device, body: body))
        let verdict = error.map { "failed: \($0)" } ?? "done"
        outputs.append(.notice(Notice(
            error == nil ? .info : .warning, "command", command.key.device.text,
            "\(Notice.printable(command.key.id)) \(verdict)")))
    }

    private mutating func refuse(_ id: String?, _ device: DeviceID, _ reason: String) {
        let body = Self.body(id: id, values: [], error: reason)
        if let id {
            let key = Key(device: device, id: id)
            remember(key)
            results[key] = body
        }
        outputs.append(.result(device, body: body))
        outputs.append(.notice(Notice(
            .warning, "command", device.text, "\(id.map(Notice.printable) ?? "without id") refused: \(reason)")))
    }

    private mutating func remember(_ key: Key) {
        results[key] = .some(nil)
        remembered.append(key)
        while remembered.count - rememberedStart > Self.rememberedMax {
            results[remembered[rememberedStart]] = nil
            rememberedStart += 1
        }
        if rememberedStart > Self.rememberedMax {
            remembered.removeFirst(rememberedStart)
            rememberedStart = 0
        }
    }

    private static func body(
        id: String?, values: [(point: String, json: [UInt8])], error: String?
    ) -> [UInt8] {
        var writer = JSONWriter()
        if let id { writer.member("id", id) } else { writer.key("id"); writer.null() }
        writer.member("ok", error == nil)
        writer.key("values")
        writer.object { writer in
            for each in values {
                writer.key(each.point)
                writer.raw(each.json)
            }
        }
        if let error { writer.member("error", error) }
        return writer.bytes
    }
}

extension Outcome.Failure {
    /// For the person who sent the command.
    var sentence: String {
        switch self {
        case .read(.timeout): "the unit did not answer"
        case .read(.checksum): "the unit's answers were damaged on the line"
        case .read(.exception(let code)): "the unit refused with exception \(code)"
        case .read(.port): "the port is not open"
        case .read(let other): other.word
        case .expired: "expired before it could reach the wire"
        case .unknownUnit: "no such unit on this port"
        case .busy: "too many commands wait for this port"
        }
    }
}

extension Order {
    /// What the read-back says against the write; nil if it holds what was written.
    fileprivate func doubt(about part: ReadPart) -> String? {
        switch part.result {
        case .failure(let failure):
            return "written, but reading it back failed: \(Outcome.Failure.read(failure).sentence)"
        case .success(let bytes):
            let isSame = switch data {
            case .registers(let values): bytes.elementsEqual(values.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] })
            case .bits(let values):
                values.indices.allSatisfy { $0 / 8 < bytes.count && (bytes[$0 / 8] >> UInt8($0 % 8) & 1 == 1) == values[$0] }
            }
            return isSame ? nil : "written, but it reads back as another value"
        }
    }
}
