import Base

/// The local allow-list entry of one writable point; the far side can only name the point.
package struct WriteRule: Hashable, Sendable {
    package var min: Double?
    package var max: Double?
    /// The value must be a multiple of this.
    package var step: Double?
    /// Accepted writes in any 60 s and in any 24 h; nil is no limit.
    package var perMinute: Int?
    package var perDay: Int?
    /// When given, only these values.
    package var values: [Double]?
    /// The place is read after the write; not for what cannot be read or changes by itself.
    package var readBack: Bool
    /// Requires the value read back to be the value written.
    package var compare: Bool
    /// How far a number may be off when it is read back: of a unit that rounds.
    package var tolerance: Double?
    /// As `Order.function`.
    package var function: UInt8?
    /// Also a command that the broker kept is carried out: one that was published with the retain
    /// flag.
    package var retained = false
    /// A value between two steps of the scale is refused; otherwise the nearest step is written.
    package var isExact = false
    /// The point is never read: the acknowledgement is all that is known of it.
    package var isOnly = false
    /// Goes out in one request with its neighbours of the same command.
    package var isTogether = false

    package init(
        min: Double? = nil, max: Double? = nil, step: Double? = nil, perMinute: Int? = nil,
        perDay: Int? = nil, values: [Double]? = nil, readBack: Bool = true, compare: Bool = true,
        tolerance: Double? = nil, function: UInt8? = nil
    ) {
        self.min = min
        self.max = max
        self.step = step
        self.perMinute = perMinute
        self.perDay = perDay
        self.values = values
        self.readBack = readBack
        self.compare = compare
        self.tolerance = tolerance
        self.function = function
    }
}

/// A function code of the device's own that a command may call by name. What goes out is written
/// down here; the far side only chooses.
package struct Action: Hashable, Sendable {
    package enum Payload: Hashable, Sendable {
        /// A command's value is `true`.
        case fixed([UInt8])
        /// A command's value is one of these names.
        case named([ByteString: [UInt8]])
    }

    package var name: ByteString
    package var function: UInt8
    package var payload: Payload
    /// Only its rates count.
    package var rule: WriteRule

    package init(name: ByteString, function: UInt8, payload: Payload, rule: WriteRule = WriteRule())
    {
        self.name = name
        self.function = function
        self.payload = payload
        self.rule = rule
    }

    func data(for value: JSON) throws(WriteRefusal) -> [UInt8] {
        switch payload {
        case .fixed(let data):
            guard value.bool == true else {
                throw WriteRefusal(.type, "\(name) takes true, not \(value.describe)")
            }
            return data
        case .named(let choices):
            guard let data = value.string.flatMap({ choices[$0] }) else {
                let names = choices.keys.sorted().map { "\"\($0)\"" }.joined(separator: ", ")
                throw WriteRefusal(.type, "\(name) takes one of \(names)")
            }
            return data
        }
    }
}

/// Value to which a point is set when the bridge has been away for `after`.
package struct SafeValue: Hashable, Sendable {
    /// As JSON text.
    package var value: ByteString
    package var after: Duration

    package init(value: ByteString, after: Duration) {
        self.value = value
        self.after = after
    }
}

/// One write that a unit gets whenever it comes; `label` is its point, or table and address.
package struct SetupStep: Hashable, Sendable {
    package var label: ByteString
    package var order: Order

    package init(label: ByteString, order: Order) {
        self.label = label
        self.order = order
    }
}
