import Base

/// The sending side: taking, settling and giving back.
extension Spool {
    /// Devices with a record that may be sent now, the one with the oldest first.
    package var readyDevices: ReadyDevices { ready }

    /// The device's oldest waiting record, now in flight; nil if none is loaded.
    package mutating func take(_ device: DeviceID) -> StoredRecord? {
        guard let index = devices.existing(device) else { return nil }
        while let item = popWindow(index) {
            if isTooOld(item.record) {
                drop(item, .age)
                continue
            }
            inFlight[item.record.seq] = item
            devices[index].inFlight += 1
            refresh(index)
            loadMore()
            return corrected(item)
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
        finish(item)
    }

    /// The bridge will never take it: dropped, and told in a gap with the reason "rejected".
    package mutating func reject(_ seq: UInt64, at now: Moment) {
        self.now = now
        guard let item = inFlight.removeValue(forKey: seq) else { return }
        devices[item.device].inFlight -= 1
        guard !item.isTold else { return }
        drop(item, .rejected)
    }

    /// The connection was lost: the record waits again, in its old place.
    package mutating func giveBack(_ seq: UInt64) {
        guard let item = inFlight.removeValue(forKey: seq) else { return }
        devices[item.device].inFlight -= 1
        guard !item.isTold else { return }
        devices[item.device].window.insert(item)
        loadedBytes += item.size
        refresh(item.device)
    }

    /// All of a device's records in flight wait again.
    package mutating func giveBack(_ device: DeviceID) {
        guard let index = devices.existing(device) else { return }
        for seq in inFlight.filter({ $0.value.device == index }).keys.sorted() { giveBack(seq) }
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
        let head = devices[device].window.first?.record.seq ?? 0
        let old = devices[device].readySeq
        guard head != old else { return }
        devices[device].readySeq = head
        ready.move(devices[device].id, from: old, to: head)
    }

    private func corrected(_ item: Item) -> StoredRecord {
        var record = item.record
        guard !record.clockTrusted else { return record }
        let boot = catalogue.index(of: item.segment).map { catalogue[$0].header.bootID } ?? bootID
        if let wall = anchors.wall(boot, at: record.at.instant) {
            record.at.wall = wall
            record.clockTrusted = true
        }
        return record
    }

    private func isTooOld(_ record: StoredRecord) -> Bool {
        clockTrusted && record.clockTrusted && now.wall - record.at.wall > settings.maxAge
    }
}
