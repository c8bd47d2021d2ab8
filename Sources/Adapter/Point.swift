import Base

/// One named value of a node: where it is, how it is read, what of it is published and whether it
/// may be written. Configuration makes these and checks them.
package struct Point: Hashable, Sendable {
    package var name: ByteString
    package var table: Table
    /// The zero-based protocol address; in a frame the byte offset, negative counted from its end.
    package var address: Int
    package var type: ValueType
    /// Nil is most significant byte first. For strings "BA" swaps the bytes of every register.
    package var order: ByteOrder?
    /// Where the type has no width of its own: registers, or bytes in a frame.
    package var length: Int
    package var coding: Coding
    /// For 8-bit types in a register and 24-bit types in two.
    package var byte: RegisterByte
    /// For frames of text: where the value stands instead of at a byte offset.
    package var text: TextField?
    package var rules: FrameRules
    package var scale: Double
    package var offset: Double
    /// Another point of the same node that holds a power of ten (SunSpec's sunssf).
    package var scaleFrom: ByteString?
    package var bits: [BitField]
    /// Names for raw codes; a code without a name stays a number.
    package var map: [Int64: ByteString]
    package var invalid: [Sentinel]
    /// Outside of these a value is bad with `range`, or becomes the nearest of them if `clamp` is
    /// set.
    package var min: Double?
    package var max: Double?
    package var clamp: Bool
    package var units: ByteString?
    package var interval: Duration
    package var priority: Bool
    /// Read for others' sake (a scale factor) and never published.
    package var hidden: Bool
    /// Publish only when the value has moved by more than this since it was last published.
    package var deadband: Double?
    /// Publish only when the value differs from what was last published.
    package var onChange: Bool
    /// With `deadband` or `onChange`: publish at the latest after this time.
    package var heartbeat: Duration?
    /// Nil: nobody can write it.
    package var writable: WriteRule?
    /// Written when the bridge has been away for long.
    package var safe: SafeValue?

    package init(
        name: ByteString, table: Table, address: Int, type: ValueType = .uint16,
        order: ByteOrder? = nil,
        length: Int = 1, coding: Coding = Coding(), byte: RegisterByte = .low,
        text: TextField? = nil,
        rules: FrameRules = FrameRules(), scale: Double = 1, offset: Double = 0,
        scaleFrom: ByteString? = nil,
        bits: [BitField] = [], map: [Int64: ByteString] = [:], invalid: [Sentinel] = [],
        min: Double? = nil,
        max: Double? = nil, clamp: Bool = false, units: ByteString? = nil,
        interval: Duration = .seconds(10),
        priority: Bool = false, hidden: Bool = false, deadband: Double? = nil,
        onChange: Bool = false,
        heartbeat: Duration? = nil, writable: WriteRule? = nil, safe: SafeValue? = nil
    ) {
        self.name = name
        self.table = table
        self.address = address
        self.type = type
        self.order = order
        self.length = length
        self.coding = coding
        self.byte = byte
        self.text = text
        self.rules = rules
        self.scale = scale
        self.offset = offset
        self.scaleFrom = scaleFrom
        self.bits = bits
        self.map = map
        self.invalid = invalid
        self.min = min
        self.max = max
        self.clamp = clamp
        self.units = units
        self.interval = interval
        self.priority = priority
        self.hidden = hidden
        self.deadband = deadband
        self.onChange = onChange
        self.heartbeat = heartbeat
        self.writable = writable
        self.safe = safe
    }

    /// Whether a value of the one is a value of the other: how often it is read and what is told of
    /// it may differ.
    func hasSameMeaning(as other: Point) -> Bool {
        var same = other
        (same.interval, same.priority, same.hidden) = (interval, priority, hidden)
        (same.deadband, same.onChange, same.heartbeat, same.safe) = (
            deadband, onChange, heartbeat, safe
        )
        return same == self
    }
}

/// Conditions in a frame that decide about a value, and the form in which its text is read.
package struct FrameRules: Hashable, Sendable {
    /// The value is bad with `invalid` unless this holds: a receiver without a fix, a scale in
    /// motion.
    package var validIf: FrameMatch?
    /// For numbers written as text: negative if this holds, as south and west are.
    package var negativeIf: FrameMatch?
    /// Written as `ddmm.mmmm`, degrees and minutes; becomes degrees.
    package var isAngle: Bool
    /// Written in hexadecimal digits.
    package var isHexadecimal: Bool

    package init(
        validIf: FrameMatch? = nil, negativeIf: FrameMatch? = nil, isAngle: Bool = false,
        isHexadecimal: Bool = false
    ) {
        self.validIf = validIf
        self.negativeIf = negativeIf
        self.isAngle = isAngle
        self.isHexadecimal = isHexadecimal
    }
}

/// A named part of a `bits` value, bit 0 the least significant. One bit reads as true or false,
/// a range as a number.
package struct BitField: Hashable, Sendable {
    package var name: ByteString
    package var low: Int
    package var high: Int

    package init(name: ByteString, low: Int, high: Int) {
        self.name = name
        self.low = low
        self.high = high
    }

    package init(name: ByteString, bit: Int) { self.init(name: name, low: bit, high: bit) }
}

/// Mark that a device sends instead of a value. It is compared before scaling.
package enum Sentinel: Hashable, Sendable {
    /// The bytes of the value as one unsigned number: 0x8000, 0xFFFFFFFF.
    case code(UInt64)
    /// The value itself: −9999, or −32768 for an int16.
    case number(Double)
    /// Not a number. Infinity and NaN are bad anyway, since JSON has neither.
    case nan
}

/// One device and where it hangs. Several bindings may have the same address (`share: true`).
package struct Binding: Hashable, Sendable {
    package var device: DeviceID
    package var address: Address
    package var points: [Point]
    /// Custom functions that commands may call.
    package var actions: [Action]
    /// Writes that the unit gets when it is first heard and whenever it comes back.
    package var setup: [SetupStep]

    package init(
        device: DeviceID, address: Address, points: [Point] = [], actions: [Action] = [],
        setup: [SetupStep] = []
    ) {
        self.device = device
        self.address = address
        self.points = points
        self.actions = actions
        self.setup = setup
    }
}
