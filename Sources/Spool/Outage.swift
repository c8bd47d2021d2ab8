import Base

/// A disk that fails: when to give it up, when to try again, and the numbers that were taken back.
struct Outage: Sendable {
    static let probeFirst = Duration.seconds(10)
    static let probeMax = Duration.seconds(300)

    /// Action after a failed write.
    enum Remedy: Hashable, Sendable {
        case newFile
        /// The oldest records are dropped.
        case room
        case memoryOnly
    }

    /// Writes that failed since the last one that did not.
    private var failures = 0
    private(set) var pause = Self.probeFirst
    /// The lowest number that a record had which was numbered anew in memory.
    private(set) var renumberedFrom: UInt64?

    mutating func failed(_ kind: DiskFailure.Kind) -> Remedy {
        failures += 1
        return switch kind {
        case .noSpace: .room
        case .readOnly, .missing, .denied: .memoryOnly
        case .io, .exists, .locked: failures < 2 ? .newFile : .memoryOnly
        }
    }

    mutating func worked() { failures = 0 }

    // MARK: - Memory-only mode

    mutating func begin() { pause = Self.probeFirst }

    /// A probe failed: the next one waits longer.
    mutating func probeFailed() { pause = min(pause * 2, Self.probeMax) }

    mutating func renumbered(_ seq: UInt64) { renumberedFrom = min(renumberedFrom ?? .max, seq) }

    mutating func end() {
        renumberedFrom = nil
        failures = 0
    }

    func invariants() -> [String] {
        broken(
            (failures >= 0, "\(failures) failures"),
            (Self.probeFirst <= pause && pause <= Self.probeMax, "a probe every \(pause)"))
    }
}
