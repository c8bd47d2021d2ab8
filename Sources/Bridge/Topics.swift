import Base

/// Properties that all topics share, whatever their layout: one bad topic ends the whole
/// connection.
package enum Topics {
    /// The bridge's limit for what stands behind `events/`, in bytes.
    package static let subfolderMax = 256

    package static func errors(_ gateway: DeviceID) -> String { TopicLayout.errors.topic(gateway) }

    /// Levels of letters, digits and `- . _ ~ %`, none of them empty, 256 bytes at most.
    package static func isSubfolder(_ text: String) -> Bool {
        let bytes = text.utf8
        guard !bytes.isEmpty, bytes.count <= subfolderMax else { return false }
        var previous: UInt8 = 0x2F
        for byte in bytes {
            switch byte {
            case 0x41...0x5A, 0x61...0x7A, 0x30...0x39, 0x2D, 0x2E, 0x5F, 0x7E, 0x25: break
            case 0x2F where previous != 0x2F: break
            default: return false
            }
            previous = byte
        }
        return previous != 0x2F
    }
}

/// Message from the far side, by topic (`TopicLayout.inbound`).
package enum Inbound: Hashable, Sendable {
    case config(DeviceID)
    /// `subfolder` is what stands behind `commands/`, "" if nothing does.
    case command(DeviceID, subfolder: ByteString)
    case errors(DeviceID)
    /// A bare value for a point.
    case set(DeviceID, point: ByteString)

    package var device: DeviceID {
        switch self {
        case .config(let device), .command(let device, _), .errors(let device),
            .set(let device, _):
            device
        }
    }
}
