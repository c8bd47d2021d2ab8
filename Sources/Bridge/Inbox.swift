import Base
import MQTT

/// Received messages with QoS 1 until their PUBACK has left.
///
/// A packet id is owed one PUBACK, however often the far side sends its message again, so there are
/// 65,535 entries at most. PUBACKs leave in the order in which their messages came [MQTT-4.6.0-2].
/// A message that is not accepted within `patience`, because its document waits for a slow disk,
/// holds those behind it up no longer; its own PUBACK leaves when it is accepted.
struct Inbox: Sendable {
    static let patience: Duration = .seconds(1)

    private enum State: Sendable {
        /// Not accepted yet, in its place.
        case open
        /// Its PUBACK is owed, in its place.
        case accepted
        /// Not accepted within `patience`; it has no place any more.
        case overtaken
        /// The same, and its PUBACK is owed now.
        case late
    }

    private var states = PacketTable<State>()
    private var order = Fifo<(id: PacketID, since: Instant)>()
    private var late = Fifo<PacketID>()
    private(set) var owed = 0

    var isEmpty: Bool { states.isEmpty }

    /// False for a message that has come before and whose PUBACK has not left.
    mutating func receive(_ id: PacketID, at now: Instant) -> Bool {
        guard !states.contains(id.value) else { return false }
        states.insert(.open, for: id.value)
        order.append((id, now))
        return true
    }

    /// False if nothing was waited for under this id.
    @discardableResult
    mutating func accept(_ id: PacketID) -> Bool {
        switch states[id.value] {
        case .open: states.insert(.accepted, for: id.value)
        case .overtaken:
            states.insert(.late, for: id.value)
            late.append(id)
        case .accepted, .late, nil: return false
        }
        owed += 1
        return true
    }

    /// Whether a PUBACK may leave now.
    mutating func hasNext(at now: Instant) -> Bool {
        guard owed > 0 else { return false }
        if !late.isEmpty { return true }
        while let head = order.first {
            guard states[head.id.value] == .open else { return true }
            guard now - head.since >= Self.patience else { return false }
            states.insert(.overtaken, for: head.id.value)
            _ = order.popFirst()
        }
        return false
    }

    /// When a PUBACK may leave that waits for one before it; nil if none does.
    var due: Instant? {
        guard owed > 0, late.isEmpty, let head = order.first, states[head.id.value] == .open else {
            return nil
        }
        return head.since + Self.patience
    }

    /// The next PUBACK; it counts as sent.
    mutating func next(at now: Instant) -> PacketID? {
        guard hasNext(at: now), let id = late.popFirst() ?? order.popFirst()?.id else { return nil }
        _ = states.remove(id.value)
        owed -= 1
        return id
    }

    /// Every PUBACK that is owed, in order, whatever it waits for: the connection is about to end.
    mutating func takeAll() -> [PacketID] {
        var all: [PacketID] = []
        while let id = late.popFirst() { all.append(id) }
        while let head = order.popFirst() {
            if states[head.id.value] == .accepted { all.append(head.id) }
        }
        self = Inbox()
        return all
    }
}
