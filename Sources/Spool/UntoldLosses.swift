import Base

/// Losses that the journal's files do not know: told to nobody yet, and, when the disk fails or hangs to
/// the end, the records in memory that end with the process. Kept elsewhere, the next process tells them.
///
/// As a document: `{"lost":{"memory":158},"gaps":[GAP,…]}`; `lost` is what the files' totals lack, a GAP is
/// the members of a gap record.
package struct UntoldLosses: Hashable, Sendable {
    /// Gaps are one per device; what does not fit is merged into one of no device.
    static let documentMax = 200 << 10

    package internal(set) var lost = LossTotals()
    package internal(set) var gaps: [Gap] = []

    init() {}

    package var isEmpty: Bool { lost.isZero && gaps.isEmpty }

    package var document: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("lost")
        writer.object { writer in
            for reason in Gap.Reason.allCases where lost[reason] > 0 { writer.member(reason.rawValue, lost[reason]) }
        }
        writer.key("gaps")
        writer.beginArray()
        var rest: Gap?
        for gap in gaps {
            guard writer.bytes.count < Self.documentMax else {
                var other = gap
                other.device = nil
                if rest == nil { rest = other } else { rest?.merge(other) }
                continue
            }
            writer.raw(gap.object)
        }
        if let rest { writer.raw(rest.object) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    /// nil if it is no such document.
    package init?(document: [UInt8]) {
        guard let json = try? JSONReader.parse(document), let items = json["gaps"]?.array else { return nil }
        gaps = items.compactMap { Gap($0) }
        for reason in Gap.Reason.allCases {
            let count = json["lost"]?[ByteString(reason.rawValue)]?.integer.flatMap { Int(exactly: $0) }
            if let count { lost.add(count, reason) }
        }
    }
}

extension Spool {
    /// What would be lost without a word if the process ended now; asked for at its end.
    package var untoldLosses: UntoldLosses {
        var all = UntoldLosses()
        guard settings.gapSubfolder != nil, phase != .failed else { return all }
        all.lost = totals.beyond(durableTotals)
        var open = gaps
        // What a write under way carries may yet be durable; what waits behind it will not.
        for item in memoryItems + pending {
            let main = devices[item.device].main
            let gap = item.gap ?? Gap(
                device: devices[main].id, from: item.record.seq, to: item.record.seq, count: 1,
                fromTime: item.record.at.wall, toTime: item.record.at.wall, reason: .memory)
            if item.gap == nil { all.lost.add(1, .memory) }
            // A gap record gives its count on to the device that it is about.
            let key = item.gap == nil ? main : gap.device.flatMap { devices.existing($0) } ?? Self.nobody
            if open[key] == nil { open[key] = gap } else { open[key]?.merge(gap) }
        }
        all.gaps = open.keys.sorted().compactMap { open[$0] }
        return all
    }

    /// Records that no file has.
    private var memoryItems: [Item] {
        var items = inFlight.values.filter { $0.segment == 0 && !$0.isTold }
        for device in devices.indices {
            for var queue in [devices[device].window, devices[device].tail] {
                items += queue.removeAll().filter { $0.segment == 0 }
            }
        }
        return items.sorted { $0.record.seq < $1.record.seq }
    }

    /// Takes over what an earlier process could not tell.
    package mutating func inherit(_ losses: UntoldLosses, at now: Moment) {
        self.now = now
        totals.add(losses.lost)
        areTotalsNew = true
        for gap in losses.gaps { lose(gap, again: true) }
    }

    /// Every loss up to now is in a record and in totals that the disk has, or its record was acknowledged.
    package var hasToldAll: Bool {
        gaps.isEmpty && phase == .running && mayWritePages && totals.beyond(durableTotals).isZero
            && (!isMemoryOnly || !memoryItems.contains { $0.gap != nil })
    }
}
