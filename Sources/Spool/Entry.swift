import Base

/// Something to be journalled: the logical content, never an encoded packet.
package struct Entry: Hashable, Sendable {
    package enum Kind: UInt8, Hashable, Sendable, CaseIterable {
        case reading = 1, gap, health, result

        /// Whether somebody counts on its being on the disk when it is sent.
        var isDurableFirst: Bool { self == .gap || self == .result }
    }

    package var device: DeviceID
    /// Subfolder of the device's events topic; "" is plain events. At most 255 bytes.
    package var subfolder: String
    package var kind: Kind
    /// Committed within 50 ms instead of `sync`.
    package var priority: Bool
    /// The `"values":…,"bad":…` fragment (or another kind's members) without `ts`, `seq` and
    /// `clock`.
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
        priority: Bool = false, body: [UInt8], at: Moment, clockTrusted: Bool = true,
        thisBoot: Bool = true
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
            priority: entry.priority, body: entry.body, at: entry.at,
            clockTrusted: entry.clockTrusted)
    }

    /// Bytes that the record takes in a segment.
    package var storedSize: Int {
        Record.size(
            device: device.text.utf8.count, subfolder: min(subfolder.utf8.count, 255),
            body: body.count)
    }
}
