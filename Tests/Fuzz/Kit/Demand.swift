import Base

/// One fuzz target: whatever the bytes are, `run` returns, or ends the process at what is broken.
package protocol FuzzTarget: Sendable {
    static func run(_ input: [UInt8])
    /// The processor time that one input of at most 4096 bytes may take in an optimised build with
    /// coverage counters.
    static var budget: Duration { get }
}

extension FuzzTarget {
    package static var budget: Duration { .milliseconds(100) }
}

/// A property that must hold for every input. Ends the process otherwise, so that libFuzzer keeps
/// the input.
@inline(__always)
package func demand(
    _ holds: Bool, _ message: @autoclosure () -> String, file: StaticString = #fileID,
    line: UInt = #line
) {
    if !holds { fatalError(message(), file: file, line: line) }
}

/// A number of steps that is not to be passed: what spins fails here.
package struct StepLimit {
    private var left: Int
    private let what: String

    package init(_ most: Int, _ what: String) {
        left = most
        self.what = what
    }

    package mutating func step() {
        left -= 1
        demand(left >= 0, what)
    }
}
