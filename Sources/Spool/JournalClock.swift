import Base

/// The relation of boot time to civil time, for each boot: from clock anchors in the files, from
/// segments that were made while the clock was trusted, and from the running clock.
struct JournalClock: Sendable {
    static let bootsMax = 64

    /// The boot that this process runs in, 16 bytes.
    let bootID: [UInt8]
    /// Whether civil time is right now.
    private(set) var isTrusted = false
    /// The clock anchor that the next commit writes.
    private(set) var anchorToWrite: Moment?
    private var known: [(boot: [UInt8], anchor: Moment)] = []

    init(bootID: [UInt8]) {
        self.bootID = Array((bootID + [UInt8](repeating: 0, count: 16)).prefix(16))
    }

    /// Trusts the clock from now on; answers whether that is new.
    mutating func trust(_ now: Moment) -> Bool {
        learn(bootID, now)
        guard !isTrusted else { return false }
        isTrusted = true
        anchorToWrite = now
        return true
    }

    mutating func distrust() {
        isTrusted = false
        anchorToWrite = nil
    }

    mutating func learn(_ boot: [UInt8], _ anchor: Moment) {
        known.removeAll { $0.boot == boot }
        known.append((boot, anchor))
        if known.count > Self.bootsMax { known.removeFirst() }
    }

    /// Civil time at an instant of a boot; nil if no anchor of that boot is known.
    func wall(_ boot: [UInt8], at instant: Instant) -> WallTime? {
        guard let anchor = known.last(where: { $0.boot == boot })?.anchor else { return nil }
        return WallTime(
            milliseconds: anchor.wall.milliseconds &+ (instant - anchor.instant).milliseconds)
    }

    // MARK: - The anchor of the next commit

    mutating func takeAnchor() -> Moment? { anchorToWrite.take() }

    /// Puts back the anchor of a commit that failed, unless there is a newer one.
    mutating func restore(_ anchor: Moment?) {
        if anchorToWrite == nil { anchorToWrite = anchor }
    }

    /// A file's header holds an anchor already.
    mutating func headerWritten(_ header: Segment.Header) {
        if header.clockTrusted { anchorToWrite = nil }
    }

    // MARK: - Ages

    /// Whether a record is older than `limit`: by the clock of this boot, which never steps, or by
    /// civil time if that is trusted then and now.
    func isOlder(_ record: StoredRecord, than limit: Duration, at now: Moment) -> Bool {
        if record.thisBoot { return now.instant - record.at.instant > limit }
        return isTrusted && record.clockTrusted && now.wall - record.at.wall > limit
    }

    /// Age of a moment of another file's boot.
    func age(of moment: Moment, boot: [UInt8], at now: Moment) -> Duration {
        boot == bootID ? now.instant - moment.instant : now.wall - moment.wall
    }

    func invariants() -> [String] {
        broken(
            (bootID.count == 16, "the boot id has \(bootID.count) bytes"),
            (known.count <= Self.bootsMax, "\(known.count) boots are known"),
            (Set(known.map(\.boot)).count == known.count, "a boot has two anchors"))
    }
}
