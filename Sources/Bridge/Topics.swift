import Base

/// The topics of a device, `/devices/{device}/…`, made from checked parts only: one bad topic
/// costs the whole connection.
package enum Topics {
    /// The bridge's limit for what stands behind `events/`, in bytes.
    package static let subfolderMax = 256

    package static func events(_ device: DeviceID) -> String { "/devices/\(device)/events" }
    package static func state(_ device: DeviceID) -> String { "/devices/\(device)/state" }
    package static func attach(_ device: DeviceID) -> String { "/devices/\(device)/attach" }
    package static func detach(_ device: DeviceID) -> String { "/devices/\(device)/detach" }
    package static func config(_ device: DeviceID) -> String { "/devices/\(device)/config" }
    package static func errors(_ gateway: DeviceID) -> String { "/devices/\(gateway)/errors" }
    /// The wildcard is the only form that the bridge accepts.
    package static func commands(_ device: DeviceID) -> String { "/devices/\(device)/commands/#" }

    /// `/devices/{device}/events[/subfolder]`; nil if the subfolder is not one.
    package static func events(_ device: DeviceID, _ subfolder: String) -> String? {
        if subfolder.isEmpty { return events(device) }
        return isSubfolder(subfolder) ? events(device) + "/" + subfolder : nil
    }

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

/// What arrives from the far side, by topic.
package enum Inbound: Hashable, Sendable {
    case config(DeviceID)
    /// `subfolder` is what stands behind `commands/`, "" if nothing does.
    case command(DeviceID, subfolder: String)
    case errors(DeviceID)

    /// nil for every topic that we never subscribe to.
    package init?(topic: String) {
        let levels = topic.split(separator: "/", maxSplits: 4, omittingEmptySubsequences: false)
        guard levels.count >= 4, levels[0].isEmpty, levels[1] == "devices",
            let device = try? DeviceID(String(levels[2]))
        else { return nil }
        switch (levels[3], levels.count) {
        case ("config", 4): self = .config(device)
        case ("errors", 4): self = .errors(device)
        case ("commands", 4): self = .command(device, subfolder: "")
        case ("commands", _): self = .command(device, subfolder: String(levels[4]))
        default: return nil
        }
    }

    package var device: DeviceID {
        switch self {
        case .config(let device), .command(let device, _), .errors(let device): device
        }
    }
}
