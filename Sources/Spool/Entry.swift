import Base

/// Something to be journalled: the logical content, never an encoded packet.
package struct Entry: Hashable, Sendable {
    package enum Kind: UInt8, Hashable, Sendable, CaseIterable { case reading = 1, gap, health, result }

    package var device: DeviceID
    /// Subfolder of the device's events topic; "" is plain events. At most 255 bytes.
    package var subfolder: String
    package var kind: Kind
    /// Committed within 50 ms instead of `sync`.
    package var priority: Bool
    /// The `"values":…,"bad":…` fragment (or another kind's members) without `ts`, `seq` and `clock`.
    package var body: [UInt8]
    package var at: Moment
    package var clockTrusted: Bool

    package init(
        device: DeviceID, subfolder: String = "", kind: Kind = .reading, priority: Bool = false,
        body: [UInt8], at: Moment, clockTrusted: Bool = true
    ) {
        self.device = device
        self.subfolder = subfolder
        self.kind = kind
        self.priority = priority
        self.body = body
        self.at = at
        self.clockTrusted = clockTrusted
    }
}

/// A record as it leaves the journal. `at.wall` is corrected and `clockTrusted` true where a clock
/// anchor of its boot is known; otherwise both are as written.
package struct StoredRecord: Hashable, Sendable {
    package var seq: UInt64
    package var device: DeviceID
    package var subfolder: String
    package var kind: Entry.Kind
    package var priority: Bool
    package var body: [UInt8]
    package var at: Moment
    package var clockTrusted: Bool
    /// Written since this machine booted: `at.instant` then is on the running clock.
    package var thisBoot: Bool
    /// It was taken from the backlog while newer records go beside it.
    package var backfill = false

    package init(
        seq: UInt64, device: DeviceID, subfolder: String = "", kind: Entry.Kind = .reading,
        priority: Bool = false, body: [UInt8], at: Moment, clockTrusted: Bool = true, thisBoot: Bool = true
    ) {
        self.seq = seq
        self.device = device
        self.subfolder = subfolder
        self.kind = kind
        self.priority = priority
        self.body = body
        self.at = at
        self.clockTrusted = clockTrusted
        self.thisBoot = thisBoot
    }

    init(_ entry: Entry, seq: UInt64) {
        self.init(
            seq: seq, device: entry.device, subfolder: entry.subfolder, kind: entry.kind,
            priority: entry.priority, body: entry.body, at: entry.at, clockTrusted: entry.clockTrusted)
    }

    /// What it takes in a segment.
    package var storedSize: Int {
        Record.size(
            device: device.text.utf8.count, subfolder: min(subfolder.utf8.count, 255), body: body.count)
    }
}

extension Spool {
    package struct Settings: Hashable, Sendable {
        /// "project/registry/gateway": a directory of another identity is refused.
        package var identity: String
        /// Whose `events/<gapSubfolder>` reports losses; a nil subfolder switches the reports off.
        package var gateway: DeviceID
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
        /// Bound on loaded records, and on records in memory while the disk fails.
        package var loadMax: Int
        package var memoryMax: Int

        package init(
            identity: String, gateway: DeviceID, gapSubfolder: String? = "gaps",
            maxBytes: Int = 64 << 20, minFree: Int = 64 << 20, maxAge: Duration = .seconds(30 * 86400),
            maxRecord: Int = 64 << 10, share: Double = 0.25, priorityReserve: Int = 4 << 20,
            sync: Duration = .seconds(1), loadMax: Int = 2 << 20, memoryMax: Int = 4 << 20
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
            self.loadMax = loadMax
            self.memoryMax = memoryMax
        }

        /// Segments are an eighth of the bound, 128 KiB to 1 MiB, in whole 4 KiB blocks.
        var segmentSize: Int { min(max(maxBytes / 8, 128 << 10), Segment.sizeMax) & ~4095 }
        /// Longest body that any segment can take.
        var bodyMax: Int { min(maxRecord, segmentSize - Segment.dataStart - 2560) }
    }
}
