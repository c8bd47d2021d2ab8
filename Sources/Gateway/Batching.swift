import Base
import Bridge
import Spool

/// Several readings of one device in one message (`bridge.batch`): fewer messages where they cost
/// money or rate, at the price of a delay. What waits is sent when one of these holds:
///
/// | when | why |
/// |---|---|
/// | the oldest is `maxDelay` old, or of an earlier boot | it has waited long enough |
/// | as much is there as fits into `maxBytes`, or more than is loaded | waiting would not make it fuller |
/// | a priority record is among it | it waits for nobody, and takes what stands before it along |
/// | the device has a backlog lane | what is live must not wait behind it |
/// | the gateway leaves | |
///
/// Only readings travel together: results, gaps and health are waited for by somebody.
struct Batching: Sendable {
    let settings: Configuration.Bridge.Batch
    /// When the first of those that wait is due.
    private(set) var due: Instant?

    init(_ settings: Configuration.Bridge.Batch) { self.settings = settings }

    /// Before all devices are asked.
    mutating func look() { due = nil }

    mutating func isDue(_ head: QueueHead, at now: Instant) -> Bool {
        if head.kind != .reading || head.hasPriority || head.isSplit || !head.thisBoot {
            return true
        }
        if head.isMore || head.bytes >= settings.maxBytes { return true }
        let end = head.at + settings.maxDelay
        if end <= now { return true }
        due = min(due ?? end, end)
        return false
    }

    /// Whether one more record goes into a message of so many bytes.
    func fits(body: Int, behind bytes: Int) -> Bool {
        bytes + 1 + Envelope.overheadMax + body + 1 <= settings.maxBytes
    }
}

extension Gateway {
    /// With `batch` a device's readings gather for a while, unless the gateway is leaving.
    mutating func isDue(_ device: DeviceID, _ lane: Lane, at now: Moment) -> Bool {
        guard batching != nil, phase == .running, let head = spool.head(device, lane) else {
            return true
        }
        return batching?.isDue(head, at: now.instant) ?? true
    }

    /// This record, or an array of it and of the readings behind it, as many as go into one
    /// message.
    mutating func gather(
        into outgoing: inout Outgoing, _ first: StoredRecord, _ lane: Lane, at now: Moment
    ) {
        let isArray = batching != nil && first.kind == .reading
        envelope(of: first).append(
            to: &outgoing.payload, body: first.body, after: isArray ? 0x5B : nil)
        guard let batching, isArray else { return }
        let most = session.recordsAtOnce(of: first.device)
        while outgoing.others.count + 1 < most, let head = spool.head(first.device, lane),
            head.kind == .reading,
            head.subfolder == first.subfolder,
            batching.fits(body: head.bodySize, behind: outgoing.payload.count),
            let next = spool.take(first.device, lane, at: now)
        {
            // Between the two one may have become too old.
            guard
                next.seq == head.seq
                    || next.kind == .reading && next.subfolder == first.subfolder
                        && batching.fits(body: next.body.count, behind: outgoing.payload.count)
            else {
                spool.giveBack(next.seq, at: now)
                break
            }
            envelope(of: next).append(to: &outgoing.payload, body: next.body, after: 0x2C)
            outgoing.others.append(next.seq)
        }
        outgoing.payload.append([0x5D])
    }

    func envelope(of record: StoredRecord) -> Envelope {
        Envelope(
            ts: record.at.wall, seq: record.seq, clockTrusted: record.clockTrusted,
            backfill: record.backfill)
    }
}
