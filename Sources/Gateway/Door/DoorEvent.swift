import Base

/// Event of a connection of the HTTP door, or a line for its view of the log.
package enum DoorEvent: Sendable {
    indirect case connected(ConnectionID, DoorPeer)
    case received(ConnectionID, [UInt8])
    /// The client has taken all that was sent to it.
    case drained(ConnectionID)
    case disconnected(ConnectionID)
    /// A line that the shell has written to the log.
    indirect case logged(Notice)
}

/// Action that the door requests for one of its connections.
package enum DoorEffect: Sendable {
    case send(ConnectionID, [UInt8])
    /// To be closed when all that was sent is out.
    case close(ConnectionID)
}

/// The two ends of one connection.
package struct DoorPeer: Hashable, Sendable {
    /// The client's address, for the log.
    package var client: String
    /// The address of this machine that the client has reached, without the port.
    package var local: ByteString
    package var isTLS: Bool

    package init(client: String, local: ByteString, isTLS: Bool) {
        self.client = client
        self.local = local
        self.isTLS = isTLS
    }
}
