import Adapter
import Base
import FuzzKit
import Gateway

/// The adapter between raw bytes and values: readings of any content become JSON, and commands of
/// any value become orders that fit their point, or are refused.
package enum AdapterFuzz: FuzzTarget {
    private static let adapters: [Adapter] = ConfigSamples.files.map { file in
        let (found, problems) = Configuration.read(Array(file.text.utf8), fileName: "gw.json5") {
            _ in
            .success(ProfileFile(path: "p.json5", bytes: Array(ConfigSamples.profile.utf8)))
        }
        guard let found else { fatalError("a sample is refused: \(problems.map(\.description))") }
        return Adapter(found.bindings)
    }
    private static let start = Moment(
        Instant(nanoseconds: 1_000_000_000), WallTime(milliseconds: 1_800_000_000_000))

    package static func run(_ input: [UInt8]) {
        var choices = Choices(input)
        var adapter = choices.pick(adapters)
        var now = start
        var order: UInt64 = 1
        while !choices.isAtEnd {
            let binding = choices.pick(adapter.bindings)
            switch choices.byte() & 7 {
            case 0: now = now + choices.duration()
            case 1, 2: command(&adapter, binding, &order, &choices, at: now)
            case 3:
                adapter.rebind(
                    adapter.bindings,
                    unread: choices.bool()
                        ? [:] : [binding.device: [choices.pick(binding.points).name]])
            default: read(&adapter, binding, &choices, at: now)
            }
            for value in adapter.lastValues(of: binding.device) {
                if let json = value.json {
                    StrictJSON.demand(Array(json.utf8), "the value of \(value.name)")
                }
            }
            let health = adapter.health(of: binding.device)
            demand(
                health.good + health.bad <= binding.points.count,
                "more points are known than there are")
        }
    }

    private static func read(
        _ adapter: inout Adapter, _ binding: Binding, _ choices: inout Choices, at now: Moment
    ) {
        let interval = choices.pick(binding.points.map(\.interval))
        let failures: [ReadFailure] = [
            .timeout, .checksum, .exception(choices.byte()), .offline, .port,
        ]
        let spans = binding.points.filter { $0.interval == interval }.map(\.span)
        let parts = spans.map { span -> ReadPart in
            let kind = choices.byte()
            var (address, count) = (span.address, span.count)
            if kind & 1 != 0, span.table != .frame {
                address = max(0, address - 2)
                count = min(count + 4, 65_536 - address)
            }
            if span.table == .frame { (address, count) = (0, choices.below(70)) }
            var bytes = choices.bytes(
                span.table.isBits ? (count + 7) / 8 : span.table == .frame ? count : 2 * count)
            if kind & 2 != 0, span.table == .frame {
                bytes = Array("ST,+ 12.5,-3,4807.03,N\r\n".utf8.prefix(count))
            }
            while span.table != .frame, bytes.count < 2 * count { bytes.append(kind) }
            if span.table.isBits { bytes = Array(bytes.prefix((count + 7) / 8)) }
            if span.table == .frame { count = bytes.count }
            return ReadPart(
                span.table, address, count,
                kind & 0xF0 == 0xF0 ? .failure(choices.pick(failures)) : .success(bytes), at: now)
        }
        for telemetry in adapter.receive(Reading(binding.address, every: interval, parts)) {
            StrictJSON.demand([0x7B] + telemetry.body + [0x7D], "a reading")
            demand(
                telemetry.at.instant <= now.instant && telemetry.good >= 0 && telemetry.bad >= 0,
                "counts of a reading")
        }
    }

    private static func command(
        _ adapter: inout Adapter, _ binding: Binding, _ order: inout UInt64,
        _ choices: inout Choices, at now: Moment
    ) {
        let names = binding.points.map(\.name) + binding.actions.map(\.name) + ["none"]
        let writes = (0..<(1 + choices.below(3))).map { _ in
            (name: choices.pick(names), value: value(&choices))
        }
        guard
            let orders = try? adapter.orders(
                writes, of: binding.device, firstID: order, expires: now.instant + .seconds(1),
                at: now)
        else { return }
        demand(orders.count == writes.count, "\(orders.count) orders for \(writes.count) writes")
        for (index, made) in orders.enumerated() {
            demand(made.id == order + UInt64(index), "order \(made.id)")
            demand(made.address == binding.address, "an order for another unit")
            demand(
                made.start >= 0 && made.start + made.data.count <= 65_536,
                "an order beyond the last register")
            guard case .custom = made.data else {
                guard
                    case .success(let text) = adapter.written(
                        made, of: binding.device, point: writes[index].name)
                else { continue }
                StrictJSON.demand(text, "what was written")
                continue
            }
        }
        order += UInt64(orders.count)
    }

    private static func value(_ choices: inout Choices) -> JSON {
        switch choices.byte() & 7 {
        case 0: JSON(.bool(choices.bool()))
        case 1: JSON(.number("\(choices.short())"))
        case 2:
            JSON(
                .number(
                    choices.pick([
                        "1e308", "-0", "0.1", "1e-400", "99999999999999999999", "-32768", "65535",
                        "2.5",
                    ])))
        case 3: JSON(.string(ByteString(decoding: choices.block())))
        case 4: JSON(.string(choices.pick(["on", "off", "x", "", "hex:00 FF"])))
        case 5:
            JSON(
                .object([
                    .init(
                        name: choices.pick(["x", "m", "z"]),
                        position: TextPosition(line: 1, column: 1),
                        value: JSON(.number("\(choices.byte())")))
                ]))
        case 6: JSON(.array([JSON(.number("1"))]))
        default: JSON(.null)
        }
    }
}
