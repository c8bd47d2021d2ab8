import Base

/// Losses that the journal's files do not know: told to nobody yet, and, when the disk fails or
/// hangs to the end, the records in memory that end with the process. Kept elsewhere, the next
/// process tells them.
///
/// As a document: `{"lost":{"memory":158},"gaps":[GAP,…]}`; `lost` is what the files' totals lack,
/// a GAP is the members of a gap record.
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
            for reason in Gap.Reason.counted where lost[reason] > 0 {
                writer.member(reason.rawValue, lost[reason])
            }
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
        guard let json = try? JSONReader.parse(document), let items = json["gaps"]?.array else {
            return nil
        }
        gaps = items.compactMap { Gap($0) }
        for reason in Gap.Reason.counted {
            let count = json["lost"]?[ByteString(reason.rawValue)]?.integer.flatMap {
                Int(exactly: $0)
            }
            if let count { lost.add(count, reason) }
        }
    }
}

extension UntoldLosses {
    /// The open gaps and unwritten totals of a ledger, and records that end with the process.
    init(_ ledger: LossLedger, ended items: [Item], _ backlog: Backlog) {
        lost = ledger.unwritten
        var open = ledger.openGaps
        for item in items {
            let gap = Loss(of: item.record, reporting: item.gap, .memory).gap
            if item.gap == nil { lost.add(1, .memory) }
            // A gap record passes its count on to the device that it is about.
            let key = item.gap == nil ? backlog[item.queue].main : backlog.key(of: gap)
            if open[key] == nil { open[key] = gap } else { open[key]?.merge(gap) }
        }
        gaps = open.keys.sorted().compactMap { open[$0] }
    }
}
