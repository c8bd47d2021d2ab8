import Base

/// Bounds, and what is lost by them: always told in a gap record.
extension Spool {
    /// What one device may hold.
    var shareMax: Int { Int(min(max(settings.share, 0.001), 1) * Double(settings.maxBytes)) }

    /// Key of the gap whose device is not known.
    static let nobody = -1

    /// Merges a loss into the device's open gap. What was dropped on disk is told with the next commit,
    /// so that a crash cannot make it silent; other losses at most every 10 s a device.
    ///
    /// - Parameter again: the loss is counted already; the record that told it was lost.
    mutating func lose(_ gap: Gap, again: Bool = false) {
        if !again {
            counters.dropped += gap.count
            totals.add(gap.count, gap.reason)
            areTotalsNew = true
        }
        guard settings.gapSubfolder != nil, phase != .failed else { return }
        let key = gap.device.map { devices.index(of: $0) } ?? Self.nobody
        if gaps[key] == nil { gaps[key] = gap } else { gaps[key]?.merge(gap) }
        if gap.reason.isOnDisk { urgentGaps.insert(key) }
        let due = gapDue(key, gap.reason)
        if timers.due(.gaps).map({ due < $0 }) ?? true { timers.arm(.gaps, at: due) }
    }

    /// From now on losses are told under this subfolder of the gateway's events; nil: not at all.
    package mutating func tellGaps(in subfolder: String?) {
        settings.gapSubfolder = subfolder
        guard subfolder == nil else { return }
        (gaps, urgentGaps) = ([:], [])
        timers.disarm(.gaps)
    }

    private func gapDue(_ key: Int, _ reason: Gap.Reason) -> Instant {
        guard !isDraining, let sent = gapSent[key] else { return now.instant }
        return max(now.instant, sent + (reason.isOnDisk ? settings.sync : Self.gapPace))
    }

    mutating func flushGaps() {
        guard phase == .running || isMemoryOnly else {
            timers.arm(.gaps, at: now.instant + Self.gapPace)
            return
        }
        if isMemoryOnly { appendDueGaps() } else { commitNow() }
    }

    /// Turns the open gaps that are due into records. What was dropped on disk is always due: the
    /// settled bits that go with this commit or a later one must not come before it.
    mutating func appendDueGaps() {
        guard !gaps.isEmpty, let subfolder = settings.gapSubfolder else { return }
        var next: Instant?
        for key in gaps.keys.sorted() {
            guard let gap = gaps[key] else { continue }
            let due = gapDue(key, gap.reason)
            if due > now.instant, !isDraining, !urgentGaps.contains(key) {
                next = min(next ?? .distantFuture, due)
                continue
            }
            gaps[key] = nil
            urgentGaps.remove(key)
            gapSent[key] = now.instant
            let entry = Entry(
                device: settings.gateway, subfolder: subfolder, kind: .gap, priority: true, body: gap.body,
                at: now, clockTrusted: clockTrusted)
            let main = devices.index(of: settings.gateway)
            let device = devices.queue(of: main, seq: .max - 1)
            let size = Record.size(
                device: settings.gateway.text.utf8.count, subfolder: subfolder.utf8.count,
                body: entry.body.count)
            enqueueGap(Item(record: StoredRecord(entry, seq: 0), device: device, size: size, gap: gap))
        }
        if let next { timers.arm(.gaps, at: next) }
    }

    /// Like `enqueue`, without starting a commit: the caller is one.
    private mutating func enqueueGap(_ new: Item) {
        var item = new
        counters.appended += 1
        count(item, +1)
        number(&item)
        if isMemoryOnly {
            item.numberedInMemory = true
            keepInMemory(item)
        } else {
            pending.append(item)
            pendingBytes += item.size
        }
    }

    /// Settles a loaded record as dropped.
    mutating func drop(_ item: Item, _ reason: Gap.Reason) {
        lose(item, reason)
        finish(item)
    }

    /// Counts a record as lost; a gap record gives its own count on.
    mutating func lose(_ item: Item, _ reason: Gap.Reason) {
        if let gap = item.gap { lose(gap, again: true); return }
        let record = item.record
        lose(Gap(
            device: record.device, from: record.seq, to: record.seq, count: 1, fromTime: record.at.wall,
            toTime: record.at.wall, reason: reason))
    }

    /// What counts against a device's share: not what the reserve is for.
    func shareBytes(_ device: Int) -> Int {
        devices.queues(of: device).reduce(0) { sum, queue in
            sum + devices[queue].aliveBytes - (sparesPriority ? devices[queue].priorityBytes : 0)
        }
    }

    /// Records of priority points, command results and gaps are not dropped for others while they keep
    /// to their reserve.
    var sparesPriority: Bool { prioritySize <= settings.priorityReserve }

    mutating func trimShares() {
        for device in devices.indices where !devices.isLive(device) { trimShare(device) }
    }

    /// Drops the device's oldest loaded records until it keeps to its share, with a little to spare so
    /// that one gap tells of many.
    mutating func trimShare(_ device: Int) {
        guard shareBytes(device) > shareMax else { return }
        let aim = shareMax - shareMax / 16
        for queue in devices.queues(of: device) {
            var spared: [Item] = []
            while shareBytes(device) > aim, devices[queue].window.firstSegment ?? 0 != 0,
                let item = popWindow(queue)
            {
                if item.record.priority, sparesPriority { spared.append(item) } else { drop(item, .share) }
            }
            for item in spared.reversed() { putBack(item) }
            refresh(queue)
        }
    }

    /// Place of the oldest segment that can go as a whole.
    func oldestDroppable() -> Int? {
        catalogue.indices.first {
            let segment = catalogue[$0]
            return !segment.isRemoving && !segment.isRewriting && segment.firstSeq != commit?.segment
                && ($0 < catalogue.segments.count - 1 || segment.alive > 0)
        }
    }

    /// Drops the oldest segment with all that waits in it; false if there is none. The last resort: on
    /// a disk without a free block it cannot be rewritten first.
    mutating func dropOldest(_ reason: Gap.Reason) -> Bool {
        guard let place = oldestDroppable() else { return false }
        dropSegment(place, reason)
        return true
    }

    mutating func dropSegment(_ place: Int, _ reason: Gap.Reason) {
        let segment = catalogue[place]
        if active == segment.firstSeq { active = nil }
        // What is in flight may be acknowledged yet, or be gone at a crash: it is told as lost.
        for (seq, item) in inFlight where item.segment == segment.firstSeq {
            inFlight[seq]?.segment = 0
            inFlight[seq]?.isTold = true
        }
        for device in segment.tallies.keys.sorted() {
            guard let tally = catalogue[place].tallies[device] else { continue }
            var from = max(tally.from, devices[device].window.firstSeq ?? 0)
            // Not only at the front: one that could not be rewritten goes before an older one.
            for item in devices[device].window.removeAll() {
                if item.segment == segment.firstSeq { loadedBytes -= item.size; continue }
                devices[device].window.append(item)
            }
            if from > tally.to { from = tally.from }
            devices[device].unloaded -= tally.unloaded
            count(device, records: -tally.alive, bytes: -tally.bytes, priority: -tally.priorityBytes)
            let main = devices[device].main
            let own = catalogue[place].gaps.keys.filter { devices.queue(of: main, seq: $0) == device }
            let told = devices[device].id == settings.gateway ? own.count : 0
            if tally.alive > told {
                lose(Gap(
                    device: devices[device].id, from: from, to: tally.to, count: tally.alive - told,
                    fromTime: tally.fromTime, toTime: tally.toTime, reason: reason))
            }
            refill(device)
            refresh(device)
        }
        for gap in catalogue[place].gaps.values { lose(gap, again: true) }
        catalogue[place].gaps = [:]
        catalogue[place].alive = 0
        catalogue[place].tallies = [:]
        catalogue[place].isDirty = false
        remove(place)
    }

    // MARK: - Upkeep

    mutating func upkeep() {
        timers.arm(.upkeep, at: now.instant + Self.upkeepPace)
        guard phase == .running else { return }
        reapAll()
        dropAged()
        if let place = active.flatMap({ catalogue.index(of: $0) }) {
            noteRecords(place)
            if catalogue[place].isDirty, timers.due(.settle) == nil {
                timers.arm(.settle, at: now.instant + Self.settleDelay)
            }
        }
        if phase == .running, !gaps.isEmpty { flushGaps() }
    }

    /// A sealed segment whose newest record is too old goes as a whole, its loss noted first.
    mutating func dropAged() {
        guard clockTrusted, phase == .running, !isMemoryOnly, reclaim == nil,
            let place = catalogue.indices.first(where: { mayRewrite($0) && catalogue[$0].alive > 0 })
        else { return }
        let segment = catalogue[place]
        let age = segment.header.bootID == bootID
            ? now.instant - segment.newest.instant : now.wall - segment.newest.wall
        guard age > settings.maxAge else { return }
        rewrite(place, losing: Set(segment.tallies.keys), sparing: false, .age)
    }
}
