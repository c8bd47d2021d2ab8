import Adapter
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

    /// - Parameter bound: of a message's size, where the bridge takes less than is configured.
    mutating func isDue(_ head: QueueHead, bound: Int?, at now: Instant) -> Bool {
        if head.kind != .reading || head.hasPriority || head.isSplit || !head.thisBoot {
            return true
        }
        if head.isMore || head.bytes >= min(settings.maxBytes, bound ?? .max) { return true }
        let end = head.at + settings.maxDelay
        if end <= now { return true }
        due = min(due ?? end, end)
        return false
    }

    /// Whether one more record goes into a message of so many bytes.
    func fits(body: Int, behind bytes: Int, bound: Int?) -> Bool {
        bytes + 1 + Envelope.overheadMax + body + 1 <= min(settings.maxBytes, bound ?? .max)
    }
}

extension Gateway {
    /// With `batch` a device's readings gather for a while, unless the gateway is leaving.
    mutating func isDue(_ device: DeviceID, _ lane: Lane, at now: Moment) -> Bool {
        guard batching != nil, phase == .running, let head = spool.head(device, lane) else {
            return true
        }
        return batching?.isDue(head, bound: session.batchBytesMax, at: now.instant) ?? true
    }

    /// This record, or an array of it and of the readings behind it, as many as go into one
    /// message.
    mutating func gather(
        into outgoing: inout Outgoing, _ first: StoredRecord, _ lane: Lane, at now: Moment
    ) {
        let isArray = batching != nil && first.kind == .reading
        let points = settings.publish.isStandard ? [] : points(of: first.device)
        put(first, points, into: &outgoing, after: isArray ? 0x5B : nil)
        guard let batching, isArray else { return }
        let growth = settings.publish.growth(first.device, points)
        let bound = session.batchBytesMax
        let most = session.recordsAtOnce(of: first.device)
        while outgoing.others.count + 1 < most, let head = spool.head(first.device, lane),
            head.kind == .reading,
            head.subfolder == first.subfolder,
            batching.fits(
                body: head.bodySize + growth, behind: outgoing.payload.count, bound: bound),
            let next = spool.take(first.device, lane, at: now)
        {
            // Between the two one may have become too old.
            guard
                next.seq == head.seq
                    || next.kind == .reading && next.subfolder == first.subfolder
                        && batching.fits(
                            body: next.body.count + growth, behind: outgoing.payload.count,
                            bound: bound)
            else {
                spool.giveBack(next.seq, at: now)
                break
            }
            put(next, points, into: &outgoing, after: 0x2C)
            outgoing.others.append(next.seq)
        }
        outgoing.payload.append([0x5D])
    }

    private func points(of device: DeviceID) -> [Point] {
        adapter.binding(of: device)?.points ?? []
    }

    /// - Parameter points: of the record's device, where the form of messages needs them.
    private func put(
        _ record: StoredRecord, _ points: [Point], into outgoing: inout Outgoing,
        after lead: UInt8?
    ) {
        if settings.publish.isStandard {
            envelope(of: record).append(to: &outgoing.payload, body: record.body, after: lead)
        } else {
            outgoing.payload.append(settings.publish.bytes(of: record, points, after: lead))
        }
    }

    func envelope(of record: StoredRecord) -> Envelope {
        Envelope(
            ts: record.at.wall, seq: record.seq, clockTrusted: record.clockTrusted,
            backfill: record.backfill)
    }
}
