import Base

/// A file that is no part of the journal any more and takes of its bound.
struct AsideFile: Sendable {
    var name: String
    var firstSeq: UInt64
    var size: Int
    /// Not damaged, but of a version that this program does not read: kept as long as there is
    /// room.
    var isNewer = false
    /// Of the journal's names, but not made by this program: never removed, and no part of the
    /// bound.
    var isForeign = false

    /// Damaged: only a few of them are kept.
    var isRemovable: Bool { !isNewer && !isForeign }
    /// A damaged file can still tell how far the numbers had come.
    var hasBelievableName: Bool { firstSeq < Numbering.nameEnd }
}

/// A file of the journal's own names that is no segment which can be read.
struct SetAside: Sendable {
    enum Content: Sendable {
        /// The machine stopped while it made this file.
        case none
        /// A segment that is damaged beyond its header's copy.
        case records
        /// Something that this program has not written.
        case foreign
    }

    var file: AsideFile
    var content: Content
    /// Records that it is reported to have held.
    var lost = 0

    /// Records that it held at least, as far as its own bytes say.
    var least: Int {
        switch content {
        case .none: 0
        case .records: 1
        case .foreign: file.hasBelievableName && file.size >= Segment.dataStart ? 1 : 0
        }
    }

    /// Whether it never held anything.
    var isEmpty: Bool { content == .none && lost == 0 }
}

/// Files that recovery sets aside, and those that were set aside before.
struct AsideFiles: Sendable {
    /// Damaged files that are kept for people to look at.
    static let damagedMax = 2

    private var old: [AsideFile] = []
    private var new: [SetAside] = []

    /// Adds a file that was set aside before, in order of the numbers.
    mutating func add(old file: AsideFile) {
        old.insert(file, at: old.firstIndex { $0.firstSeq > file.firstSeq } ?? old.count)
    }

    /// Leaves a file of a newer version where it is.
    mutating func leave(_ file: AsideFile) {
        var newer = file
        newer.isNewer = true
        old.append(newer)
    }

    mutating func add(_ file: AsideFile, _ content: SetAside.Content, _ outbox: inout Outbox) {
        var bad = file
        bad.isForeign = content == .foreign
        new.append(SetAside(file: bad, content: content))
        switch content {
        case .none: break
        case .records:
            outbox.note(.warning, "\(bad.name) has no valid header: set aside as \(bad.name).bad")
        case .foreign:
            outbox.note(
                .warning, "\(bad.name) is no file of a journal: set aside as \(bad.name).bad")
        }
    }

    // MARK: - Files that were set aside before

    /// The first file from `place` on whose beginning must be read; nil if there is none.
    func next(from place: Int) -> (place: Int, name: String)? {
        old.indices.dropFirst(place).first { !old[$0].isNewer }.map { ($0, old[$0].name) }
    }

    mutating func found(_ place: Int, isForeign: Bool) { old[place].isForeign = isForeign }

    // MARK: - The end of recovery

    /// Counts what was in files that cannot be read at all: as many records as the next segment
    /// says, or some. Answers the first number and the count of each.
    mutating func countLost(before segments: [SegmentState]) -> [(from: UInt64, count: Int)] {
        for index in new.indices {
            let file = new[index].file
            new[index].lost = new[index].least
            if let next = segments.first(where: { $0.firstSeq > file.firstSeq }),
                next.header.previous == file.firstSeq
            {
                new[index].lost = Int(
                    clamping: min(next.firstSeq - file.firstSeq, UInt64(Settled.bitCount)))
            }
        }
        return new.filter { $0.lost > 0 }.map { ($0.file.firstSeq, $0.lost) }
    }

    /// The highest number that a record in these files can have had; `last` if that is higher.
    func lastSeq(above last: UInt64) -> UInt64 {
        var last = last
        for file in old + new.filter({ !$0.isEmpty }).map(\.file)
        where file.firstSeq > last && file.hasBelievableName {
            last = file.firstSeq + UInt64(Settled.bitCount)
        }
        return last
    }

    /// Renames or removes the files, and the oldest damaged ones beyond the number that is kept;
    /// answers those that stay.
    func settle(_ outbox: inout Outbox) -> [AsideFile] {
        var kept = old
        for one in new {
            let name = one.file.name + ".bad"
            if one.isEmpty {
                outbox.request(.remove(name: one.file.name), .housekeeping)
            } else if !kept.contains(where: { $0.name == name }) {
                outbox.request(.rename(name: one.file.name, to: name), .housekeeping)
                kept.append(
                    AsideFile(
                        name: name, firstSeq: one.file.firstSeq, size: one.file.size,
                        isForeign: one.file.isForeign))
            }
        }
        kept.sort { $0.firstSeq < $1.firstSeq }
        while kept.filter({ $0.isRemovable }).count > Self.damagedMax,
            let oldest = kept.firstIndex(where: { $0.isRemovable })
        {
            outbox.request(.remove(name: kept.remove(at: oldest).name), .housekeeping)
        }
        return kept
    }
}
