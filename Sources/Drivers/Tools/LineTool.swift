import Base

/// A machine that has one serial line for itself as long as its errand takes: the field tools.
package protocol LineTool: Sendable {
    /// The line is set as asked, for the first time or after `.set`.
    mutating func opened(at now: Moment)
    mutating func receive(_ bytes: ArraySlice<UInt8>, at now: Moment)
    /// The line cannot do what `.set` asked for. True: it goes on with another setting.
    mutating func skipSetting(_ failure: LineFailure, at now: Moment) -> Bool
    /// Call when `deadline` has come.
    mutating func timeout(at now: Moment)
    /// The person has had enough: come to an end with what there is.
    mutating func stop(at now: Moment)
    /// Drain until nil after every other call.
    mutating func next() -> LineToolOutput?
    var deadline: Instant? { get }
    var isDone: Bool { get }
}

extension LineTool {
    package mutating func skipSetting(_ failure: LineFailure, at now: Moment) -> Bool { false }
}

package enum LineToolOutput: Hashable, Sendable {
    /// Throw away what has arrived and was not read yet; always followed by `transmit`.
    case discardInput
    case transmit([UInt8])
    /// Set the open line to another speed or parity, then call `opened`.
    case set(LineSettings)
}
