import Base
import FuzzKit
import Modbus

/// The Modbus server: frames at every cut, then clients that come, speak, go and wait, with answers
/// in any order. The first byte says which, and the framing.
package enum ServerFuzz: FuzzTarget {
    package static func run(_ input: [UInt8]) {
        guard let kind = input.first else { return }
        let framing = kind & 1 == 0 ? TCPFraming.modbusTCP : .rtuOverTCP
        let rest = Array(input.dropFirst())
        if kind & 2 == 0 { cut(rest, framing) } else { serve(rest, framing) }
    }

    // MARK: Cuts

    private struct Found: Equatable {
        var queries: [ModbusServer.Query] = []
        var sent: [UInt8] = []
        var ending: ModbusServer.Ending?
    }

    private static func cut(_ input: [UInt8], _ framing: TCPFraming) {
        let stream = Array(input.prefix(1024))
        let whole = found(stream, framing, step: max(1, stream.count))
        demand(found(stream, framing, step: 1) == whole, "byte by byte it is another stream")
        demand(found(stream, framing, step: 7) == whole, "seven by seven it is another stream")
    }

    /// Every request is answered with its own bytes, as soon as it comes.
    private static func found(_ stream: [UInt8], _ framing: TCPFraming, step: Int) -> Found {
        var settings = ModbusServer.Settings()
        settings.framing = framing
        settings.unsentMax = 1 << 20
        var server = ModbusServer(settings)
        let id = ConnectionID(1)
        server.connected(id, at: .zero)
        var found = Found()
        for start in stride(from: 0, to: stream.count, by: step) {
            server.received(id, stream[start..<min(start + step, stream.count)], at: .zero)
            while let output = server.next() {
                switch output {
                case .query(let query):
                    found.queries.append(query)
                    check(query)
                    server.answer(query.number, query.pdu, at: .zero)
                case .send(_, let bytes): found.sent += bytes
                case .close(_, let ending): found.ending = ending
                }
            }
        }
        // An answer does not go out if the connection was closed for what came with the request.
        if found.ending != nil { found.sent = [] }
        // With more than sixteen in one piece, those beyond are busy.
        return server.overflows == 0 ? found : Found()
    }

    private static func check(_ query: ModbusServer.Query) {
        demand((1...Limits.pdu).contains(query.pdu.count), "a PDU of \(query.pdu.count) bytes")
    }

    // MARK: Clients

    private static func serve(_ input: [UInt8], _ framing: TCPFraming) {
        var choices = Choices(input)
        var settings = ModbusServer.Settings()
        settings.framing = framing
        settings.clients = 1 + choices.below(4)
        settings.waitingMax = 1 + choices.below(4)
        var server = ModbusServer(settings)
        var open: [ConnectionID] = []
        var waiting: [UInt64] = []
        var now = Instant.zero
        var last: UInt64 = 0
        while !choices.isAtEnd {
            switch choices.below(8) {
            case 0:
                last += 1
                open.append(ConnectionID(last))
                server.connected(ConnectionID(last), at: now)
            case 1 where !open.isEmpty:
                server.disconnected(open.remove(at: choices.below(open.count)))
            case 2 where !waiting.isEmpty:
                server.answer(
                    waiting.remove(at: choices.below(waiting.count)), [3, 2, 0, 1], at: now)
            case 3:
                now = now + choices.duration()
                if let due = server.deadline, due <= now { server.timeout(at: now) }
            case 4 where !open.isEmpty: server.drained(open[choices.below(open.count)])
            default:
                guard !open.isEmpty else { continue }
                let id = open[choices.below(open.count)]
                let pdu = choices.bytes(1 + choices.below(16))
                let transaction = choices.short()
                let frame =
                    framing == .modbusTCP
                    ? MBAPFrame(transaction: transaction, unit: 1, pdu: pdu).bytes
                    : RTUFrame.encode(unit: 1, pdu)
                let bytes = choices.below(4) == 0 ? choices.block() : frame
                server.received(id, bytes[...], at: now)
            }
            settle(&server, &open, &waiting)
        }
        var limit = StepLimit(10_000, "the server never rests")
        while let due = server.deadline {
            limit.step()
            now = max(now, due)
            server.timeout(at: now)
            settle(&server, &open, &waiting)
            if let number = waiting.popLast() { server.answer(number, [0x83, 2], at: now) }
        }
        demand(server.count == 0, "\(server.count) clients stay for ever")
    }

    private static func settle(
        _ server: inout ModbusServer, _ open: inout [ConnectionID], _ waiting: inout [UInt64]
    ) {
        var limit = StepLimit(2000, "outputs without end")
        while let output = server.next() {
            limit.step()
            switch output {
            case .query(let query):
                check(query)
                waiting.append(query.number)
            case .send(let id, let bytes):
                demand(!bytes.isEmpty, "nothing is sent")
                demand(open.contains(id), "\(id) is not open")
            case .close(let id, _):
                demand(open.contains(id), "\(id) is not open")
                open.removeAll { $0 == id }
            }
        }
        let broken = server.invariants()
        demand(broken.isEmpty, broken.joined(separator: "; "))
    }
}
