/// A sound frame, by what tells it from others: two frames with the same mark are taken for the
/// same reply.
package struct ReplyMark: Hashable, Sendable {
    /// The function code, with the exception bit.
    package let function: UInt8
    /// Bytes of the PDU.
    package let length: Int
    package let checksum: UInt16

    init(function: UInt8, length: Int, checksum: UInt16) {
        self.function = function
        self.length = length
        self.checksum = checksum
    }
}
