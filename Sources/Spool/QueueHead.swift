import Base

/// The record that would be taken next of a lane, and what waits behind it.
package struct QueueHead: Sendable {
    package var seq: UInt64
    package var kind: Entry.Kind
    package var subfolder: String
    package var bodySize: Int
    /// Meaningless unless `thisBoot`.
    package var at: Instant
    package var thisBoot: Bool
    /// As known when it was written.
    package var wall: WallTime
    /// Size of all loaded records of the lane, as stored.
    package var bytes: Int
    package var hasPriority: Bool
    /// Whether more waits on the disk than is loaded.
    package var isMore: Bool
    /// Whether the device has a backlog lane and a live one.
    package var isSplit: Bool
}
