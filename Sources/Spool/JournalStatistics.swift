import Base

/// Figures of a journal since its start, and what it holds now.
package struct JournalStatistics: Hashable, Sendable {
    package var appended = 0
    package var settled = 0
    package var dropped = 0
    package var commits = 0
    /// Records that the bridge acknowledged before they were to be written.
    package var neverWritten = 0
    package var bytesWritten = 0
    package var failures = 0
    package var damaged = 0
    package var refused = 0
    package var segments = 0
    package var loadedBytes = 0
    package var fileBytes = 0
    package var memoryOnly = false
    /// Records lost since the journal was made, over all restarts, by reason.
    package var lost = LossTotals()

    /// The same with what the parts of the journal count.
    func with(
        _ ledger: LossLedger, _ catalogue: SegmentCatalogue, _ backlog: Backlog, isMemoryOnly: Bool
    ) -> Self {
        var all = self
        (all.dropped, all.damaged, all.lost) = (ledger.dropped, ledger.damaged, ledger.totals)
        (all.segments, all.fileBytes) = (catalogue.count, catalogue.bytes)
        (all.loadedBytes, all.memoryOnly) = (backlog.loadedBytes, isMemoryOnly)
        return all
    }
}
