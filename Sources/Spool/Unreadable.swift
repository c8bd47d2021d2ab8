import Base

/// A chunk that cannot be read is asked for again before it is given up: a disk that has gone away for a
/// moment must not cost the backlog on it.
struct Unreadable: Sendable {
    var position: Position
    var failures: Int
    /// Nothing is read until the timer `.reread`, or the disk's return.
    var isHeld = true
}

extension Spool {
    static let rereadPace = Duration.seconds(5)
    static let rereadMax = 3

    /// Whether reading waits for another try. Otherwise what could not be read is passed over and counted
    /// as damage: after three failures in a row on a disk that takes writes, or if the file is not there.
    mutating func holdLoading(_ position: Position, _ failure: DiskFailure) -> Bool {
        let name = Segment.name(position.segment)
        if failure.kind == .missing, !isMemoryOnly {
            note(.warning, "cannot read \(name): \(failure.detail)")
            passSegment(position.segment)
            return false
        }
        let failures = unreadable?.position == position ? (unreadable?.failures ?? 0) + 1 : 1
        if failures == 1 { note(.warning, "cannot read \(name): \(failure.detail); it is tried again") }
        guard isMemoryOnly || failures < Self.rereadMax else {
            unreadable = nil
            note(.warning, "\(name) cannot be read at \(position.offset): what was there is lost")
            return false
        }
        unreadable = Unreadable(position: position, failures: isMemoryOnly ? 1 : failures)
        timers.arm(.reread, at: now.instant + Self.rereadPace)
        for device in devices.indices { refill(device); refresh(device) }
        return true
    }

    mutating func reread() {
        guard unreadable?.isHeld == true else { return }
        unreadable?.isHeld = false
        let newest = catalogue.segments.map(\.lastSeq).max() ?? 0
        for device in devices.indices where isMemoryOnly && devices[device].unloaded > 0 {
            // It stands behind what may be read now.
            while let last = devices[device].window.last, last.segment == 0, last.record.seq > newest {
                _ = devices[device].window.popLast()
                loadedBytes -= last.size
                memoryBytes += last.size
                devices[device].tail.insert(last)
            }
            refresh(device)
        }
        trimMemory()
        loadMore()
    }

    /// Somebody removed the file: nothing of it will ever be read.
    private mutating func passSegment(_ segment: UInt64) {
        guard let place = catalogue.index(of: segment) else { return }
        for device in devices.indices where devices[device].unloaded > 0 && devices[device].resume.segment == segment {
            devices[device].resume.offset = catalogue[place].end
        }
    }

    /// What was made in memory went out while the backlog could not be read: that goes beside it now.
    mutating func splitOvertaken() {
        unreadable = nil
        for device in devices.indices where devices[device].isOvertaken && devices[device].unloaded > 0 {
            if !devices.isLive(device), devices[device].boundary == .max { split(devices[device].id) }
        }
    }
}
