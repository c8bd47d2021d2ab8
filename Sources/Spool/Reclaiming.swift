import Base

/// Space for the next segment: first what is not worth its file is written shorter, and only then
/// the oldest records go, those of the devices that hold most first.
struct Reclaim: Sendable {
    var segment: UInt64
    /// Queues whose records go; empty: the file is only made shorter.
    var victims: Set<Int>
    var sparesPriority: Bool
    var reason: Gap.Reason
    var result: Rewrite?
    var totals = LossTotals()
}

extension Spool {
    static let reclaimsMax = 64

    /// Makes the segment that is wanted, once there is room for it.
    mutating func makeRoom(_ space: DiskSpace?) {
        guard let header = creating else { return }
        let size = settings.segmentSize
        // While a file is rewritten the new one stands beside the old: that too is within the bound.
        let isOver = catalogue.bytes + 2 * size > settings.maxBytes
        // Below `minFree` the journal does not grow: as much goes as comes.
        let isScarce = roomMade < size && space.map { space in
            space.available - Int64(size) < min(Int64(settings.minFree), space.total / 20)
        } ?? false
        guard isOver || isScarce, reclaims < Self.reclaimsMax else { return create(header) }
        guard reclaim == nil else { isRoomWanted = true; return }
        reclaims += 1
        if let file = catalogue.popAside() {
            roomMade += file.size
            if file.isNewer {
                lose(Gap(device: nil, from: file.firstSeq, to: file.firstSeq, count: 1, reason: .full))
                note(.warning, "\(file.name), written by a newer fieldgw, is removed: there is no room for it")
            }
            request(.remove(name: file.name), .housekeeping)
            makeRoom(space)
        } else if let place = sparsest() {
            rewrite(place, losing: [], sparing: true, .full)
        } else if let choice = choice() {
            rewrite(choice.place, losing: choice.victims, sparing: choice.spares, .full)
        } else if dropOldest(.full) {
            makeRoom(space)
        } else {
            create(header)
        }
    }

    func mayRewrite(_ place: Int) -> Bool {
        let segment = catalogue[place]
        return !segment.isRemoving && !segment.isBeingReplaced && !segment.isStuck && segment.openMarks == 0
            && segment.firstSeq != active && segment.firstSeq != commit?.segment && segment.fileSize <= 1 << 20
    }

    /// The segment less than a quarter alive whose rewriting frees most.
    private func sparsest() -> Int? {
        var best: (place: Int, freed: Int)?
        for place in catalogue.indices where mayRewrite(place) && catalogue[place].alive > 0 {
            let segment = catalogue[place]
            let alive = segment.aliveBytes
            let freed = segment.fileSize - (segment.start + alive + 8192)
            guard alive * 4 < segment.fileSize - Segment.dataStart, freed >= 16 << 10 else { continue }
            if freed > best?.freed ?? 0 { best = (place, freed) }
        }
        return best?.place
    }

    /// The oldest segment in which enough belongs to the devices that hold most; failing that, the
    /// oldest that has anything to give; failing that, priority records too.
    private func choice() -> (place: Int, victims: Set<Int>, spares: Bool)? {
        let spares = sparesPriority
        let largest = devices.indices.map { shareBytes($0) }.max() ?? 0
        for place in catalogue.indices where mayRewrite(place) {
            let segment = catalogue[place]
            let victims = segment.tallies.keys.filter { shareBytes($0) * 2 >= largest }
            let freed = victims.reduce(0) { $0 + bytes(of: $1, in: segment, spares) }
            if freed * 2 >= segment.fileSize - Segment.dataStart, freed > 0 { return (place, Set(victims), spares) }
        }
        for isSparing in spares ? [true, false] : [false] {
            for place in catalogue.indices where mayRewrite(place) {
                let segment = catalogue[place]
                let freed = segment.tallies.keys.reduce(0) { $0 + bytes(of: $1, in: segment, isSparing) }
                if freed > 0, freed * 4 >= segment.fileSize - Segment.dataStart || !isSparing {
                    return (place, Set(segment.tallies.keys), isSparing)
                }
            }
        }
        return nil
    }

    private func bytes(of queue: Int, in segment: SegmentState, _ sparing: Bool) -> Int {
        guard let tally = segment.tallies[queue] else { return 0 }
        return tally.bytes - (sparing ? tally.priorityBytes : 0)
    }

    // MARK: - One rewriting

    mutating func rewrite(_ place: Int, losing victims: Set<Int>, sparing: Bool, _ reason: Gap.Reason) {
        catalogue[place].isRewriting = true
        reclaim = Reclaim(
            segment: catalogue[place].firstSeq, victims: victims, sparesPriority: sparing, reason: reason)
        request(.load(name: catalogue[place].name), .reclaimLoad)
    }

    mutating func reclaimLoaded(_ result: Result<DiskAnswer, DiskFailure>) {
        guard var work = reclaim, let place = catalogue.index(of: work.segment), !isMemoryOnly || creating != nil,
            case .success(.bytes(let bytes)) = result
        else {
            if case .failure(let failure) = result { return reclaimFailed(failure) }
            return reclaimFailed(DiskFailure(.io, "not now"))
        }
        var made = Rewrite(catalogue[place].header, salt: UInt32(truncatingIfNeeded: random.next()))
        walk(bytes, place, work, &made)
        var losses: [Int: Gap] = [:]
        for lost in made.places where lost.new == nil { note(lost, work.reason, in: &losses) }
        var all = totals
        for gap in losses.values { all.add(gap.count, gap.reason) }
        made.finish(
            losses: losses.keys.sorted().compactMap { losses[$0] }, totals: all, lastSeq: catalogue[place].lastSeq,
            at: now.instant)
        request(.replace(name: catalogue[place].name, bytes: made.bytes), .reclaimed)
        counters.bytesWritten += made.bytes.count
        (work.result, work.totals) = (made, all)
        reclaim = work
    }

    /// Sorts the unsettled records into those that stay and those that go.
    private mutating func walk(_ bytes: [UInt8], _ place: Int, _ work: Reclaim, _ made: inout Rewrite) {
        let segment = catalogue[place]
        let limit = place + 1 < catalogue.segments.count ? catalogue[place + 1].firstSeq : UInt64.max
        var scanner = SegmentScanner(segment.header, size: bytes.count, limit: limit)
        while true {
            let found: SegmentScanner.Found
            switch scanner.next(in: bytes, base: 0, settled: segment.settled) {
            case .record(let record): found = record
            case .damage: continue
            case .more, .end: return
            }
            let record = bytes[found.offset..<min(found.offset + found.header.size, bytes.count)]
            if found.header.type == Record.RecordType.anchor.rawValue { made.keep(record) }
            guard found.header.type == Record.RecordType.data.rawValue,
                !segment.settled.contains(offset: found.offset),
                let parts = Record.Parts(bytes, found.payload),
                let device = devices.index(ofName: bytes[parts.device])
            else { continue }
            let seq = found.header.seq
            let priority = found.header.flags.contains(.priority)
            let one = Rewrite.Place(
                queue: devices.queue(of: device, seq: seq), old: found.offset, seq: seq,
                at: Moment(Instant(nanoseconds: Int64(bitPattern: found.header.bootTime)), parts.wall),
                size: found.header.size, priority: priority,
                gap: parts.kind == .gap ? Gap(body: Array(bytes[parts.body])) : nil)
            let goes = work.victims.contains(one.queue) && !(work.sparesPriority && priority)
                && inFlight[seq] == nil
            if goes { made.lose(one) } else { made.keep(record, one) }
        }
    }

    private func note(_ lost: Rewrite.Place, _ reason: Gap.Reason, in losses: inout [Int: Gap]) {
        let main = devices[lost.queue].main
        let gap = lost.gap ?? Gap(
            device: devices[main].id, from: lost.seq, to: lost.seq, count: 1, fromTime: lost.at.wall,
            toTime: lost.at.wall, reason: reason)
        // A gap record that goes gives its own count on, to the device that it is about.
        let key = lost.gap == nil ? main : gap.device.flatMap { devices.existing($0) } ?? Self.nobody
        if losses[key] == nil { losses[key] = gap } else { losses[key]?.merge(gap) }
    }

    mutating func reclaimed(_ result: Result<DiskAnswer, DiskFailure>) {
        guard let work = reclaim, let made = work.result, let place = catalogue.index(of: work.segment) else {
            reclaim = nil
            return
        }
        if case .failure(let failure) = result { return reclaimFailed(failure) }
        reclaim = nil
        roomMade += catalogue[place].fileSize - made.bytes.count
        durableTotals.raise(to: work.totals)
        adopt(made, place, work.reason)
        afterReclaim()
    }

    private mutating func reclaimFailed(_ failure: DiskFailure) {
        guard let work = reclaim else { return }
        reclaim = nil
        counters.failures += 1
        if let place = catalogue.index(of: work.segment) {
            catalogue[place].isRewriting = false
            catalogue[place].isStuck = true
            // Not a block is free: the oldest goes as it is.
            if failure.kind == .noSpace, !work.victims.isEmpty, !isMemoryOnly {
                roomMade += catalogue[place].fileSize
                dropSegment(place, work.reason)
            }
        }
        afterReclaim()
    }

    private mutating func afterReclaim() {
        if creating != nil {
            isRoomWanted = false
            request(.space, .space)
        } else {
            dropAged()
        }
        loadMore()
    }
}
