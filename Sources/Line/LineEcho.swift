import Base

/// Takes away what a transceiver hears of itself: the bytes of our own transmission, byte by byte,
/// before the reply. A frame that comes back changed is a collision: it is taken away all the same,
/// since the unit may have heard it well.
///
/// While it is learning, a whole frame that comes back is taken away too, unless it could be the
/// answer (a write of one register is answered with the same bytes). Three in a row, and it knows
/// that there is an echo; three replies without one, and it knows that there is none and costs
/// nothing any more. Opening the line forgets what was learned, since the adapter may be another.
package struct LineEcho: Sendable {
    enum Knowledge: Hashable, Sendable { case learning, present, absent }

    private let isLearned: Bool
    private(set) var knowledge: Knowledge
    /// For and against an echo, since the last exchange that said the contrary.
    private var score = 0
    /// The request did not come back as an echo, nor did anything else.
    private var isMute = false
    /// Bytes that were sent and may come back; empty when nothing is expected.
    private var expected: [UInt8] = []
    private var matched = 0
    /// One of those that came differs.
    private var isChanged = false
    /// Frames that came back, and frames that came back changed.
    package private(set) var echoes = 0
    package private(set) var echoBytes = 0
    package private(set) var collisions = 0

    static let proof = 3

    init(_ setting: LineSettings.Echo) {
        isLearned = setting == .learn
        knowledge =
            switch setting {
            case .learn: .learning;
            case .always: .present;
            case .never: .absent
            }
    }

    /// The line was opened anew.
    mutating func reset() {
        forget()
        isMute = false
        if isLearned {
            knowledge = .learning
            score = 0
        }
    }

    /// Enough is known that a request that comes back does not pass for its reply.
    package var knowsRequests: Bool { knowledge != .learning || score != 0 || isMute }

    /// A request went out and nothing at all came, not even itself.
    mutating func heardNothing() { isMute = true }

    /// Bytes that came and may be the beginning of an echo.
    var held: Int { matched }

    /// A frame goes out. `isAmbiguous`: a good answer to it may have the same bytes.
    mutating func sent(_ frame: [UInt8], isAmbiguous: Bool) {
        forget()
        let isLikely = knowledge == .learning && (!isAmbiguous || score > 0)
        if knowledge == .present || isLikely { expected = frame }
    }

    /// Takes the echo away from what came; what is left belongs to the reply.
    mutating func strip(_ bytes: inout ArraySlice<UInt8>) {
        guard !expected.isEmpty else { return }
        while let byte = bytes.first, matched < expected.count {
            if byte != expected[matched] {
                guard knowledge == .present else {
                    bytes = giveUp() + bytes
                    return
                }
                isChanged = true
            }
            bytes = bytes.dropFirst()
            matched += 1
        }
        guard matched == expected.count else { return }
        echoBytes += matched
        if isChanged { collisions += 1 } else { echoes += 1 }
        learn(isEcho: !isChanged)
        forget()
    }

    /// No more will come, or something else came: what was held is no echo, or not all of one.
    mutating func giveUp() -> ArraySlice<UInt8> {
        let held = expected[..<matched]
        if !expected.isEmpty {
            if knowledge == .present { collisions += 1 }
            learn(isEcho: false)
        }
        forget()
        return held
    }

    /// Nothing is expected, or not any more.
    mutating func forget() {
        expected = []
        matched = 0
        isChanged = false
    }

    private mutating func learn(isEcho: Bool) {
        guard isLearned else { return }
        switch (knowledge, isEcho) {
        case (.absent, _): break
        case (.learning, true), (.present, false): score = max(1, score + 1)
        case (.learning, false): score = min(-1, score - 1)
        case (.present, true): score = 0
        }
        switch (knowledge, score) {
        case (.learning, Self.proof...): (knowledge, score) = (.present, 0)
        case (.learning, ...(-Self.proof)): (knowledge, score) = (.absent, 0)
        case (.present, Self.proof...): (knowledge, score) = (.learning, 0)
        default: break
        }
    }
}
