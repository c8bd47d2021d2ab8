import Base

/// Records in flight, and how records went out that came back: a repeat is the same to the byte.
struct SentRecords: Sendable {
    /// The parts of a record that may differ from one sending to the next.
    private struct Form: Sendable {
        var wall: WallTime
        var clockTrusted: Bool
        var backfill: Bool
    }

    static let formsMax = 16_384

    private var inFlight: [UInt64: Item] = [:]
    private var forms: [UInt64: Form] = [:]

    func contains(_ seq: UInt64) -> Bool { inFlight[seq] != nil }

    /// Whether a record came back and waits again.
    func hasForm(of seq: UInt64) -> Bool { forms[seq] != nil }

    /// Whether a record came back that went out as a live one, and goes out as that again.
    func wasLive(_ seq: UInt64) -> Bool { forms[seq]?.backfill == false }

    /// The record as it goes out: as the last time, if there was one, else with the time that a
    /// clock anchor knows by now. It is in flight then.
    mutating func send(_ item: Item, wall: WallTime?, backfill: Bool) -> StoredRecord {
        var item = item
        if let form = forms.removeValue(forKey: item.record.seq) {
            item.record.at.wall = form.wall
            (item.record.clockTrusted, item.record.backfill) = (form.clockTrusted, form.backfill)
        } else {
            item.record.backfill = backfill
            if !item.record.clockTrusted, let wall {
                item.record.at.wall = wall
                item.record.clockTrusted = true
            }
        }
        inFlight[item.record.seq] = item
        return item.record
    }

    /// Ends a flight.
    mutating func end(_ seq: UInt64) -> Item? { inFlight.removeValue(forKey: seq) }

    /// The record waits again, and goes out as it did.
    mutating func keepForm(of record: StoredRecord) {
        guard forms.count < Self.formsMax else { return }
        forms[record.seq] = Form(
            wall: record.at.wall, clockTrusted: record.clockTrusted, backfill: record.backfill)
    }

    /// Numbers of the records in flight whose queue is one of these, in order.
    func seqs(of queues: [Int]) -> [UInt64] {
        inFlight.filter { queues.contains($0.value.queue) }.keys.sorted()
    }

    /// Numbers of the records in flight that a segment has.
    func seqs(of segment: UInt64) -> Set<UInt64> {
        Set(inFlight.values.lazy.filter { $0.segment == segment }.map(\.record.seq))
    }

    // MARK: - Records that are not durable yet

    /// A record in flight has become durable; false if it is not in flight.
    mutating func locate(_ seq: UInt64, at place: Position) -> Bool {
        guard inFlight[seq] != nil else { return false }
        inFlight[seq]?.segment = place.segment
        inFlight[seq]?.offset = place.offset
        inFlight[seq]?.isPending = false
        return true
    }

    /// The disk fails: records in flight that are not durable are in memory only, and keep their
    /// numbers.
    mutating func keepPendingInMemory() {
        for (seq, item) in inFlight where item.isPending {
            inFlight[seq]?.isPending = false
            inFlight[seq]?.keepsNumber = true
        }
    }

    // MARK: - Records that only memory has

    /// Whether a record is in flight that no file has and that was not told as lost.
    var hasMemoryOnly: Bool { inFlight.values.contains { $0.segment == 0 && !$0.isTold } }

    var memoryItems: [Item] { inFlight.values.filter { $0.segment == 0 && !$0.isTold } }

    // MARK: - Changes of files and queues

    mutating func move(_ queue: Int, to other: Int) {
        for (seq, item) in inFlight where item.queue == queue { inFlight[seq]?.queue = other }
    }

    /// A segment is gone. Its records may be acknowledged yet, or be gone at a crash: they are told
    /// as lost.
    mutating func forget(_ segment: UInt64) {
        for (seq, item) in inFlight where item.segment == segment { tell(seq) }
    }

    /// A segment was rewritten: its records have new places, or none. Answers the numbers of those
    /// that have.
    mutating func relocate(_ segment: UInt64, _ moves: [Int: Int]) -> Set<UInt64> {
        var stay: Set<UInt64> = []
        for (seq, item) in inFlight where item.segment == segment {
            if let offset = moves[item.offset] {
                inFlight[seq]?.offset = offset
                stay.insert(seq)
            } else {
                tell(seq)
            }
        }
        return stay
    }

    private mutating func tell(_ seq: UInt64) {
        inFlight[seq]?.segment = 0
        inFlight[seq]?.isTold = true
    }

    /// Records in flight by queue: those of them that are part of the sums.
    var countByQueue: [Int: Int] {
        inFlight.values.reduce(into: [:]) { if !$1.isTold { $0[$1.queue, default: 0] += 1 } }
    }

    func invariants() -> [String] {
        broken(
            (
                inFlight.allSatisfy { $0.key == $0.value.record.seq },
                "a record in flight under another number"
            ),
            (inFlight.keys.allSatisfy { forms[$0] == nil }, "a record in flight has come back"),
            (forms.count <= Self.formsMax, "\(forms.count) forms are kept"))
    }
}
