import Base
import Modbus

/// Reads that a line carries out by itself, one right behind the other, as long as each is answered
/// exactly as it should be. The driver decides them together and hears of them together, so that
/// most exchanges wake nobody but the line. Everything else ends the burst, and the driver goes on
/// from there: silence, damage, a part of a reply, an exception, a byte that nobody asked for,
/// `LineCommand.recall`.
///
/// The carrier does what `step` says, and hands what is on the line to `received`; when that
/// refuses it, `log` and `unclaimed` are due. A reply that is a little late is looked for once
/// more.
package struct ReadBurst: Hashable, Sendable {
    /// One of function codes 1 to 4.
    package struct Read: Hashable, Sendable {
        let frame: [UInt8]
        /// Not sent earlier, however long the line has been silent.
        let notBefore: Instant
        /// From sending it to when the line is looked at: then the reply should be whole.
        let look: Duration
        /// First byte of a good reply: the unit.
        private let unit: UInt8
        /// Second byte of a good reply: the function code.
        private let function: UInt8
        /// Third byte of a good reply: how many bytes of data follow.
        private let size: UInt8

        /// - Parameters:
        ///   - function: one of function codes 1 to 4.
        ///   - replyLength: bytes of the PDU of a good reply.
        ///   - answering: the unit id of its reply.
        package init(
            _ function: FunctionCode, replyLength: Int, answering: UInt8, frame: [UInt8],
            notBefore: Instant, look: Duration
        ) {
            self.frame = frame
            self.notBefore = notBefore
            self.look = look
            unit = answering
            self.function = function.rawValue
            size = UInt8(truncatingIfNeeded: replyLength - 2)
        }

        func isAnswered(by bytes: ArraySlice<UInt8>) -> Bool {
            let start = bytes.startIndex
            return bytes.count == length && bytes[start] == unit && bytes[start + 1] == function
                && bytes[start + 2] == size && CRC16.checksum(bytes) == 0
        }

        /// Of the whole reply.
        var length: Int { Int(size) + 2 + RTUFrame.overhead }
    }

    /// A request that went out, and its whole and sound reply; nil if there is none yet.
    package struct Exchange: Hashable, Sendable {
        package let frame: [UInt8]
        package let sentAt: Instant
        package fileprivate(set) var reply: [UInt8]?
        package fileprivate(set) var receivedAt = Instant.zero
        /// It was not whole at the first look.
        package fileprivate(set) var isLate = false
    }

    /// When a reply that is a little late should be there.
    private static let secondLook = Duration.microseconds(50)

    /// Next action of the carrier, and its time.
    package enum Step: Hashable, Sendable {
        /// Look once more whether somebody speaks; if nobody does, send `next`.
        case send(at: Instant)
        /// Look for the reply.
        case look(at: Instant)
        /// All are answered.
        case end
    }

    private let reads: [Read]
    private let silence: Duration
    /// Exchanges that have been carried out, oldest first. Only the last may be without a reply.
    package private(set) var log: [Exchange] = []
    /// Bytes that have come and belong to no reply of the log.
    package private(set) var unclaimed: [UInt8] = []
    package private(set) var step: Step

    /// - Parameter silence: before each request but the first.
    package init(_ reads: [Read], from start: Instant, silence: Duration) {
        self.reads = reads
        self.silence = silence
        step = .send(at: start)
        log.reserveCapacity(reads.count)
    }

    /// Number of its reads.
    package var count: Int { reads.count }

    /// The request that is to be sent; empty while one is under way, and after the last.
    package var next: [UInt8] {
        if case .send = step, log.count < reads.count { reads[log.count].frame } else { [] }
    }

    /// The request has gone out.
    package mutating func sent(at now: Instant) -> Step {
        guard case .send = step, log.count < reads.count else { return step }
        let read = reads[log.count]
        log.append(Exchange(frame: read.frame, sentAt: now))
        step = .look(at: now + read.look)
        return step
    }

    /// The next step if the line goes on as predicted; nil: the burst is over.
    /// - Parameter bytes: what is there, if anything.
    package mutating func received(_ bytes: ArraySlice<UInt8>, at now: Instant) -> Step? {
        let last = log.count - 1
        guard case .look = step else {
            unclaimed += bytes
            return nil
        }
        if unclaimed.isEmpty, reads[last].isAnswered(by: bytes) {
            log[last].reply = Array(bytes)
        } else {
            unclaimed += bytes
            guard reads[last].isAnswered(by: unclaimed[...]) else {
                guard !log[last].isLate, unclaimed.count < reads[last].length else { return nil }
                log[last].isLate = true
                step = .look(at: now + Self.secondLook)
                return step
            }
            log[last].reply = unclaimed
            unclaimed = []
        }
        log[last].receivedAt = now
        step =
            log.count < reads.count
            ? .send(at: max(now + silence, reads[log.count].notBefore)) : .end
        return step
    }
}
