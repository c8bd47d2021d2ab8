import Base

/// The file that takes a segment's place when space is short: under the same name, with a new salt,
/// the records that stay and, where others go, a loss note for each device. One rename makes the
/// loss and its note true at the same time.
///
/// In order: header, a settled page without a bit, header copy, loss notes, clock anchors and the
/// records that stay, the old file's last reserve, loss totals whose seq is the one after the old
/// file's last.
struct Rewrite: Sendable {
    /// One unsettled data record of the old file.
    struct Place: Sendable {
        var queue: Int
        var old: Int
        /// Where it is in the new file; nil if it goes.
        var new: Int?
        var seq: UInt64
        var at: Moment
        var sum: RecordSum
        var priority: Bool { sum.priorityBytes > 0 }
        var gap: Gap?
    }

    var header: Segment.Header
    var bytes: [UInt8] = []
    var places: [Place] = []
    /// Offsets of the loss notes.
    var notes: [Int] = []
    private var body: [UInt8] = []
    /// The old file's last reserve record.
    private var reserve: Record.Reserve?
    private let seed: UInt32

    init(_ old: Segment.Header, salt: UInt32) {
        header = old
        header.salt = salt
        header.sparse = true
        header.previous = 0
        seed = Record.seed(salt: salt)
    }

    /// A clock anchor or a record that stays, as it stands in the old file.
    mutating func keep(_ record: ArraySlice<UInt8>, _ place: Place? = nil) {
        if var place {
            place.new = body.count
            places.append(place)
        }
        Record.appendCopy(record, seed: seed, to: &body)
    }

    mutating func lose(_ place: Place) { places.append(place) }

    /// Takes the clock anchors and unsettled records of the old file: those that stay and those
    /// that go. A record in flight stays. What a failed commit left behind the end is not read: it
    /// went to another file.
    mutating func sort(
        _ file: [UInt8], _ old: SegmentState, limit: UInt64, _ backlog: inout Backlog,
        goes: (Place) -> Bool
    ) {
        let known = backlog.known(in: old)
        var scanner = SegmentScanner(old.header, size: min(file.count, old.end), limit: limit)
        while true {
            let found: SegmentScanner.Found
            switch scanner.next(in: file, base: 0, settled: old.pages.settled) {
            case .record(let record): found = record
            case .damage: continue
            case .more, .end: return
            }
            let record = file[found.offset..<min(found.offset + found.header.size, file.count)]
            if found.header.type == Record.RecordType.anchor.rawValue { keep(record) }
            if found.header.type == Record.RecordType.reserve.rawValue {
                reserve = Record.Reserve(file, found.payload)
            }
            guard found.header.isData, old.waits(at: found.offset),
                let parts = Record.Parts(file, found.payload),
                let device = backlog.index(ofName: file[parts.device])
            else { continue }
            let seq = found.header.seq
            let one = Place(
                queue: backlog.queue(of: device, seq: seq), old: found.offset, seq: seq,
                at: Moment(found.header.instant, parts.wall),
                sum: RecordSum(found.header),
                gap: parts.kind == .gap ? Gap(body: Array(file[parts.body])) : nil)
            // It was reported as lost, because it could not be read.
            guard known.contains(seq, one.queue, at: one.old) else { continue }
            if goes(one), !backlog.isInFlight(seq) { lose(one) } else { keep(record, one) }
        }
    }

    mutating func move(_ queue: Int, to other: Int) {
        for index in places.indices where places[index].queue == queue {
            places[index].queue = other
        }
    }

    /// Content of the new file's first page: nothing settled, and the number of records.
    var settled: Settled {
        var settled = Settled()
        settled.isComplete = true
        settled.records = places.reduce(0) { $0 + ($1.new == nil ? 0 : 1) }
        return settled
    }

    /// Puts the parts together once it is known what is lost.
    mutating func finish(losses: [Gap], totals: LossTotals, lastSeq: UInt64, at instant: Instant) {
        bytes = Segment.opening(header)
        for gap in losses {
            notes.append(bytes.count)
            Record.append(
                .note, gap.note, nextSeq: header.firstSeq, at: instant, seed: seed, to: &bytes)
        }
        let page = settled.page(generation: 1, seed: seed)
        bytes.replaceSubrange(
            Settled.offset(generation: 1)..<Settled.offset(generation: 1) + page.count, with: page)
        for index in places.indices {
            places[index].new = places[index].new.map { $0 + bytes.count }
        }
        bytes.append(contentsOf: body)
        if var reserve {
            reserve.records = settled.records
            Record.append(
                .reserve, reserve.payload, nextSeq: lastSeq &+ 1, at: instant, seed: seed,
                to: &bytes
            )
        }
        Record.append(
            .totals, totals.payload, nextSeq: lastSeq &+ 1, at: instant, seed: seed, to: &bytes)
        body = []
    }

    // MARK: - The place of the old file

    /// Takes the place of the old file: every record that memory knows by its old place gets the
    /// new one. Answers what went, and what the old file should have held and did not.
    func replace(
        _ place: Int, _ reason: Gap.Reason, _ catalogue: inout SegmentCatalogue,
        _ backlog: inout Backlog,
        _ tails: Backlog.Tails
    ) -> [Loss] {
        let old = catalogue[place]
        let known = backlog.known(in: old)
        var new = SegmentState(self, replacing: old)
        let loaded = backlog.relocate(
            old,
            Dictionary(
                uniqueKeysWithValues: places.compactMap { one in
                    one.new.map { (one.old, $0) }
                }))
        var lost: [Place] = []
        for one in places {
            // What was acknowledged in the meantime is settled there too, and what was lost because
            // it could not be read.
            let isSettled =
                old.pages.contains(offset: one.old)
                || !known.contains(one.seq, one.queue, at: one.old)
            guard let offset = one.new else {
                if !isSettled { lost.append(one) }
                continue
            }
            if isSettled {
                new.pages.settle(offset: offset)
            } else {
                new.add(
                    one.queue, seq: one.seq, at: one.at, one.sum, gap: one.gap,
                    unloaded: !loaded.contains(one.seq))
            }
        }
        catalogue[place] = new
        let queues = old.tallies.keys.sorted()
        let damaged = queues.compactMap { balance($0, old, new, lost, &backlog) }
        for queue in queues {
            if backlog[queue].resume.segment == old.firstSeq {
                let from = backlog[queue].resume.offset
                let offset = places.first { $0.old >= from && $0.new != nil }?.new ?? new.end
                backlog.seek(queue, to: Position(segment: old.firstSeq, offset: offset))
            }
            backlog.refill(queue, tails)
        }
        return damaged + lost.map { $0.loss(backlog, reason) }
    }

    /// Brings the sums of a queue in line; answers what is lost by damage.
    private func balance(
        _ queue: Int, _ old: SegmentState, _ new: SegmentState, _ lost: [Place],
        _ backlog: inout Backlog
    ) -> Loss? {
        guard let before = old.tallies[queue] else { return nil }
        let after = new.tallies[queue]
        backlog.replace(before, by: after, queue)
        let gone = lost.reduce(0) { $0 + ($1.queue == queue ? 1 : 0) }
        let missing = before.alive.records - (after?.alive.records ?? 0) - gone
        guard missing > 0 else { return nil }
        let gap = Gap(
            device: backlog[queue].id, from: before.from, to: before.to, count: missing,
            fromTime: before.fromTime, toTime: before.toTime, reason: .damage)
        return Loss(gap)
    }
}

extension Rewrite.Place {
    /// The loss of the record. A gap record passes on what it reports.
    func loss(_ backlog: Backlog, _ reason: Gap.Reason) -> Loss {
        if let gap { return Loss(gap, isRepeated: true) }
        let gap = Gap(
            device: backlog[queue].id, from: seq, to: seq, count: 1, fromTime: at.wall,
            toTime: at.wall, reason: reason)
        return Loss(gap)
    }
}
