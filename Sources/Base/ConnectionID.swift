/// One transport connection, named by the shell and never used again for another.
package struct ConnectionID: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let value: UInt64

    package init(_ value: UInt64) { self.value = value }

    package var description: String { "connection \(value)" }
    package static func < (left: ConnectionID, right: ConnectionID) -> Bool {
        left.value < right.value
    }
}
