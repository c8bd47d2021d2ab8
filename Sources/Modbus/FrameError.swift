/// Fault of a frame; always both numbers.
package enum FrameError: Error, Hashable, Sendable {
    /// The frame arrived damaged, or two devices spoke at once.
    case checksum(received: UInt16, computed: UInt16)
    /// A sound reply of another unit.
    case unit(received: UInt8, expected: UInt8)
    /// A sound reply to another function: a late one.
    case function(received: UInt8, expected: UInt8)
    /// A sound reply of another length: a late one, or a device that counts wrongly.
    case byteCount(received: Int, expected: Int)
    /// A sound reply to a write that names another place or value. `field` counts 16-bit fields
    /// after the function code.
    case echo(field: Int, received: UInt16, expected: UInt16)
    /// The length byte promises more than a frame can hold.
    case tooLong(received: Int, limit: Int)
    /// The line fell silent in the middle of a frame.
    case incomplete(received: Int, expected: Int)

    /// True for a frame that arrived whole and undamaged but was not the one asked for: whoever
    /// waits goes on waiting. False for damage.
    package var isStranger: Bool {
        switch self {
        case .unit, .function, .byteCount, .echo: true
        case .checksum, .tooLong, .incomplete: false
        }
    }
}
