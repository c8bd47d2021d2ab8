import Base
import Line

/// A serial line in memory, driven by the carrier that the product uses: bytes that have come wait
/// until the carrier wants them, as they do in a tty.
package struct CarriedLine: Sendable {
    package enum Output: Sendable {
        /// A frame has left.
        case sent([UInt8])
        case report(LineEvent)
    }

    private var carrier: LineCarrier
    /// Bytes that have come and were not read.
    package private(set) var unread: [UInt8] = []
    private var isLooking = false

    package init(_ settings: LineSettings) { carrier = LineCarrier(settings) }

    /// When `timeout` must be called.
    package var due: Instant? { carrier.wait.due }
    /// False while bytes that come wait for a look.
    package var isWatched: Bool { carrier.wait.interest != .none }
    /// The request that goes out by itself if nobody speaks before.
    package var upcoming: (frame: [UInt8], at: Instant)? { carrier.upcoming }
    /// Reads that the line carries out by itself; nil: none.
    package var burst: ReadBurst? { carrier.burst }

    package mutating func carryOut(_ command: LineCommand, at now: Instant) {
        carrier.carryOut(command, at: now)
    }

    package mutating func arrive(_ bytes: [UInt8]) { unread += bytes }

    package mutating func timeout(at now: Instant) { carrier.timeout(at: now) }

    /// Drain until nil after every other call.
    package mutating func next(at now: Instant) -> Output? {
        while true {
            guard let action = carrier.next() else {
                if isLooking {
                    isLooking = false
                    carrier.looked(at: now)
                } else if isWatched, !unread.isEmpty {
                    read(at: now)
                } else {
                    return nil
                }
                continue
            }
            switch action {
            case .look:
                isLooking = true
                if !unread.isEmpty { read(at: now) }
            case .write:
                let frame = carrier.unsent
                carrier.wrote(frame.count, at: now)
                return .sent(frame)
            case .discardInput: unread = []
            case .drive, .renew: break
            case .askSent: carrier.hasSent(true, at: now)
            case .askQueued: carrier.queued(0, at: now)
            case .askErrors: carrier.counted(nil)
            case .report(let event): return .report(event)
            case .fail(let failure): return .report(.lost(failure))
            }
        }
    }

    private mutating func read(at now: Instant) {
        let bytes = unread
        unread = []
        carrier.received(bytes[...], at: now)
    }
}
