import Base

/// When a unit fails for the first time since it was well, what its line said before is kept as a
/// capture file in the state directory: `capture-PORT-1.pcap` to `-4`, in turn, at most one a
/// minute and port.
struct CaptureKeeper: Sendable {
    static let filesPerPort = 4
    static let pause = Duration.seconds(60)
    /// The journal counts its tickets from 1; ours have this bit.
    private static let ticketBit: UInt64 = 1 << 62

    private struct Turn: Sendable {
        var next = 1
        var free = Instant.zero
    }

    private var turns: [PortName: Turn] = [:]
    private var open: [UInt64: (unit: Address, name: String)] = [:]
    private var ticket = ticketBit

    static func owns(_ ticket: UInt64) -> Bool { ticket >> 62 == 1 }

    /// The file to write now because a unit fails; nil if it is too soon after the last.
    mutating func save(_ unit: Address, _ tape: WireTape, at now: Instant) -> DiskRequest? {
        let port = unit.port
        var turn = turns[port] ?? Turn()
        guard turn.free <= now, tape.packets > 0 else { return nil }
        let name = "capture-\(port)-\(turn.next).pcap"
        turn.next = turn.next % Self.filesPerPort + 1
        turn.free = now + Self.pause
        turns[port] = turn
        ticket += 1
        open[ticket] = (unit, name)
        return DiskRequest(ticket: ticket, volume: .state, .replace(name: name, bytes: tape.pcap))
    }

    mutating func completed(_ ticket: UInt64, _ result: Result<DiskAnswer, DiskFailure>) -> Notice?
    {
        guard let (unit, name) = open.removeValue(forKey: ticket) else { return nil }
        switch result {
        case .success:
            return Notice(
                .info, "unit", unit.description,
                "what the line said before this unit failed is in \(name) in the state directory")
        case .failure(let failure):
            return Notice(
                .debug, "unit", unit.description, "\(name) could not be written: \(failure.detail)")
        }
    }
}
