import Base

/// Records in segment files: which of them are loaded, and what becomes of them when a file
/// changes.
extension Backlog {
    // MARK: - New records

    /// Takes a record that has become durable behind all others of its queue; answers whether it
    /// stays loaded.
    mutating func add(_ item: Item) -> Bool {
        let isNext =
            self[item.queue].unloaded == 0 && self[item.queue].tail.isEmpty
            && hasRoom(item.queue, item.size)
        if isNext {
            load(item)
        } else {
            update(item.queue) {
                $0.addUnloaded(at: Position(segment: item.segment, offset: item.offset))
            }
        }
        return isNext
    }

    /// Counts a record that recovery has found; answers whether it is to be loaded.
    mutating func found(_ queue: Int, _ record: RecordSum, at place: Position) -> Bool {
        count(queue, record)
        let isNext = self[queue].unloaded == 0 && hasRoom(queue, record.bytes)
        if !isNext { update(queue) { $0.addUnloaded(at: place) } }
        return isNext
    }

    // MARK: - Records that are not durable yet

    /// Offers a new record that may be sent before it is durable, unless something of its queue
    /// waits that must go first; answers whether it did. Beside a backlog no record may: recovery
    /// knows by the settled ones on the disk that the backlog was overtaken.
    mutating func offer(_ item: Item) -> Bool {
        let queue = self[item.queue]
        guard queue.main == item.queue, queue.isLoadedToTheEnd, hasRoom(item.queue, item.size)
        else { return false }
        load(item)
        return true
    }

    /// Counts records that are offered when they are durable.
    mutating func hold(_ queue: Int, _ change: Int) { update(queue) { $0.changeHeld(by: change) } }

    /// A record that was offered before it was durable has its place now; false if it is neither
    /// waiting nor in flight any more.
    mutating func locate(_ item: Item) -> Bool {
        let place = Position(segment: item.segment, offset: item.offset)
        return locateFlight(item.record.seq, at: place)
            || update(item.queue) { $0.locate(item.record.seq, at: place) }
    }

    /// The disk fails: takes the records that are not durable out of the windows. Those in flight
    /// are in memory only from now on.
    mutating func takePending() {
        keepPendingFlights()
        for queue in indices {
            update(queue) {
                $0.forgetHeld()
                $0.rebuild { !$0.isPending }
            }
        }
    }

    mutating func load(_ item: Item) { update(item.queue) { $0.append(item) } }

    private func hasRoom(_ queue: Int, _ size: Int) -> Bool {
        self[queue].window.isEmpty || self[queue].window.bytes + size <= windowMax
    }

    // MARK: - Loading

    /// The place that is to be read next: that of the device that is furthest behind among those
    /// that want records. What a segment should have held, but the reader did not find, is lost.
    mutating func nextToLoad(
        _ catalogue: inout SegmentCatalogue, _ tails: Tails
    ) -> (place: Position?, lost: [(loss: Loss, segment: UInt64?)]) {
        var best: Position?
        var lost: [(Loss, UInt64?)] = []
        for queue in indices where self[queue].unloaded > 0 {
            seek(queue, &catalogue, tails, &lost)
            guard wantsLoad(queue) else { continue }
            let resume = self[queue].resume
            if let place = catalogue.index(of: resume.segment), catalogue[place].isRewriting {
                continue
            }
            if best.map({ resume < $0 }) ?? true { best = resume }
        }
        return (best, lost)
    }

    private func wantsLoad(_ queue: Int) -> Bool {
        guard self[queue].unloaded > 0 else { return false }
        let bytes = self[queue].window.bytes
        return bytes == 0 || bytes <= windowMax / 2 && bytes + self[queue].blocked <= windowMax
    }

    /// Moves a queue's place on to the next segment that holds something of it.
    private mutating func seek(
        _ queue: Int, _ catalogue: inout SegmentCatalogue, _ tails: Tails,
        _ lost: inout [(Loss, UInt64?)]
    ) {
        while self[queue].unloaded > 0 {
            let resume = self[queue].resume
            let place = catalogue.place(of: resume.segment)
            guard place < catalogue.count else {
                lost.append((lose(queue, self[queue].unloaded, tails), nil))
                return
            }
            let first = catalogue[place].firstSeq
            guard first == resume.segment else {
                update(queue) { $0.skip(to: Position(segment: first, offset: Segment.dataStart)) }
                continue
            }
            let isUnread = catalogue[place].tallies[queue]?.unloaded.records ?? 0 > 0
            if isUnread, resume.offset < catalogue[place].end { return }
            if let loss = lose(queue, in: &catalogue[place], tails) { lost.append((loss, first)) }
            update(queue) { $0.skip(to: Position(segment: first + 1, offset: Segment.dataStart)) }
        }
    }

    private mutating func lose(
        _ queue: Int, in segment: inout SegmentState, _ tails: Tails
    ) -> Loss? {
        guard let tally = segment.loseUnloaded(of: queue) else { return nil }
        update(queue) { $0.changeUnloaded(by: -tally.unloaded.records) }
        count(queue, -tally.unloaded)
        refill(queue, tails)
        let gap = Gap(
            device: self[queue].id, from: tally.from, to: tally.to, count: tally.unloaded.records,
            fromTime: tally.fromTime, toTime: tally.toTime, reason: .damage)
        return Loss(gap)
    }

    private mutating func lose(_ queue: Int, _ records: Int, _ tails: Tails) -> Loss {
        update(queue) { $0.changeUnloaded(by: -records) }
        count(queue, RecordSum(records: -records))
        refill(queue, tails)
        return Loss(Gap(device: self[queue].id, from: 0, to: 0, count: records, reason: .damage))
    }

    /// The queue that waits for a record which a chunk from `start` on has at `place`; nil if none
    /// does.
    mutating func awaiting(
        _ name: ArraySlice<UInt8>, _ seq: UInt64, at place: Position, from start: Position
    ) -> Int? {
        guard let main = index(ofName: name) else { return nil }
        let queue = queue(of: main, seq: seq)
        let resume = self[queue].resume
        return self[queue].unloaded > 0 && start <= resume && resume <= place ? queue : nil
    }

    /// Whether the window has room for the record at `place`; it is the queue's next one either
    /// way.
    mutating func reserve(_ queue: Int, _ size: Int, at place: Position) -> Bool {
        guard hasRoom(queue, size) else {
            update(queue) { $0.block(at: place, size: size) }
            return false
        }
        update(queue) {
            $0.loaded(upTo: Position(segment: place.segment, offset: place.offset + size))
        }
        return true
    }

    /// A chunk was read to its end: the queues that waited for something in it go on behind it.
    mutating func pass(_ chunk: Range<Position>, except blocked: Set<Int>) {
        for queue in indices where self[queue].unloaded > 0 && !blocked.contains(queue) {
            if chunk.contains(self[queue].resume) {
                update(queue) { $0.skip(to: chunk.upperBound) }
            }
        }
    }

    /// The file is gone: nothing of it will be read.
    mutating func pass(_ segment: SegmentState) {
        for queue in indices
        where self[queue].unloaded > 0 && self[queue].resume.segment == segment.firstSeq {
            update(queue) { $0.skip(to: Position(segment: segment.firstSeq, offset: segment.end)) }
        }
    }

    /// Unloads the newest records of the fullest windows until every one keeps to its part.
    mutating func unloadExcess(_ catalogue: inout SegmentCatalogue) {
        while isLoadedBeyondBound {
            let sizes = indices.map { self[$0].window.bytes }
            guard let fullest = sizes.indices.max(by: { sizes[$0] < sizes[$1] }),
                sizes[fullest] > windowMax
            else { return }
            let before = loadedBytes
            while self[fullest].window.bytes > windowMax, self[fullest].window.count > 1,
                self[fullest].window.last?.segment ?? 0 != 0
            {
                unloadLast(of: fullest, &catalogue)
            }
            if loadedBytes == before { return }
        }
    }

    private mutating func unloadLast(of queue: Int, _ catalogue: inout SegmentCatalogue) {
        guard let last = update(queue, { $0.unloadLast() }) else { return }
        if let place = catalogue.index(of: last.segment) {
            catalogue[place].unloaded(RecordSum(last), of: queue)
        }
    }

    // MARK: - Changes of files

    /// Forgets what waits in a segment that is dropped; answers what is lost by that.
    mutating func forget(
        _ segment: SegmentState, gateway: DeviceID, _ reason: Gap.Reason, _ tails: Tails
    ) -> [Loss] {
        forgetFlights(segment.firstSeq)
        var losses: [Loss] = []
        for queue in segment.tallies.keys.sorted() {
            guard let tally = segment.tallies[queue] else { continue }
            var from = max(tally.from, self[queue].window.firstSeq ?? 0)
            if from > tally.to { from = tally.from }
            update(queue) {
                // Not only at the front: one that could not be rewritten goes before an older one.
                $0.rebuild { $0.segment != segment.firstSeq }
                $0.changeUnloaded(by: -tally.unloaded.records)
            }
            count(queue, -tally.alive)
            let (id, main) = (self[queue].id, self[queue].main)
            let reports =
                id == gateway
                ? segment.gaps.keys.filter { self.queue(of: main, seq: $0) == queue }.count : 0
            if tally.alive.records > reports {
                let gap = Gap(
                    device: id, from: from, to: tally.to, count: tally.alive.records - reports,
                    fromTime: tally.fromTime, toTime: tally.toTime, reason: reason)
                losses.append(Loss(gap))
            }
            refill(queue, tails)
        }
        return losses + segment.gaps.values.map { Loss($0, isRepeated: true) }
    }

    /// The records of a segment that wait.
    func known(in segment: SegmentState) -> KnownRecords {
        var known = KnownRecords(loaded: flights(of: segment.firstSeq), resume: [:])
        for (queue, tally) in segment.tallies {
            known.loaded.formUnion(self[queue].loadedSeqs(of: segment.firstSeq))
            let resume = self[queue].resume
            guard tally.unloaded.records > 0, resume.segment <= segment.firstSeq else { continue }
            known.resume[queue] = resume.segment == segment.firstSeq ? resume.offset : 0
        }
        return known
    }

    /// Gives loaded records of a rewritten segment their new places; answers the numbers of those
    /// that have one.
    mutating func relocate(_ segment: SegmentState, _ moves: [Int: Int]) -> Set<UInt64> {
        var stay = relocateFlights(segment.firstSeq, moves)
        for queue in segment.tallies.keys {
            update(queue) {
                $0.rebuild { item in
                    guard item.segment == segment.firstSeq else { return true }
                    guard let offset = moves[item.offset] else { return false }
                    item.offset = offset
                    stay.insert(item.record.seq)
                    return true
                }
            }
        }
        return stay
    }

    /// Brings the sums of a queue in line with a rewritten segment.
    mutating func replace(_ old: SegmentState.Tally, by new: SegmentState.Tally?, _ queue: Int) {
        var change = -old.alive
        if let new { change += new.alive }
        count(queue, change)
        update(queue) { $0.changeUnloaded(by: (new?.unloaded.records ?? 0) - old.unloaded.records) }
    }

    /// Gives a queue that waits for a record of a rewritten segment the record's new place.
    mutating func seek(_ queue: Int, to place: Position) { update(queue) { $0.skip(to: place) } }

    /// Statements about what queues and segments both count.
    func invariants(with catalogue: SegmentCatalogue) -> [String] {
        var onDisk: [Int: SegmentState.Tally] = [:]
        for place in catalogue.indices {
            for (queue, tally) in catalogue[place].tallies {
                onDisk[queue] = onDisk[queue].map { $0 + tally } ?? tally
            }
        }
        return indices.flatMap { queue in
            let (alive, unloaded) = (onDisk[queue]?.alive, onDisk[queue]?.unloaded.records ?? 0)
            let (id, own) = (self[queue].id, self[queue].unloaded)
            return broken(
                (unloaded == own, "\(id): \(unloaded) unloaded in segments, \(own) in the queue"),
                (alive?.isPart(of: self[queue].sum) ?? true, "\(id): more in segments than waits"))
        }
    }
}

/// The waiting records of one segment: those that memory has, and for each queue the offset from
/// which on the others are.
struct KnownRecords {
    var loaded: Set<UInt64>
    var resume: [Int: Int]

    func contains(_ seq: UInt64, _ queue: Int, at offset: Int) -> Bool {
        loaded.contains(seq) || resume[queue].map { $0 <= offset } ?? false
    }
}
