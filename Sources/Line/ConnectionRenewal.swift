import Base
import Modbus

/// Decides whether a connection that the other end has closed is made again without a report, as
/// converters close it when it was idle, or after each reply. One that has brought nothing since it
/// was made is lost.
package struct ConnectionRenewal: Sendable {
    /// Connections in a row that ended after their first reply, after which the next is made before
    /// the next request.
    private static let habit = 3

    /// Something has come since the connection was made.
    private var hasHeard = false
    /// Requests since the connection was made.
    private var requests = 0
    private var shortLives = 0
    /// Latest request as it was sent; empty once something has come after it. What was given up
    /// before it is not sent again.
    private var flight: [UInt8] = []
    /// The latest request changes nothing.
    private var mayRepeat = true

    init() {}

    /// The next request needs a connection of its own.
    var needsAnother: Bool { shortLives >= Self.habit && requests > 0 && hasHeard }

    /// - Parameters:
    ///   - wire: as it goes over the connection.
    ///   - frame: as the driver made it.
    mutating func sent(_ wire: [UInt8], _ frame: [UInt8]) {
        requests += 1
        flight = wire
        mayRepeat = Self.changesNothing(frame)
    }

    private static func changesNothing(_ frame: [UInt8]) -> Bool {
        // Another driver's frames are not Modbus, and may do anything.
        guard frame.count >= RTUFrame.shortest, CRC16.checksum(frame[...]) == 0 else {
            return false
        }
        switch frame[1] {
        case 1...4, 7, 11, 12, 17, 20, 24: return true
        // Return Query Data alone: the drivers prove the order of replies with it.
        case 8: return frame[2] == 0 && frame[3] == 0
        case 43: return frame[2] == DeviceIdentification.meiType
        default: return false
        }
    }

    mutating func heard() {
        hasHeard = true
        flight.removeAll(keepingCapacity: true)
        mayRepeat = true
    }

    /// The other end has closed the connection.
    /// - Returns: bytes to send on the next one; nil: there is none, the line is lost.
    mutating func ended() -> [UInt8]? {
        guard hasHeard, mayRepeat else { return nil }
        let answered = requests - (flight.isEmpty ? 0 : 1)
        shortLives = answered <= 1 ? shortLives + 1 : 0
        return renew()
    }

    /// A new connection is made in place of this one.
    /// - Returns: bytes to send on it.
    mutating func renew() -> [UInt8] {
        hasHeard = false
        requests = flight.isEmpty ? 0 : 1
        return flight
    }
}
