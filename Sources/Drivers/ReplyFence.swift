import Base
import Line
import Modbus

/// Keeps which requests of one unit may still be answered, and which of its answers may be those of
/// other requests.
///
/// A unit answers in the order in which it was asked, each request at most twice.
/// - After silence or damage the next request differs in shape from every unanswered one. Its reply
///   is the *fence*: nothing older is on its way any more.
/// - In its first exchanges after the line opened, and once it has answered twice, no two requests
///   of one shape follow each other unless something of another shape was answered in between.
/// - An answer that may be another request's is in doubt: until a fence follows it, or, of a unit
///   that has long answered well, until its usual reply time has passed in silence. A sound frame
///   that nobody asked for meanwhile refutes it.
/// - An unanswered request is forgotten after a pause of ten response timeouts, and more than twice
///   the worst lateness seen; the answer to another of its shape is in doubt then.
struct ReplyFence: Sendable {
    /// Exchanges after the line was opened that are under the fence.
    static let proving = 8
    /// Exchanges without a late or repeated reply after which silence alone dispels a doubt.
    static let proof = 64
    /// The same, after which one that answered twice is believed not to do so any more.
    static let pardon = 4096
    /// Response timeouts after which an unanswered request is forgotten.
    static let patience: Int64 = 10
    private static let shortestHold = Duration.milliseconds(5)
    /// Longest time that a reading is held, so that a frame that contradicts it comes before it is
    /// published.
    static let longestHold = Duration.milliseconds(25)
    private static let unansweredMost = 12

    /// The verdict about a request that is to go out now.
    enum Freedom: Equatable { case free, at(Instant), fenced }

    /// The kind of a sound frame that is no answer.
    enum Heard: Equatable { case late(by: Duration), repeated, unasked }

    private struct Unanswered: Sendable {
        var shape: ReplyShape
        /// When the first of them was out.
        let first: Instant
        /// When the latest of them was out.
        var latest: Instant

        /// Each has another nonce, so they are one.
        var isProbe: Bool { shape.isProbe }

        func fits(_ pdu: ArraySlice<UInt8>) -> Bool {
            if isProbe {
                return pdu.first.map { $0 & ~FunctionCode.exceptionBit } == shape.function.rawValue
            }
            return shape.fits(pdu)
        }
    }

    private struct Last: Sendable {
        var shape: ReplyShape
        var isException: Bool
        var at: Instant
    }

    private struct Doubt: Sendable {
        /// Answers that came until then are certain.
        var since: Instant
        let shape: ReplyShape
        /// Nil: only a fence dispels it.
        var until: Instant?
        /// One of the answers is the same to the bit as an earlier one.
        let mayBeRepeat: Bool
        /// The latest answer in doubt.
        var request: Request
        var checksum: UInt16
        var at: Instant
    }

    private var timeout: Duration
    private var unanswered: [Unanswered] = []
    private var recent = RecentReplies()
    private var last: Last?
    private var doubt: Doubt?
    private var exchanges = 0
    /// Exchanges since the last late or repeated reply.
    private var calm = 0
    private var isRepeater = false
    private var longestGap = Duration.zero
    private(set) var worstLateness = Duration.zero
    /// Answers to the same request that differed although they were to be equal.
    private var unequal = 0
    /// No request needs a second look.
    private(set) var isOpen = false

    /// - Parameter isProven: its first exchanges are like all others.
    init(timeout: Duration, isProven: Bool = false) {
        self.timeout = timeout
        if isProven { exchanges = Self.proving }
        note()
    }

    var isProving: Bool { exchanges < Self.proving }
    /// An answer that is in doubt needs a fence.
    var wantsFence: Bool { doubt.map { $0.until == nil } ?? false }
    /// When the doubt ends by itself; nil: not so, or there is none.
    var doubtEnds: Instant? { doubt?.until }
    /// One of its requests may still be answered.
    var mayAnswerLate: Bool { !unanswered.isEmpty }
    /// The unit has answered well for long: a damaged reply of the right form is the reply.
    var isClean: Bool { calm >= Self.proof && !isRepeater && unanswered.isEmpty }
    private var isFenced: Bool { isProving || isRepeater || wantsFence }
    private var pause: Duration { max(timeout * Self.patience, worstLateness * 2 + timeout) }

    private mutating func note() { isOpen = unanswered.isEmpty && !isFenced }

    /// The same with another response timeout.
    func with(timeout: Duration) -> ReplyFence {
        var fence = self
        fence.timeout = timeout
        return fence
    }

    /// The line was opened: another adapter, and perhaps others have asked meanwhile. What was not
    /// answered may still be answered.
    mutating func reopen() {
        recent.forget()
        (last, doubt, isRepeater) = (nil, nil, false)
        (exchanges, calm, unequal, longestGap) = (0, 0, 0, .zero)
        note()
    }

    // MARK: asking

    func freedom(of shape: ReplyShape, at now: Instant) -> Freedom {
        if isOpen { return .free }
        for one in unanswered where one.shape.isConfusable(with: shape) && now < one.latest + pause
        {
            return .fenced
        }
        guard isFenced, let last else { return .free }
        if last.shape.function == shape.function,
            last.isException || last.shape.isConfusable(with: shape)
        {
            return .fenced
        }
        if isRepeater, let heard = recent.latest(shape), now < heard + longestGap * 2 {
            return .at(heard + longestGap * 2)
        }
        return .free
    }

    /// When a request may be sent that no fence frees.
    func release(of shape: ReplyShape) -> Instant {
        var free = Instant.zero
        for one in unanswered where one.shape.isConfusable(with: shape) {
            free = max(free, one.latest + pause)
        }
        guard isFenced, let last else { return free }
        return max(free, last.at + max(Self.longestHold, longestGap * 2))
    }

    /// A reply to a request of this shape would tell that no confusable one of `other` is on its
    /// way.
    func proves(_ shape: ReplyShape, about other: ReplyShape) -> Bool {
        guard !shape.isConfusable(with: other) else { return false }
        guard let rival = unanswered.first(where: { $0.shape.function == shape.function }) else {
            return true
        }
        return unanswered.allSatisfy {
            !$0.shape.isConfusable(with: other) || $0.latest < rival.first
        }
    }

    /// An exception to this function can only be the answer to the request that is asked now.
    func acceptsException(_ function: FunctionCode) -> Bool {
        !unanswered.contains { $0.shape.function == function }
    }

    // MARK: what came of it

    /// Neither answered nor proven to be lost.
    /// - Parameter end: when the request was out.
    mutating func missed(_ shape: ReplyShape, sentUntil end: Instant) {
        defer { note() }
        if let index = unanswered.firstIndex(where: {
            $0.shape == shape || $0.isProbe && shape.isProbe
        }) {
            unanswered[index].shape = shape
            unanswered[index].latest = max(unanswered[index].latest, end)
            return
        }
        if unanswered.count >= Self.unansweredMost { unanswered.removeFirst() }
        unanswered.append(Unanswered(shape: shape, first: end, latest: end))
    }

    /// - Parameters:
    ///   - end: when the request was out.
    ///   - usual: what the unit takes to begin a reply, if that is known.
    ///   - travel: what the reply takes on the wire.
    /// - Returns: between which times its answers are refuted by this one; nil: none is.
    mutating func answered(
        _ request: Request, _ mark: ReplyMark, sentUntil end: Instant, usual: Duration?,
        travel: Duration,
        at now: Instant
    ) -> (since: Instant, until: Instant)? {
        defer { note() }
        let shape = ReplyShape(request)
        let isException = mark.function & FunctionCode.exceptionBit != 0
        let isSuspicious = recent.mayBeRepeat(mark, answering: request, gap: longestGap, at: now)
        let rival = unanswered.firstIndex {
            $0.shape.function == shape.function
                && (isException || $0.shape.isConfusable(with: shape))
        }
        unanswered.removeFirst(rival ?? unanswered.count)
        // It may have been the rival's answer, and this request's is still to come.
        if rival != nil { unanswered[0].latest = max(unanswered[0].latest, end) }
        if let known = doubt, rival == nil, !isAlike(known.shape, shape, isException) {
            doubt = nil
        }
        settle(at: now)
        let isFirst = exchanges == 0
        let isClean = calm >= Self.proof && !isRepeater
        // Of a unit that may be later than the response timeout no silence of that length tells
        // anything.
        let slowest = max(usual ?? .zero, calm < Self.pardon ? worstLateness : .zero)
        let isSlow = slowest > timeout
        let needsFence = isFirst || rival != nil || (isSuspicious && (!isClean || isSlow))
        var refuted: (since: Instant, until: Instant)?
        let compared = rival == nil ? nil : compare(request, mark.checksum)
        if compared == true {
            doubt = nil
            unanswered.removeAll()
        } else if needsFence || isSuspicious || !isClean || doubt != nil {
            let usual = usual ?? Self.longestHold
            let hold = max(
                now + max(Self.shortestHold, min(usual, Self.longestHold)),
                end + min(usual * 5 / 4, max(timeout, usual)) + travel + .milliseconds(2))
            if compared == false, let known = doubt {
                refuted = (known.since, known.at)
                doubt?.since = known.at
            }
            let until = needsFence || (doubt != nil && doubt?.until == nil) ? nil : hold
            doubt = Doubt(
                since: doubt?.since ?? last?.at ?? .zero, shape: shape, until: until,
                mayBeRepeat: isSuspicious || doubt?.mayBeRepeat ?? false, request: request,
                checksum: mark.checksum,
                at: now)
        }
        last = Last(shape: shape, isException: isException, at: now)
        recent.add(mark, answering: request, at: now)
        exchanges += 1
        calm += 1
        if calm >= Self.pardon { isRepeater = false }
        return refuted
    }

    private func isAlike(_ one: ReplyShape, _ other: ReplyShape, _ isException: Bool) -> Bool {
        one.function == other.function && (isException || one.isConfusable(with: other))
    }

    /// Where there is no other shape: two equal answers to one request are believed, and so is the
    /// unit when several have differed and nothing else has come.
    /// - Returns: whether it is equal; nil: there is nothing to compare it with.
    private mutating func compare(_ request: Request, _ checksum: UInt16) -> Bool? {
        guard let known = doubt, known.until == nil, known.request == request else { return nil }
        unequal = known.checksum == checksum ? 0 : unequal + 1
        return known.checksum == checksum
    }

    /// No fence can be had: what only misses one is believed when it has been silent for a response
    /// timeout, and what may be an older reply after several answers that nothing contradicted.
    mutating func forgo(at now: Instant) {
        guard let known = doubt, known.until == nil else { return }
        let mayBeOlder = unanswered.contains { $0.shape.isConfusable(with: known.shape) }
        if mayBeOlder {
            guard unequal >= 3 else { return }
            unanswered.removeAll()
        }
        unequal = 0
        doubt?.until = known.at + timeout
        note()
    }

    /// The readings that are in doubt until a fence is answered.
    var doubtful: Request? { wantsFence ? doubt?.request : nil }

    /// Ends a doubt whose time is over.
    mutating func settle(at now: Instant) {
        guard let until = doubt?.until, until <= now else { return }
        doubt = nil
        note()
    }

    /// An answer that came then is that of its request.
    func isCertain(_ at: Instant) -> Bool { doubt.map { at <= $0.since } ?? true }

    // MARK: frames that are no answers

    /// A sound frame of this unit that answers nothing that is asked now.
    /// - Returns: since when its answers are refuted; nil: they are not.
    mutating func heard(_ frame: HeardFrame) -> (what: Heard, refuted: Instant?) {
        defer { note() }
        let mark = frame.mark
        let age = recent.age(of: mark, at: frame.at)
        let isRepeat = age.map { $0 <= RecentReplies.repeatMost(longestGap) } ?? false
        if !isRepeat, let one = unanswered.first(where: { $0.fits(frame.pdu[...]) }) {
            let lateness = frame.at - one.latest
            worstLateness = max(worstLateness, frame.at - one.first)
            recent.add(mark, answering: nil, at: frame.at)
            calm = 0
            // It may as well be the reply whose place a repeat has taken.
            let isContradiction =
                doubt.map { $0.mayBeRepeat && $0.shape.isConfusable(with: one.shape) } ?? false
            return (.late(by: lateness), isContradiction ? refute(at: frame.at) : nil)
        }
        recent.add(mark, answering: nil, isReply: false, at: frame.at)
        let isLike = last.map { $0.shape.fits(frame.pdu[...]) } ?? false
        guard age != nil || isLike || frame.isEarly else {
            return (.unasked, refute(at: frame.at))
        }
        calm = 0
        isRepeater = true
        if let age { longestGap = max(longestGap, min(age, .seconds(1))) }
        // The same to the bit contradicts nothing.
        if age != nil { return (.repeated, nil) }
        return (.repeated, refute(at: frame.at))
    }

    /// Something came that could not be read: it may have been what was asked for.
    /// - Returns: since when its answers are refuted; nil: they are not.
    mutating func disturbed(at now: Instant) -> Instant? {
        defer { note() }
        return refute(at: now)
    }

    var isInDoubt: Bool { doubt != nil }

    /// Refutes the reading in doubt: it does not belong to its request, whose reply may still come.
    private mutating func refute(at now: Instant) -> Instant? {
        guard let known = doubt else { return nil }
        doubt = nil
        missed(known.shape, sentUntil: now)
        return known.since
    }
}
