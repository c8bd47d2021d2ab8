import Base

/// One value for one named point, as a command or a configuration asks for it.
package struct WriteCommand: Sendable {
    package var device: DeviceID
    package var point: String
    package var value: JSON

    package init(device: DeviceID, point: String, value: JSON) {
        self.device = device
        self.point = point
        self.value = value
    }
}

/// Why a write was not even tried. `message` is a whole sentence without its full stop, for the
/// command's result.
package struct WriteRefusal: Error, Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable {
        case unknownDevice, unknownPoint, notWritable, type, range, step, resolution, rate, budget,
            scaleFactor
    }
    package var kind: Kind
    package var message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
}
