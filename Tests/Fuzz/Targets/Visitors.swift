import Base
import FuzzKit
import Gateway

/// Clients of the HTTP door or of a line's server, as the gateway sees them.
struct Visitors {
    /// More than any answer to what the inputs ask for.
    private static let unsentMax = 4 << 20
    static let ofDoor = Visitors(answersBeginWith: "HTTP/1.1 ")

    private var last: UInt64 = 0
    private(set) var isListening = true
    /// Times that something was sent.
    private(set) var answers = 0
    /// What was sent to each and is not yet drained, and the first bytes of it all.
    private var open: [ConnectionID: (unsent: Int, first: [UInt8])] = [:]
    private let start: [UInt8]

    /// - Parameter start: first bytes of whatever is sent to a client; empty: any.
    init(answersBeginWith start: String) { self.start = Array(start.utf8) }

    /// Nobody is connected any more, and nobody can connect until `listen`.
    mutating func end() { (open, isListening) = ([:], false) }
    mutating func listen() { isListening = true }

    // MARK: what they do

    mutating func connect(from client: String) -> DoorEvent? {
        guard isListening, open.count < 48 else { return nil }
        last += 1
        open[ConnectionID(last)] = (0, [])
        return .connected(
            ConnectionID(last), DoorPeer(client: client, local: "127.0.0.1", isTLS: false))
    }

    func say(_ bytes: [UInt8], _ choice: Int) -> DoorEvent? {
        one(choice).map { .received($0, bytes) }
    }

    mutating func drain(_ choice: Int) -> DoorEvent? {
        guard let id = one(choice) else { return nil }
        open[id]?.unsent = 0
        return .drained(id)
    }

    mutating func leave(_ choice: Int) -> DoorEvent? {
        guard let id = one(choice) else { return nil }
        open[id] = nil
        return .disconnected(id)
    }

    private func one(_ choice: Int) -> ConnectionID? {
        let ids = open.keys.sorted()
        return ids.isEmpty ? nil : ids[choice % ids.count]
    }

    // MARK: what they get

    mutating func take(_ bytes: [UInt8], for id: ConnectionID) {
        guard var client = open[id] else { fatalError("bytes for \(id), which is closed") }
        answers += 1
        client.unsent += bytes.count
        demand(client.unsent < Self.unsentMax, "\(client.unsent) bytes wait for \(id)")
        client.first += bytes.prefix(max(0, start.count - client.first.count))
        demand(start.starts(with: client.first), "an answer begins with \(client.first)")
        open[id] = client
    }

    /// The connection closes when all is sent, which is now.
    mutating func close(_ id: ConnectionID) -> DoorEvent? {
        guard open.removeValue(forKey: id) != nil else { return nil }
        return .disconnected(id)
    }
}
