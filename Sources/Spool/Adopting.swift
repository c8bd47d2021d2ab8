import Base

/// A rewritten file has taken the place of a segment: every record that memory knows by its old place
/// gets the new one, and what went is lost and told.
extension Spool {
    mutating func adopt(_ made: Rewrite, _ place: Int, _ reason: Gap.Reason) {
        let old = catalogue[place]
        var new = SegmentState(made.header, fileSize: made.bytes.count)
        new.end = made.bytes.count
        (new.generation, new.settled, new.notedRecords) = (1, made.settled, made.settled.records)
        new.lastSeq = old.lastSeq
        new.newest = old.newest
        var moves: [Int: Int] = [:]
        for one in made.places { moves[one.old] = one.new }
        let loaded = move(old, moves)
        var losses: [Rewrite.Place] = []
        for one in made.places {
            // What was acknowledged in the meantime is settled there too.
            let isSettled = old.settled.contains(offset: one.old)
            guard let offset = one.new else {
                if !isSettled { losses.append(one) }
                continue
            }
            guard !isSettled else {
                new.settled.insert(offset: offset)
                new.isDirty = true
                continue
            }
            new.add(
                one.queue, seq: one.seq, at: one.at, size: one.size, priority: one.priority,
                unloaded: !loaded.contains(one.seq))
            if let gap = one.gap { new.gaps[one.seq] = gap }
        }
        new.openMarks = made.notes.count
        catalogue[place] = new
        marks += made.notes.map { Mark(segment: new.firstSeq, range: $0..<$0 + Settled.granule, count: 1) }
        balance(old, new, losses)
        for lost in losses {
            if let gap = lost.gap { lose(gap, again: true); continue }
            lose(Gap(
                device: devices[lost.queue].id, from: lost.seq, to: lost.seq, count: 1, fromTime: lost.at.wall,
                toTime: lost.at.wall, reason: reason))
        }
        for queue in old.tallies.keys.sorted() {
            if devices[queue].resume.segment == old.firstSeq {
                let from = devices[queue].resume.offset
                devices[queue].resume.offset = made.places.first { $0.old >= from && $0.new != nil }?.new ?? new.end
            }
            refill(queue)
            refresh(queue)
        }
        if made.notes.isEmpty { reap(new.firstSeq) }
    }

    /// Moves what is loaded; answers the numbers of what still is.
    private mutating func move(_ old: SegmentState, _ moves: [Int: Int]) -> Set<UInt64> {
        var loaded: Set<UInt64> = []
        for queue in old.tallies.keys {
            for var item in devices[queue].window.removeAll() {
                if item.segment == old.firstSeq {
                    guard let offset = moves[item.offset] else { loadedBytes -= item.size; continue }
                    item.offset = offset
                    loaded.insert(item.record.seq)
                }
                devices[queue].window.append(item)
            }
        }
        for (seq, item) in inFlight where item.segment == old.firstSeq {
            if let offset = moves[item.offset] {
                inFlight[seq]?.offset = offset
                loaded.insert(seq)
            } else {
                // It may be acknowledged yet, or be gone at a crash: it is told as lost.
                inFlight[seq]?.segment = 0
                inFlight[seq]?.isTold = true
            }
        }
        return loaded
    }

    /// Brings the sums in line; what the old file should have held and did not is lost by damage.
    private mutating func balance(_ old: SegmentState, _ new: SegmentState, _ losses: [Rewrite.Place]) {
        for queue in old.tallies.keys.sorted() {
            guard let before = old.tallies[queue] else { continue }
            let after = new.tallies[queue]
            let gone = losses.reduce(0) { $0 + ($1.queue == queue ? 1 : 0) }
            count(
                queue, records: (after?.alive ?? 0) - before.alive, bytes: (after?.bytes ?? 0) - before.bytes,
                priority: (after?.priorityBytes ?? 0) - before.priorityBytes)
            devices[queue].unloaded += (after?.unloaded ?? 0) - before.unloaded
            let missing = before.alive - (after?.alive ?? 0) - gone
            guard missing > 0 else { continue }
            counters.damaged += missing
            lose(Gap(
                device: devices[queue].id, from: before.from, to: before.to, count: missing,
                fromTime: before.fromTime, toTime: before.toTime, reason: .damage))
        }
    }
}
