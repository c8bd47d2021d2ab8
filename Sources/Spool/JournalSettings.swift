import Base

/// Bounds and names of a journal.
package struct JournalSettings: Hashable, Sendable {
    /// "project/registry/gateway": a directory of another identity is refused.
    package var identity: String
    /// Device whose `events/<gapSubfolder>` reports losses.
    package var gateway: DeviceID
    /// Subfolder of the reports of losses; nil switches the reports off.
    package var gapSubfolder: String?
    /// Bound on all segment files together, those set aside included.
    package var maxBytes: Int
    /// Left to others on the file system, at most 5 % of it.
    package var minFree: Int
    package var maxAge: Duration
    /// Longest body.
    package var maxRecord: Int
    /// Part of `maxBytes` that one device may hold.
    package var share: Double
    package var priorityReserve: Int
    /// Longest wait of a record for its commit.
    package var sync: Duration
    /// Whether a reading is offered at once, and is written only if it is not acknowledged within
    /// `sync`; otherwise every record is durable before it is offered.
    package var offersEarly: Bool
    /// Bound on loaded records, and on records in memory while the disk fails.
    package var loadMax: Int
    package var memoryMax: Int

    package init(
        identity: String, gateway: DeviceID, gapSubfolder: String? = "gaps",
        maxBytes: Int = 64 << 20, minFree: Int = 64 << 20, maxAge: Duration = .seconds(30 * 86400),
        maxRecord: Int = 64 << 10, share: Double = 0.25, priorityReserve: Int = 4 << 20,
        sync: Duration = .seconds(1), offersEarly: Bool = false, loadMax: Int = 2 << 20,
        memoryMax: Int = 4 << 20
    ) {
        self.identity = identity
        self.gateway = gateway
        self.gapSubfolder = gapSubfolder
        self.maxBytes = maxBytes
        self.minFree = minFree
        self.maxAge = maxAge
        self.maxRecord = maxRecord
        self.share = share
        self.priorityReserve = priorityReserve
        self.sync = sync
        self.offersEarly = offersEarly
        self.loadMax = loadMax
        self.memoryMax = memoryMax
    }

    /// Segments are an eighth of the bound, 128 KiB to 1 MiB, in whole 4 KiB blocks.
    var segmentSize: Int { min(max(maxBytes / 8, 128 << 10), Segment.sizeMax) & ~4095 }
    /// Longest body that any segment can take.
    var bodyMax: Int { min(maxRecord, segmentSize - Segment.dataStart - 2560) }

    /// Bounds on the backlog.
    var limits: Backlog.Limits {
        Backlog.Limits(
            loaded: loadMax, memory: memoryMax,
            share: Int(min(max(share, 0.001), 1) * Double(maxBytes)),
            reserve: priorityReserve)
    }
}
