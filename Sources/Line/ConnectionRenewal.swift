import Base
import Modbus

/// Decides whether a connection that the other end has closed is made again without a word, as
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
    /// Bytes sent since the last byte came.
    private var flight: [UInt8] = []
    /// Nothing of them writes.
    private var mayRepeat = true

    init() {}

    /// The next request needs a connection of its own.
    var needsAnother: Bool { shortLives >= Self.habit && requests > 0 && hasHeard }

    /// - Parameters:
    ///   - wire: as it goes over the connection.
    ///   - frame: as the driver made it.
    mutating func sent(_ wire: [UInt8], _ frame: [UInt8]) {
        requests += 1
        flight += wire
        let isRead = frame.count > 1 && [1, 2, 3, 4, 7, 11, 12, 17, 20, 24, 43].contains(frame[1])
        mayRepeat = mayRepeat && isRead
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
