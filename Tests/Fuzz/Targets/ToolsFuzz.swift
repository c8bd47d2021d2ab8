import Base
import Drivers
import FuzzKit
import Modbus

/// The field tools: a sniffer on a line with anything on it, a scan of it, and a read by hand.
package enum ToolsFuzz: FuzzTarget {
    package static func run(_ input: [UInt8]) {
        var choices = Choices(input)
        switch choices.byte() & 3 {
        case 0, 1: sniff(&choices)
        case 2: scan(&choices)
        default: ask(&choices)
        }
    }

    private static let line = LineSettings(device: .path("/dev/test"), baud: 19_200, parity: .even)
    private static let start = Moment(
        Instant(nanoseconds: 1_000_000_000), WallTime(milliseconds: 1_800_000_000_000))

    // MARK: The sniffer

    /// What it says it has heard is what was on the line: every byte once and in order, in frames.
    private static func sniff(_ choices: inout Choices) {
        var sniffer = Sniffer(line)
        var traffic = Traffic()
        var now = start
        var (heard, told): ([UInt8], [UInt8]) = ([], [])
        func drain() {
            var limit = StepLimit(10_000, "events without end")
            while let event = sniffer.nextEvent() {
                limit.step()
                switch event {
                case .frame(let bytes, _): told += bytes
                case .heard(let heard):
                    traffic.note(heard)
                    demand(!heard.sentence.isEmpty, "nothing to say about a frame")
                }
            }
        }
        while !choices.isAtEnd {
            let bytes = piece(&choices)
            heard += bytes
            sniffer.receive(bytes[...], at: now)
            drain()
            let end = now + choices.duration()
            var limit = StepLimit(1000, "the sniffer never rests")
            while let due = sniffer.deadline, due <= end.instant {
                limit.step()
                now = now + max(.zero, due - now.instant)
                sniffer.timeout(at: now)
                drain()
                demand(
                    sniffer.deadline.map { $0 > now.instant } ?? true,
                    "the sniffer's deadline stays in the past")
            }
            now = end
        }
        sniffer.stop(at: now)
        drain()
        demand(told == heard, "\(heard.count) bytes were heard, \(told.count) told")
        demand(traffic.rows.count <= Traffic.rowsMax, "rows without bound")
    }

    /// A request, a reply, both, a damaged one, or any bytes.
    private static func piece(_ choices: inout Choices) -> [UInt8] {
        let kind = choices.byte()
        if kind & 7 == 0 { return choices.block() }
        let unit = choices.byte() & 3
        let address = UInt16(choices.byte())
        let count = UInt16(1 + choices.below(8))
        let function: FunctionCode = kind & 8 == 0 ? .readHoldingRegisters : .readCoils
        let request = RTUFrame.encode(unit: unit, .read(function, address: address, count: count))
        let size = function.readsBits ? 1 : 2 * Int(count)
        let data = (0..<size).map { UInt8(truncatingIfNeeded: Int(address) &* 7 &+ $0) }
        let reply = RTUFrame.encode(unit: unit, Response.read(function, data).pdu)
        switch kind & 7 {
        case 1: return request
        case 2: return reply
        case 3: return RTUFrame.encode(unit: unit, choices.block())
        case 4:
            var damaged = reply
            damaged[Int(kind >> 4) % damaged.count] ^= 4
            return request + damaged
        default: return request + reply
        }
    }

    // MARK: Tools that ask

    private static func scan(_ choices: inout Choices) {
        var lines = [line]
        if choices.bool() {
            lines.append(LineSettings(device: .path("/dev/test"), baud: 9600, parity: .none))
        }
        let units = (0..<(1 + choices.below(4))).map { _ in UInt8(1 + choices.below(5)) }
        let flags = choices.byte()
        let settings = ScanSettings(
            lines: lines, units: units, patience: .milliseconds(50), first: flags & 1 != 0,
            all: flags & 2 != 0,
            identifies: flags & 4 != 0,
            followUps: [.read(.readInputRegisters, address: 0, count: 2)])
        let scanner = drive(Scanner(settings), &choices)
        demand(scanner.findings.count <= 2 * 5 * lines.count, "\(scanner.findings.count) findings")
        for finding in scanner.findings {
            demand(settings.units.contains(finding.unit), "unit \(finding.unit) was found")
        }
        for hint in scanner.hints { demand(!hint.isEmpty, "an empty hint") }
    }

    private static func ask(_ choices: inout Choices) {
        let requests: [Request] = [
            .read(.readHoldingRegisters, address: 3, count: 2), .writeRegister(address: 3, 7),
            DeviceIdentity.serverID,
            .read(.readCoils, address: 0, count: 9),
        ]
        let asked = (0..<(1 + choices.below(3))).map { _ in choices.pick(requests) }
        let errand = drive(
            Errand(line, unit: 1, asked, patience: .milliseconds(100), retries: choices.below(3)),
            &choices)
        for step in errand.steps where step.isGood {
            demand(step.answer != nil, "a step without an answer is good")
        }
    }

    /// A line on which the input answers. The tool must come to its end.
    private static func drive<Tool: LineTool>(_ first: Tool, _ choices: inout Choices) -> Tool {
        var tool = first
        var now = start
        var replies: [(at: Instant, bytes: [UInt8])] = []
        tool.opened(at: now)
        var limit = StepLimit(20_000, "the tool never ends")
        while !tool.isDone {
            while let output = tool.next() {
                limit.step()
                switch output {
                case .discardInput: replies = []
                case .set: tool.opened(at: now)
                case .transmit(let bytes):
                    demand(
                        bytes.count <= Limits.adu && CRC16.checksum(bytes[...]) == 0,
                        "no frame is sent")
                    guard let reply = reply(to: bytes, &choices) else { continue }
                    replies.append((now.instant + .milliseconds(2 * Int64(choices.byte())), reply))
                    replies.sort { $0.at < $1.at }
                }
            }
            limit.step()
            guard let due = [tool.deadline, replies.first?.at].compactMap({ $0 }).min() else {
                break
            }
            now = now + max(.zero, due - now.instant)
            if let first = replies.first, first.at <= now.instant {
                replies.removeFirst()
                tool.receive(first.bytes[...], at: now)
            } else {
                tool.timeout(at: now)
            }
        }
        demand(tool.isDone, "the tool waits for nothing and is not done")
        return tool
    }

    private static func reply(to frame: [UInt8], _ choices: inout Choices) -> [UInt8]? {
        guard !choices.isAtEnd else { return nil }
        switch choices.byte() & 7 {
        case 0: return nil
        case 1: return choices.block()
        case 2: return RTUFrame.encode(unit: frame[0], choices.block())
        case 3: return RTUFrame.encode(unit: frame[0], [frame[1] | 0x80, choices.byte()])
        case 4: return frame
        default:
            let count = frame[1] <= 2 ? 1 : 2 * Int(frame[frame.count - 3])
            return RTUFrame.encode(
                unit: frame[0],
                [frame[1], UInt8(truncatingIfNeeded: count)]
                    + [UInt8](repeating: 9, count: count % 250))
        }
    }
}
