/// The vocabulary that Drivers and Adapter share: what to read, what was read, what to write.
/// Drivers know no value types; Adapter knows no wire.

/// Where a span lives. The first four are Modbus's tables (Application Protocol V1.1b3, section
/// 4.3); `frame` is the payload of one UART frame, addressed in bytes.
package enum Table: String, Hashable, Sendable, CaseIterable {
    case coil, discrete, input, holding, frame

    package var isBits: Bool { self == .coil || self == .discrete }
    package var isRegisters: Bool { self == .input || self == .holding }
}

/// Items that one point needs: `count` bits, registers or frame bytes from the zero-based protocol
/// `address`, once per `interval`. A value is never split over two requests.
package struct Span: Hashable, Sendable {
    package var table: Table
    package var address: Int
    package var count: Int
    package var interval: Duration

    package init(_ table: Table, _ address: Int, _ count: Int, every interval: Duration) {
        self.table = table
        self.address = address
        self.count = count
        self.interval = interval
    }

    package var end: Int { address + count }
}

/// Why something could not be read. `word` is what stands behind `bad` in a payload.
package enum ReadFailure: Hashable, Sendable, Error {
    case timeout, checksum, exception(UInt8), offline, port, invalid, range, format, identity

    package var word: String {
        switch self {
        case .timeout: "timeout"
        case .checksum: "checksum"
        case .exception(let code): "exception-\(code)"
        case .offline: "offline"
        case .port: "port"
        case .invalid: "invalid"
        case .range: "range"
        case .format: "format"
        case .identity: "identity"
        }
    }
}

/// The outcome of one request of a cycle.
/// Registers are two bytes each, most significant first, as on the wire; bits are packed with the
/// lowest address in bit 0 of the first byte, as on the wire; a frame is its bytes.
package struct ReadPart: Hashable, Sendable {
    package var table: Table
    package var address: Int
    package var count: Int
    package var result: Result<[UInt8], ReadFailure>
    /// When its last byte was read, or when it was known to have failed.
    package var at: Moment

    package init(
        _ table: Table, _ address: Int, _ count: Int, _ result: Result<[UInt8], ReadFailure>,
        at: Moment
    ) {
        self.table = table
        self.address = address
        self.count = count
        self.result = result
        self.at = at
    }
}

/// One cycle of one unit and interval: closed when its last exchange has ended.
package struct Reading: Hashable, Sendable {
    package var address: Address
    package var interval: Duration
    package var parts: [ReadPart]
    /// Not all of the interval's points were asked for: nothing is said of those that no part
    /// touches.
    package var isPartial: Bool
    /// True where its unit has points with priority: the reading is wanted at once, not together
    /// with others.
    package var isUrgent: Bool

    package init(
        _ address: Address, every interval: Duration, _ parts: [ReadPart], isPartial: Bool = false,
        isUrgent: Bool = false
    ) {
        self.address = address
        self.interval = interval
        self.parts = parts
        self.isPartial = isPartial
        self.isUrgent = isUrgent
    }
}

/// A unit as the line sees it; it becomes the device's `status`.
package enum UnitState: String, Hashable, Sendable { case online, degraded, offline }
