import Base

/// The two lanes of a device whose backlog is long, and the records that only memory has.
extension Backlog {
    // MARK: - Lanes

    /// Makes what waits of a device its backlog lane; numbers from `seq` on are live. What was live
    /// before must have been joined.
    mutating func split(_ main: Int, at seq: UInt64) {
        guard self[main].sum.records > 0 else { return }
        makeLive(main)
        update(main) { $0.split(at: seq) }
    }

    /// Makes one queue of the two again, in order of the numbers; answers the live queue if there
    /// were two.
    mutating func join(_ main: Int, _ catalogue: inout SegmentCatalogue) -> Int? {
        guard let live = self[main].live, self[main].isSplit else { return nil }
        if self[main].unloaded > 0 || self[main].held > 0 {
            unloadWindow(of: live, to: main, &catalogue)
        }
        joinQueues(main, live)
        for place in catalogue.indices { catalogue[place].move(live, to: main) }
        let sum = self[live].sum
        count(main, sum)
        count(live, -sum)
        return live
    }

    private mutating func unloadWindow(
        of live: Int, to main: Int, _ catalogue: inout SegmentCatalogue
    ) {
        while let last = self[live].window.last {
            if let place = catalogue.index(of: last.segment), last.segment != 0 {
                update(live) { _ = $0.unloadLast() }
                catalogue[place].unloaded(RecordSum(last), of: live)
            } else if last.isPending {
                update(live) { _ = $0.popLast() }
                hold(live, +1)
                withdraw(last.record.seq)
            } else {
                // In memory only: it was given back after the disk had returned.
                update(live) { _ = $0.popLast() }
                var item = last
                item.queue = main
                update(main) { $0.putBack(item) }
            }
        }
    }

    // MARK: - Records in memory only

    /// Keeps a record in memory, behind what the failed disk still holds.
    mutating func keepInMemory(_ item: Item, _ tails: Tails) {
        update(item.queue) { $0.keepInMemory(item) }
        refill(item.queue, tails)
    }

    /// Moves a record that only memory has to an empty window.
    mutating func refill(_ queue: Int, _ tails: Tails) {
        guard tails != .held, self[queue].window.isEmpty,
            self[queue].unloaded == 0 || tails == .beforeDisk
        else { return }
        update(queue) { $0.refill() }
    }

    mutating func refillAll(_ tails: Tails) {
        for queue in indices { refill(queue, tails) }
    }

    /// Drops what memory has no room for: the oldest of the device that has most there goes first,
    /// priority records last.
    mutating func trimMemory() -> [Item] {
        var dropped: [Item] = []
        while isMemoryBeyondBound {
            let spares = sparesPriority
            guard let fullest = indices.max(by: { self[$0].tail.bytes < self[$1].tail.bytes }),
                let item = update(fullest, { $0.dropFromMemory(sparingPriority: spares) })
            else { break }
            count(item, -1)
            dropped.append(item)
        }
        return dropped
    }

    /// Puts everything that memory has behind what recovery will find.
    mutating func holdBackAll() {
        for queue in indices { update(queue) { $0.holdBack { _ in true } } }
    }

    /// Puts records above `newest` that only memory has behind those of their device that may be
    /// read now.
    mutating func holdBack(above newest: UInt64) {
        for queue in indices where self[queue].unloaded > 0 {
            update(queue) { $0.holdBack { $0.segment == 0 && $0.record.seq > newest } }
        }
    }

    /// The lowest number that `takeMemory` takes; nil if there is nothing.
    func firstInMemory(above newest: UInt64) -> UInt64? {
        indices.compactMap { self[$0].firstInMemory(above: newest) }.min()
    }

    /// Takes the records that only memory has, in order of their numbers: they go to a new file.
    /// One at or below `newest` was in flight when the disk came back before; it stays in memory.
    mutating func takeMemory(above newest: UInt64) -> [Item] {
        var items: [Item] = []
        for queue in indices { items += update(queue) { $0.takeMemory(above: newest) } }
        return items.sorted { $0.record.seq < $1.record.seq }
    }

    /// Numbers the records of the tails anew if they lie below `last`, in their order: in a new
    /// file they would be taken for an older one's. A record that was sent and came back keeps its
    /// number, and is loaded.
    mutating func raiseNumbers(above last: UInt64, _ numbers: inout Numbering) {
        guard let lowest = indices.compactMap({ self[$0].tail.firstSeq }).min(), lowest <= last
        else { return }
        let items = indices.flatMap { queue in update(queue) { $0.takeTail() } }
        for var item in items.sorted(by: { $0.record.seq < $1.record.seq }) {
            if hasReturned(item.record.seq) {
                update(item.queue) { $0.load(fromMemory: item) }
            } else {
                item.record.seq = numbers.take()
                update(item.queue) { $0.keepInMemory(item) }
            }
        }
    }

    /// The devices whose new records were sent while their backlog could not be read.
    var overtaken: [Int] {
        indices.filter {
            self[$0].main == $0 && self[$0].isOvertaken && self[$0].unloaded > 0
                && !self[$0].isSplit
        }
    }

    /// Records that no file has, in order of their numbers.
    var memoryItems: [Item] {
        (memoryFlights + indices.flatMap { self[$0].memoryItems }).sorted {
            $0.record.seq < $1.record.seq
        }
    }
}
