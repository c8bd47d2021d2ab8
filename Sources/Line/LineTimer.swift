/// Reason why a driver waits.
package enum LineTimer: Hashable, Sendable {
    /// The line has been silent long enough: for the next request, or to end a frame.
    case silence
    /// The first byte of the reply is overdue.
    case reply
    /// The rest of the reply is overdue.
    case rest
    /// A broadcast is out: the units carry it out.
    case turnaround
    /// A cycle is due, or a unit may be asked again.
    case release
    /// Held readings may go out, if nothing comes until then that speaks against them.
    case doubt
}
