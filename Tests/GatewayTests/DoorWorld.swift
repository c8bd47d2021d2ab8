import Base
import Gateway
import Modbus
import TestKit
import Testing

/// A composed gateway without a bridge, whose units answer at once with a register that counts up,
/// and clients of its HTTP door that take everything at once.
struct DoorWorld: ComposedWorld {
    static let token = "0123456789abcdef"

    var gateway: Gateway
    var disk = VirtualDisk()
    var now = Self.epoch
    private(set) var received: [ConnectionID: [UInt8]] = [:]
    private(set) var closed: Set<ConnectionID> = []
    private(set) var notices: [Notice] = []
    private(set) var answers: [ControlTicket: [UInt8]] = [:]
    private(set) var slices: [Int] = []
    static let oneNode =
        "\"meter-1\": { unit: 1, points: { a: { holding: 0, units: \"W\", writable: { max: 100 } } } }"
    /// Whether a line can be opened.
    var opensLines = true
    /// Units that do not answer any more.
    var silent: Set<UInt8> = []
    private var connections: UInt64 = 0
    private var register: UInt16 = 0

    /// - Parameter door: keys of the `http` section; nil: none.
    /// - Parameter nodes: nodes of the one port.
    /// - Parameter extra: more keys of the top level.
    init(
        _ door: String? = "listen: \"127.0.0.1:8420\"", nodes: String = Self.oneNode,
        extra: String = "", _ change: (inout Gateway.Settings) -> Void = { _ in }
    ) throws {
        let (configuration, diagnostics) = Samples.read(Self.text(door, nodes, extra))
        #expect(diagnostics.map(\.description) == [])
        gateway = Self.gateway(try #require(configuration), change)
        start()
    }

    static func text(_ door: String?, _ nodes: String, _ extra: String = "") -> String {
        "{ bridge: { host: \"h\", gateway: \"gw-1\" }, \(door.map { "http: { \($0) }," } ?? "") \(extra) ports: { "
            + "\"bus-a\": { device: \"/dev/a\", baud: 115200, every: \"200ms\", nodes: { \(nodes) } } } }"
    }

    mutating func reload(_ door: String?, nodes: String) throws {
        let configuration = try #require(Samples.read(Self.text(door, nodes)).0)
        receive(
            .reload(
                Gateway.Settings(
                    configuration, keys: KeyAlgorithms(), floor: WallTime(milliseconds: 0),
                    version: "test"),
                needRestart: []))
    }

    mutating func carryOut(_ effect: Effect, _ events: inout [Event]) {
        switch effect {
        case .line(let name, .transmit(let frame, _)),
            .line(let name, .schedule(let frame, _, _)):
            if let reply = reply(to: frame) { events.append(.line(name, .received(reply))) }
        case .line(let name, .burst(let burst)):
            let log = burst.brokenOff(at: now.instant)
            events.append(.line(name, .carried(log, [])))
            for one in log {
                if let reply = reply(to: one.frame) { events.append(.line(name, .received(reply))) }
            }
        case .door(.send(let id, let bytes)):
            received[id, default: []] += bytes
            slices.append(bytes.count)
            events.append(.door(.drained(id)))
        case .door(.close(let id)): closed.insert(id)
        case .notice(let notice):
            notices.append(notice)
            events.append(.door(.logged(notice)))
        case .answer(let ticket, let line): answers[ticket] = line
        default: break
        }
    }

    private mutating func reply(to frame: [UInt8]) -> [UInt8]? {
        guard !silent.contains(frame[0]) else { return nil }
        guard frame[1] == 3 else { return frame }
        let count = Int(frame[5])
        register &+= 1
        let words = (0..<count).flatMap { _ in [UInt8(register >> 8), UInt8(register & 0xFF)] }
        return RTUFrame.encode(unit: frame[0], [3, UInt8(2 * count)] + words)
    }

    // MARK: Clients

    mutating func open(_ local: ByteString = "127.0.0.1") -> ConnectionID {
        connections += 1
        let id = ConnectionID(connections)
        receive(
            .door(
                .connected(
                    id,
                    DoorPeer(
                        client: "127.0.0.1:\(40_000 + connections)", local: local, isTLS: false))))
        return id
    }

    mutating func send(_ id: ConnectionID, _ text: String) {
        receive(.door(.received(id, Array(text.utf8))))
        run(for: .zero)
    }

    /// One request on a connection of its own.
    mutating func ask(
        _ path: String, _ method: String = "GET", headers: [String] = [],
        host: String = "localhost:8420", body: String = ""
    ) throws -> Reply {
        let id = open()
        let length = body.isEmpty ? [] : ["Content-Length: \(body.utf8.count)"]
        let lines = ["\(method) \(path) HTTP/1.1", "Host: \(host)"] + headers + length
        send(id, lines.joined(separator: "\r\n") + "\r\n\r\n" + body)
        // What goes to the wire is answered when it is done.
        for _ in 0..<100 where received[id] == nil { run(for: .milliseconds(20)) }
        return try Reply(received[id] ?? [])
    }

    struct Reply {
        var status: Int
        var head: String
        var body: [UInt8]
        var text: String { String(decoding: body, as: UTF8.self) }
        var json: JSON { get throws { try JSONReader.parse(body) } }

        init(_ bytes: [UInt8]) throws {
            let end = try #require(
                bytes.indices.first { bytes[$0...].starts(with: [13, 10, 13, 10]) })
            head = String(decoding: bytes[..<end], as: UTF8.self)
            status = try #require(Int(head.dropFirst(9).prefix(3)))
            body = Array(bytes[(end + 4)...])
            if head.contains("chunked") { body = Self.unchunked(body) }
        }

        private static func unchunked(_ bytes: [UInt8]) -> [UInt8] {
            var rest = bytes[...]
            var body: [UInt8] = []
            while let end = rest.firstIndex(of: 13),
                let size = Int(String(decoding: rest[..<end], as: UTF8.self), radix: 16)
            {
                rest = rest[(end + 2)...]
                body += rest.prefix(size)
                rest = rest.dropFirst(size + 2)
            }
            return body
        }
    }
}
