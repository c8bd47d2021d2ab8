import Base

/// One cycle as a choice sees it: as it is, or as it will be when the reads of a burst have been
/// answered.
struct CycleView {
    /// Next read of the cycle; nil: none waits.
    var waiting: WaitingRead?
    /// Release of the run that begins with `waiting`; nil: that run is under way.
    var release: Instant?
    /// The first release that is not counted in `waiting`.
    var nextRelease: Instant
    /// When the next run may begin at the earliest.
    var earliest: Instant
    /// No run is under way.
    var isIdle: Bool
    /// True if the next run would be its second in the burst.
    var isRepeated = false

    /// The cycle as it is.
    init(_ cycle: PollCycle) {
        waiting = cycle.waiting
        nextRelease = cycle.nextRelease
        earliest = cycle.earliest
        isIdle = cycle.run == nil
    }

    /// The cycle as it will be at the end of a burst.
    init(_ cycle: PollCycle, number: Int, in draft: BurstDraft) {
        let taken = draft.taken(of: number)
        if let release = draft.release(of: number) {
            nextRelease = release.due + cycle.period
            earliest = release.due + cycle.plan.interval
            if taken < release.jobs.count {
                waiting = WaitingRead(release.jobs[taken], deadline: nextRelease)
            }
            isIdle = waiting == nil
        } else {
            nextRelease = cycle.nextRelease
            earliest = cycle.earliest
            waiting =
                taken == 0 ? cycle.waiting : cycle.run.flatMap { WaitingRead($0, after: taken) }
            isIdle = cycle.run == nil || (taken > 0 && waiting == nil)
        }
        isRepeated = isIdle && taken > 0
        guard isIdle, nextRelease <= draft.ended, let first = cycle.plan.reads.first else { return }
        let due = nextRelease
        waiting = WaitingRead(ReadJob(read: first), deadline: due + cycle.period)
        (release, nextRelease) = (due, due + cycle.period)
    }
}
