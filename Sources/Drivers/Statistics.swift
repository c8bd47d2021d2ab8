import Base

/// Counts of one port.
package struct PortStatistics: Hashable, Sendable {
    package var requests = 0
    package var replies = 0
    package var timeouts = 0
    /// Replies that arrived damaged or incomplete, or answered something else than was asked.
    package var checksumErrors = 0
    package var exceptions = 0
    /// Sound replies that came after their exchange was over.
    package var lateReplies = 0
    /// Sound replies that came again.
    package var repeatedReplies = 0
    /// Sound replies of a unit that was not asked.
    package var wrongUnit = 0
    /// Releases of a cycle that found its previous one unfinished; units that do not answer
    /// excepted.
    package var skipped = 0
    /// Cycles that ended after their deadline, which is their next release.
    package var late = 0
    /// Bytes that belonged to no exchange.
    package var strayBytes = 0
    /// Bytes 00 and FF around replies, taken away.
    package var noiseBytes = 0
    /// Our own frames that came back, and those that came back changed.
    package var echoes = 0
    package var echoBytes = 0
    package var collisions = 0
    /// Times that the line did not fall silent for longer than a frame takes.
    package var babbles = 0
    /// Errors that the UART noticed.
    package var line = LineErrors()
    package var bytesSent = 0
    package var bytesReceived = 0
    package var lineTimes = LineTimes()
    /// By unit id.
    package var units: [UnitStatistics] = []

    package init() {}

    package var busTime: Duration { lineTimes.total }
}

package struct UnitStatistics: Hashable, Sendable {
    package var unit: UnitID
    /// Nil until it has answered or failed.
    package var state: UnitState?
    /// Not in the configuration: a person has read or written it by hand.
    package var isGuest = false
    package var lastGood: Instant?
    package var requests = 0
    package var replies = 0
    package var timeouts = 0
    package var checksumErrors = 0
    package var exceptions = 0
    /// The same by exception code.
    package var exceptionCodes: [UInt8: Int] = [:]
    package var lateReplies = 0
    package var repeatedReplies = 0
    /// Replies that another unit gave in its place, and the one that did so last.
    package var wrongUnit = 0
    package var answeredBy: UInt8?
    /// Of `checksumErrors`, sound frames that answered something else.
    package var mismatches = 0
    /// Of `mismatches`, answers to what was asked with another number of bytes.
    package var wrongLengths = 0
    package var skipped = 0
    package var late = 0
    /// From the end of our transmission to the first byte, slowly forgotten peak; nil until
    /// learned.
    package var turnaround: Duration?
    package var replyTimes = ReplyTimes()

    package init(_ unit: UnitID) { self.unit = unit }
}

extension PortStatistics {
    /// Counts since `earlier`; states and learned values are those of now.
    func since(_ earlier: PortStatistics) -> PortStatistics { adding(earlier, times: -1) }

    /// With what was counted before by another driver of the same port; units are those of now.
    package func after(_ earlier: PortStatistics) -> PortStatistics { adding(earlier, times: 1) }

    private func adding(_ other: PortStatistics, times sign: Int) -> PortStatistics {
        var sum = self
        sum.requests += sign * other.requests
        sum.replies += sign * other.replies
        sum.timeouts += sign * other.timeouts
        sum.checksumErrors += sign * other.checksumErrors
        sum.exceptions += sign * other.exceptions
        sum.lateReplies += sign * other.lateReplies
        sum.repeatedReplies += sign * other.repeatedReplies
        sum.wrongUnit += sign * other.wrongUnit
        sum.skipped += sign * other.skipped
        sum.late += sign * other.late
        sum.strayBytes += sign * other.strayBytes
        sum.noiseBytes += sign * other.noiseBytes
        sum.echoes += sign * other.echoes
        sum.echoBytes += sign * other.echoBytes
        sum.collisions += sign * other.collisions
        sum.babbles += sign * other.babbles
        if sign < 0 { sum.line = line - other.line } else { sum.line += other.line }
        sum.bytesSent += sign * other.bytesSent
        sum.bytesReceived += sign * other.bytesReceived
        sum.lineTimes = lineTimes.adding(other.lineTimes, times: sign)
        for index in units.indices {
            let unit = units[index].unit
            // Mostly both have the same ones in the same order.
            let isSame = other.units.indices.contains(index) && other.units[index].unit == unit
            guard
                let before = isSame
                    ? other.units[index] : other.units.first(where: { $0.unit == unit })
            else { continue }
            sum.units[index] = units[index].adding(before, times: sign)
        }
        return sum
    }
}

extension UnitStatistics {
    fileprivate func adding(_ other: UnitStatistics, times sign: Int) -> UnitStatistics {
        var sum = self
        sum.lastGood = lastGood ?? other.lastGood
        sum.answeredBy = answeredBy ?? other.answeredBy
        sum.requests += sign * other.requests
        sum.replies += sign * other.replies
        sum.timeouts += sign * other.timeouts
        sum.checksumErrors += sign * other.checksumErrors
        sum.exceptions += sign * other.exceptions
        for (code, count) in other.exceptionCodes {
            sum.exceptionCodes[code, default: 0] += sign * count
        }
        sum.lateReplies += sign * other.lateReplies
        sum.repeatedReplies += sign * other.repeatedReplies
        sum.wrongUnit += sign * other.wrongUnit
        sum.mismatches += sign * other.mismatches
        sum.wrongLengths += sign * other.wrongLengths
        sum.skipped += sign * other.skipped
        sum.late += sign * other.late
        sum.replyTimes = replyTimes.adding(other.replyTimes, times: sign)
        return sum
    }
}
