import Base
import Simulators

/// What must hold when everything is over, and what must come within bounds.
extension Oracle {
    /// Every synced record has arrived or is part of a gap that was reported.
    mutating func expectAllDelivered(except since: Instant, at now: Instant) {
        for seq in forsaken where received[seq] == nil {
            object("seq \(seq) was sent and long after that neither durable nor taken", at: now)
        }
        let missing = ledger.synced.values
            .filter { received[$0.record.seq] == nil && $0.at < since && !isInGap($0.record) }
            .sorted { $0.record.seq < $1.record.seq }
        guard let first = missing.first else { return }
        object(
            "\(missing.count) durable records never arrived, first seq \(first.record.seq) of "
                + "\(first.record.device), durable since \(first.at.nanoseconds / 1_000_000) ms",
            at: now)
    }

    /// Durable records that the bridge never took, and how many losses the gap records own up to.
    var losses: (missing: Int, told: Int64) {
        let missing = ledger.synced.keys.reduce(0) { $0 + (received[$1] == nil ? 1 : 0) }
        return (missing, gaps.reduce(0) { $0 + $1.count })
    }

    private func isInGap(_ record: Kept) -> Bool {
        gaps.contains { gap in
            (gap.device == nil || gap.device == record.device) && gap.from <= record.seq
                && record.seq <= gap.to
        }
    }

    /// Numbers count by one; where some are missing, a gap says so.
    mutating func expectNoHoles(at now: Instant) {
        let all = received.keys.sorted()
        for (seq, next) in zip(all, all.dropFirst()) where next > seq + 1 {
            let isTold = gaps.contains { $0.from <= next - 1 && seq + 1 <= $0.to }
            // Memory-only mode goes on far above what a crash could make the disk reach.
            guard !isTold, !(diskHasFailed && next - seq > 1 << 19) else { continue }
            object("seq \(seq + 1) to \(next - 1) never existed and no gap says so", at: now)
        }
    }

    mutating func expectFresh(_ devices: [String], since: Instant, at now: Instant) {
        for device in devices {
            guard let last = lastValue[device] else {
                object("\(device) has never delivered a value", at: now)
                continue
            }
            if last < since {
                object(
                    "\(device) has delivered nothing that was read after \(last.nanoseconds / 1_000_000) ms",
                    at: now)
            }
        }
    }

    /// The latest state document of every device says that all is well.
    mutating func expectOnline(_ devices: [String], at now: Instant) {
        for device in devices where status[device] != "online" {
            object("\(device)'s last state is \(status[device] ?? "missing")", at: now)
        }
    }

    /// A result that says "ok" is about a register that was written.
    mutating func expectResultsTrue(
        _ setpoints: [String: (unit: Site.Unit, value: Int)], _ lines: [SimulatedLine],
        at now: Instant
    ) {
        for (id, result) in results where result.ok {
            guard let (unit, value) = setpoints[id] else {
                object("a result for the command \(id) that nobody sent", at: now)
                continue
            }
            let isWritten = lines[unit.line].bus.served.contains {
                $0.unit == unit.number && $0.content.isWrite && $0.content.address == Site.setpoint
                    && $0.content.values == [UInt16(value)]
            }
            if !isWritten {
                object("the command \(id) was reported as done and nothing was written", at: now)
            }
        }
    }

    /// The bridge itself has counted no message for a device that was not attached.
    mutating func expectAttached(_ statistics: BridgeEmulator.Statistics, at now: Instant) {
        for type in [
            BridgeEmulator.ErrorType.notFound, .invalidTopic, .unexpectedPacketID,
            .unexpectedMessage,
        ] {
            if let count = statistics.errors[ByteString(type.rawValue)] {
                object("the bridge answered \(type.rawValue) \(count) times", at: now)
            }
        }
    }
}
