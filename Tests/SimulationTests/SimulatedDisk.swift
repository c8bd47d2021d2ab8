import Base
import TestKit

/// The disk helper and what is under it: one operation at a time, in order, each after its time.
/// What a write leaves is decided when it ends, so that a stop in between may find none of it, part
/// or all.
struct SimulatedDisk {
    enum End { case killed, powerCut }

    var disk = VirtualDisk()
    /// How long one operation takes at most.
    var slowest = Duration.milliseconds(20)
    private var waiting: [DiskRequest] = []
    private var first = 0

    var isBusy: Bool { first < waiting.count }

    mutating func submit(_ request: DiskRequest) { waiting.append(request) }

    func duration(_ random: inout RandomSource) -> Duration {
        .seconds(fraction: random.uniform(0.0002, slowest.secondsValue))
    }

    /// Ends the operation under way.
    mutating func finish() -> (request: DiskRequest, result: Result<DiskAnswer, DiskFailure>)? {
        guard isBusy else { return nil }
        let request = waiting[first]
        first += 1
        if first == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            first = 0
        }
        return (request, disk.perform(request))
    }

    /// The process or the machine stops. Answers the operation that was still carried out unheard.
    mutating func stop(
        _ end: End, _ random: inout RandomSource
    ) -> (request: DiskRequest, result: Result<DiskAnswer, DiskFailure>)? {
        var unheard: (DiskRequest, Result<DiskAnswer, DiskFailure>)?
        if isBusy {
            switch random.next() % 3 {
            case 0: unheard = finish()
            case 1: disk.interrupted(waiting[first])
            default: break
            }
        }
        waiting = []
        first = 0
        if case .powerCut = end { disk.crash(seed: random.next()) }
        return unheard
    }
}
