import Base
import Drivers
import Modbus

/// The server of one line, key `serve`: where other masters connect, and what they may do.
package struct LineServiceSettings: Hashable, Sendable {
    /// Kinds of requests that are let through to a unit; each holds those before it.
    package enum Permission: String, Hashable, Sendable, CaseIterable, Comparable {
        case none, read, write, raw

        package static func < (left: Permission, right: Permission) -> Bool {
            left.rank < right.rank
        }

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    }

    package static let portDefault = 502
    package static let clientsMax = 32

    /// Place of `listen` in the file.
    package var place: FilePlace
    /// A numeric address.
    package var address: String
    package var port: Int
    package var framing = TCPFraming.modbusTCP
    /// By unit id.
    package var allow: [UInt8: Permission] = [:]
    /// Permission of the units 1 to 247 that `allow` does not name.
    package var allowOthers = Permission.read
    package var driver = ServeSettings()
    package var clients = 8
    /// Addresses of clients that are let in; empty: all.
    package var from: [AddressRange] = []

    package var describe: String { "\(address.contains(":") ? "[\(address)]" : address):\(port)" }

    package func permission(of unit: UInt8) -> Permission {
        allow[unit] ?? ((1...247).contains(unit) ? allowOthers : .none)
    }

    /// True for an address that only this machine reaches.
    var isLoopback: Bool { Configuration.Door.isLoopback(address) }

    /// True if another machine would be given more than reads.
    var allowsWriting: Bool { allowOthers > .read || allow.values.contains { $0 > .read } }
}

extension Request {
    /// Permission that a client needs for it.
    var permission: LineServiceSettings.Permission {
        switch self {
        case .writeCoil, .writeRegister, .writeCoils, .writeRegisters, .maskWrite, .readWrite,
            .writeFile:
            .write
        case .diagnose(let function, _): function.isQuery ? .read : .raw
        case .other: .raw
        default: .read
        }
    }
}
