import Base

/// The sending side: taking, settling and giving back.
extension Spool {
    /// Devices with a record that may be sent now, the one with the oldest first.
    package var readyDevices: ReadyDevices { ready }

    /// The same of the live lane: devices that are split, with what came after.
    package var readyLiveDevices: ReadyDevices { readyLive }

    /// Those of a lane that have a priority record, a command result or a gap among what is loaded. Older
    /// records of the same device stand before it, but never a backlog that is a lane of its own.
    package func urgentDevices(_ lane: Lane) -> ReadyDevices { lane == .live ? urgentLive : urgent }

    /// What would be taken next of a lane, and what stands behind it.
    package struct Head: Sendable {
        package var seq: UInt64
        package var kind: Entry.Kind
        package var subfolder: String
        package var bodySize: Int
        /// Meaningless unless `thisBoot`.
        package var at: Instant
        package var thisBoot: Bool
        /// Of all that is loaded of the lane, as stored.
        package var bytes: Int
        package var hasPriority: Bool
        /// More waits on the disk than is loaded.
        package var isMore: Bool
        /// The device has a backlog lane and a live one.
        package var isSplit: Bool
    }

    /// nil if nothing is loaded.
    package func head(_ device: DeviceID, _ lane: Lane = .backlog) -> Head? {
        guard let main = devices.existing(device), let index = lane == .live ? devices[main].live : main,
            let record = devices[index].window.first?.record
        else { return nil }
        let window = devices[index].window
        return Head(
            seq: record.seq, kind: record.kind, subfolder: record.subfolder, bodySize: record.body.count,
            at: record.at.instant, thisBoot: record.thisBoot, bytes: window.bytes, hasPriority: window.priorities > 0,
            isMore: devices[index].unloaded > 0, isSplit: devices[main].boundary != .max)
    }

    /// The device's oldest waiting record of a lane, now in flight; nil if none is loaded.
    package mutating func take(_ device: DeviceID, _ lane: Lane = .backlog) -> StoredRecord? {
        guard let main = devices.existing(device), let index = lane == .live ? devices[main].live : main
        else { return nil }
        if isReturning, devices[index].window.first?.segment == 0 { return nil }
        while var item = popWindow(index) {
            if isTooOld(item.record) {
                drop(item, .age)
                continue
            }
            item.record = asSent(item)
            inFlight[item.record.seq] = item
            devices[index].inFlight += 1
            refresh(index)
            loadMore()
            return item.record
        }
        refresh(index)
        loadMore()
        return nil
    }

    /// The bridge has acknowledged it: its settled bit goes to disk with a later commit. A number
    /// that is not in flight is ignored.
    package mutating func settle(_ seq: UInt64, at now: Moment) {
        self.now = now
        guard let item = inFlight.removeValue(forKey: seq) else { return }
        devices[item.device].inFlight -= 1
        counters.settled += 1
        if isReturning { beginReturn() }
        finish(item)
        endLanes()
        loadMore()
    }

    /// The bridge will never take it: dropped, and told in a gap with the reason "rejected".
    package mutating func reject(_ seq: UInt64, at now: Moment) {
        self.now = now
        guard let item = inFlight.removeValue(forKey: seq) else { return }
        devices[item.device].inFlight -= 1
        guard !item.isTold else { return }
        if isReturning { beginReturn() }
        drop(item, .rejected)
        endLanes()
        loadMore()
    }

    /// The connection was lost: the record waits again, in its old place.
    package mutating func giveBack(_ seq: UInt64) {
        guard let item = inFlight.removeValue(forKey: seq) else { return }
        devices[item.device].inFlight -= 1
        guard !item.isTold else { return }
        if sentForms.count < SentForm.max {
            sentForms[seq] = SentForm(
                wall: item.record.at.wall, clockTrusted: item.record.clockTrusted, backfill: item.record.backfill)
        }
        putBack(item)
        refresh(item.device)
        if isReturning { beginReturn() }
    }

    /// Into its place in the window, near the front.
    mutating func putBack(_ item: Item) {
        devices[item.device].window.insert(item)
        loadedBytes += item.size
    }

    /// All of a device's records in flight wait again.
    package mutating func giveBack(_ device: DeviceID) {
        guard let index = devices.existing(device) else { return }
        for seq in inFlight.filter({ devices[$0.value.device].main == index }).keys.sorted() { giveBack(seq) }
    }

    /// The record is settled, by acknowledgement or as dropped.
    mutating func finish(_ item: Item) {
        guard !item.isTold else { return }
        count(item, -1)
        guard item.segment != 0, let place = catalogue.index(of: item.segment) else { return }
        catalogue[place].settle(item)
        settledSinceCommit += 1
        if catalogue[place].alive == 0, item.segment != active {
            writePage(place)
            reap(item.segment)
        }
        if settledSinceCommit >= Self.settleCount || isDraining {
            writePages()
        } else if timers.due(.settle) == nil {
            timers.arm(.settle, at: now.instant + Self.settleDelay)
        }
    }

    mutating func popWindow(_ device: Int) -> Item? {
        guard let item = devices[device].window.popFirst() else { return nil }
        loadedBytes -= item.size
        refill(device)
        return item
    }

    /// Keeps the ready list true to the window's head.
    mutating func refresh(_ device: Int) {
        var head = devices[device].window.firstSeq ?? 0
        if isHeld(device) { head = 0 }
        if let live = devices[device].live, devices[device].boundary != .max { refresh(live) }
        refreshUrgent(device, head)
        let old = devices[device].readySeq
        guard head != old else { return }
        devices[device].readySeq = head
        if devices.isLive(device) {
            readyLive.move(device, devices[device].id, from: old, to: head)
        } else {
            ready.move(device, devices[device].id, from: old, to: head)
        }
    }

    /// The same for the list of devices with something urgent.
    private mutating func refreshUrgent(_ device: Int, _ head: UInt64) {
        let old = devices[device].urgentSeq
        // A backlog with a lane of its own is not urgent, or it would take the rate from all live records.
        let isBacklog = devices[device].boundary != .max
        let new = devices[device].window.priorities > 0 && !isBacklog ? head : 0
        guard new != old else { return }
        devices[device].urgentSeq = new
        if devices.isLive(device) {
            urgentLive.move(device, devices[device].id, from: old, to: new)
        } else {
            urgent.move(device, devices[device].id, from: old, to: new)
        }
    }

    /// What went out as live and came back stands before the backlog now; what is live waits for it.
    private func isHeld(_ queue: Int) -> Bool {
        guard devices.isLive(queue), !sentForms.isEmpty,
            let first = devices[devices[queue].main].window.firstSeq
        else { return false }
        return sentForms[first]?.backfill == false
    }

    /// The record as it goes out: as the last time, if there was one, else with the time that a clock
    /// anchor knows by now, and with its lane.
    private mutating func asSent(_ item: Item) -> StoredRecord {
        var record = item.record
        if let form = sentForms.removeValue(forKey: record.seq) {
            record.at.wall = form.wall
            (record.clockTrusted, record.backfill) = (form.clockTrusted, form.backfill)
            return record
        }
        let (boundary, isOvertaken) = (devices[item.device].boundary, devices[item.device].isOvertaken)
        record.backfill = boundary != .max || isMemoryOnly && isOvertaken && item.segment != 0
        guard !record.clockTrusted else { return record }
        let boot = catalogue.index(of: item.segment).map { catalogue[$0].header.bootID } ?? bootID
        if let wall = anchors.wall(boot, at: record.at.instant) {
            record.at.wall = wall
            record.clockTrusted = true
        }
        return record
    }

    /// Of this boot by the clock that never steps; of an older one by civil time, if both are trusted.
    private func isTooOld(_ record: StoredRecord) -> Bool {
        if record.thisBoot { return now.instant - record.at.instant > settings.maxAge }
        return clockTrusted && record.clockTrusted && now.wall - record.at.wall > settings.maxAge
    }
}

/// How a record went out.
struct SentForm: Sendable {
    static let max = 16_384

    var wall: WallTime
    var clockTrusted: Bool
    var backfill: Bool
}
