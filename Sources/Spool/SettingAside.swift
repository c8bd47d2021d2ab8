import Base

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
    /// Records that it is told to have held.
    var lost = 0

    /// How many it held at least, as far as its own bytes say.
    var least: Int {
        switch content {
        case .none: 0
        case .records: 1
        case .foreign: file.hasBelievableName && file.size >= Segment.dataStart ? 1 : 0
        }
    }
}

/// Files that are no part of the journal any more: what is kept of them, and for how long.
extension Spool {
    /// Only what this program has written is ever removed from what was set aside.
    mutating func lookAtAside(_ file: Int) {
        guard let recovery else { return }
        guard file < recovery.oldAside.count else { scanSegment(0); return }
        guard !recovery.oldAside[file].isNewer else { lookAtAside(file + 1); return }
        request(.read(name: recovery.oldAside[file].name, offset: 0, count: Segment.magic.count), .aside(file: file))
    }

    mutating func lookedAtAside(_ file: Int, _ result: Result<DiskAnswer, DiskFailure>) {
        if case .success(.bytes(let bytes)) = result { recovery?.oldAside[file].isForeign = !Segment.isBeginning(bytes) }
        lookAtAside(file + 1)
    }

    /// What was in a file that cannot be read at all: as many as the next one says, or some.
    mutating func countAside() {
        guard let done = recovery else { return }
        for index in done.aside.indices {
            let file = done.aside[index].file
            var count = done.aside[index].least
            let next = done.segments.first { $0.firstSeq > file.firstSeq }
            if let next, next.header.previous == file.firstSeq {
                count = Int(clamping: min(next.firstSeq - file.firstSeq, UInt64(Settled.bitCount)))
            }
            guard count > 0 else { continue }
            recovery?.aside[index].lost = count
            tellDamage(count, from: file.firstSeq, to: file.firstSeq &+ UInt64(count) &- 1)
        }
    }

    mutating func setFilesAside(_ done: Recovery) {
        var kept = done.oldAside
        for one in done.aside {
            let name = one.file.name + ".bad"
            if one.content == .none, one.lost == 0 {
                request(.remove(name: one.file.name), .housekeeping)
            } else if !kept.contains(where: { $0.name == name }) {
                request(.rename(name: one.file.name, to: name), .housekeeping)
                kept.append(AsideFile(
                    name: name, firstSeq: one.file.firstSeq, size: one.file.size, isForeign: one.file.isForeign))
            }
        }
        kept.sort { $0.firstSeq < $1.firstSeq }
        while kept.filter({ $0.isRemovable }).count > 2, let oldest = kept.firstIndex(where: { $0.isRemovable }) {
            request(.remove(name: kept.remove(at: oldest).name), .housekeeping)
        }
        catalogue.aside = kept
    }
}
