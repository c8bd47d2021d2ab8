import Base

/// Counts since the start. `status` shows them, and the last line of the log compares the counts of
/// records.
package struct Tally: Sendable {
    /// Readings made by the adapter, and good values in them.
    package var readings = 0
    package var values = 0
    /// Records given to the journal: readings, health, command results.
    package var recorded = 0
    /// Records whose PUBACK came.
    package var acknowledged = 0

    func farewell(_ waiting: Int) -> String {
        "stopped: \(Plural.text(recorded, "record")) journaled since the start, \(acknowledged) acknowledged by the bridge, "
            + "\(waiting) wait in the journal"
    }
}
