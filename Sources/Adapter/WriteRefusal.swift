import Base

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
