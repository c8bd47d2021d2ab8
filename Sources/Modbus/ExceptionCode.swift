/// Why a server refused a request (Application Protocol V1.1b3, section 7). The code is whatever
/// the server sent; codes without a name in the specification keep their number.
package struct ExceptionCode: RawRepresentable, Hashable, Sendable, Error, CustomStringConvertible {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let illegalFunction = ExceptionCode(rawValue: 1)
    package static let illegalDataAddress = ExceptionCode(rawValue: 2)
    package static let illegalDataValue = ExceptionCode(rawValue: 3)
    package static let serverDeviceFailure = ExceptionCode(rawValue: 4)
    package static let acknowledge = ExceptionCode(rawValue: 5)
    package static let serverDeviceBusy = ExceptionCode(rawValue: 6)
    package static let negativeAcknowledge = ExceptionCode(rawValue: 7)
    package static let memoryParityError = ExceptionCode(rawValue: 8)
    package static let gatewayPathUnavailable = ExceptionCode(rawValue: 10)
    package static let gatewayTargetFailedToRespond = ExceptionCode(rawValue: 11)

    /// The specification's name, as it appears in manuals.
    package var name: String {
        switch self {
        case .illegalFunction: "ILLEGAL FUNCTION"
        case .illegalDataAddress: "ILLEGAL DATA ADDRESS"
        case .illegalDataValue: "ILLEGAL DATA VALUE"
        case .serverDeviceFailure: "SERVER DEVICE FAILURE"
        case .acknowledge: "ACKNOWLEDGE"
        case .serverDeviceBusy: "SERVER DEVICE BUSY"
        case .negativeAcknowledge: "NEGATIVE ACKNOWLEDGE"
        case .memoryParityError: "MEMORY PARITY ERROR"
        case .gatewayPathUnavailable: "GATEWAY PATH UNAVAILABLE"
        case .gatewayTargetFailedToRespond: "GATEWAY TARGET DEVICE FAILED TO RESPOND"
        default: "EXCEPTION \(rawValue)"
        }
    }

    /// Meaning for the person who has to correct the cause.
    package var meaning: String {
        switch self {
        case .illegalFunction: "the device does not know this function code"
        case .illegalDataAddress: "the device has nothing at one of these addresses"
        case .illegalDataValue: "the device does not accept this count or value"
        case .serverDeviceFailure: "the device failed while it carried the request out"
        case .acknowledge: "the device needs longer for this request"
        case .serverDeviceBusy: "the device is busy; ask again later"
        case .negativeAcknowledge: "the device cannot carry the function out"
        case .memoryParityError: "the device found its own memory damaged"
        case .gatewayPathUnavailable: "a gateway on the way has no path to the device"
        case .gatewayTargetFailedToRespond: "a gateway on the way got no answer from the device"
        default: "the specification gives this code no meaning"
        }
    }

    /// Codes 5 and 6 ask the client to come back later; the others are final.
    package var isTemporary: Bool { self == .acknowledge || self == .serverDeviceBusy }

    /// Codes by which a gateway says that the unit is silent, or that no line leads to it.
    package var tellsSilence: Bool {
        self == .gatewayPathUnavailable || self == .gatewayTargetFailedToRespond
    }

    package var description: String { "exception \(rawValue) (\(name))" }
}
