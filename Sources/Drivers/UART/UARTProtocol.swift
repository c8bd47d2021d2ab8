import Base

/// How the frames of a node that is not Modbus are asked for, cut from the stream and checked.
package struct UARTProtocol: Hashable, Sendable {
    /// How the end of a frame is known.
    package enum End: Hashable, Sendable {
        case terminator([UInt8])
        /// All bytes, start included.
        case fixed(Int)
        /// A length field of `bytes` bytes at offset `at`; the frame has its value and `adds` bytes
        /// in all.
        case length(at: Int, bytes: Int, adds: Int, order: Checksum.Order = .big)
        case silence(Duration)
    }

    package struct Frame: Hashable, Sendable {
        /// Bytes with which every frame begins; empty if nothing marks the start.
        package var start: [UInt8]
        package var end: End
        /// A longer one is noise.
        package var max: Int

        package init(start: [UInt8] = [], end: End, max: Int = 256) {
            self.start = start
            self.end = end
            self.max = max
        }
    }

    /// Offsets below 0 count from the end of the frame; `to` is exclusive, 0 is the end itself.
    package struct Checksum: Hashable, Sendable {
        package enum Order: String, Hashable, Sendable, CaseIterable { case big, little }
        package var type: ChecksumType
        package var from: Int
        package var to: Int
        package var at: Int
        package var order: Order
        /// Written as hexadecimal digits.
        package var asHex: Bool

        package init(
            type: ChecksumType, from: Int, to: Int, at: Int, order: Order = .big,
            asHex: Bool = false
        ) {
            self.type = type
            self.from = from
            self.to = to
            self.at = at
            self.order = order
            self.asHex = asHex
        }
    }

    /// Nil: the node speaks by itself.
    package var request: [UInt8]?
    package var frame: Frame
    package var checksum: Checksum?
    /// Condition that tells this node's frames from its neighbours' on the same line.
    package var address: FrameMatch?

    package init(
        request: [UInt8]? = nil, frame: Frame, checksum: Checksum? = nil, address: FrameMatch? = nil
    ) {
        self.request = request
        self.frame = frame
        self.checksum = checksum
        self.address = address
    }
}
