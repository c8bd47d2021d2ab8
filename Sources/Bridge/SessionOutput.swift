import Base
import MQTT

/// One record on its way out, or several of one device and subfolder in one message: `payload` is
/// complete (see `Envelope`).
package struct Outgoing: Hashable, Sendable {
    package var seq: UInt64
    package var device: DeviceID
    package var subfolder: String
    package var payload: Payload
    /// Of a batch: the records behind the first, in order.
    package var others: [UInt64]
    package var seqs: [UInt64] { [seq] + others }

    package init(
        seq: UInt64, device: DeviceID, subfolder: String = "", payload: [UInt8] = [],
        others: [UInt64] = []
    ) {
        self.seq = seq
        self.others = others
        self.device = device
        self.subfolder = subfolder
        self.payload = Payload(payload)
    }
}

/// Names one received config or command until it is acknowledged; worthless on a later connection.
package struct Delivery: Hashable, Sendable {
    let connection: Int
    /// nil for QoS 0, which has no acknowledgement.
    let packet: UInt16?
    /// The broker had kept it: it was published earlier, with the retain flag.
    package var isRetained = false
}

extension Session {
    package enum Output: Hashable, Sendable {
        /// Make a link to there: `linkUp` or `linkFailed` answers.
        case connect(LinkTarget)
        case send([UInt8])
        /// Close the link, or stop making it, once everything sent before has left; give that a
        /// second at most. `linkClosed` need not follow.
        case disconnect
        /// Sign with that key; `signed` answers with the raw signature.
        case sign(ticket: UInt64, by: Signer, input: [UInt8])
        /// PUBACK: this record is the bridge's now.
        case settled(UInt64)
        /// Not acknowledged and no longer on its way: it waits again, in its old place.
        case returned(UInt64)
        /// The bridge will never take this record: drop it and note a gap, reason "rejected".
        case rejected(UInt64, DeviceID, reason: String)
        /// The broker forbids the topic of this record, which was told: it ends here.
        case withheld(UInt64)
        case attached(DeviceID)
        /// One device while the connection stands. `offline` detaches all without naming them.
        case detached(DeviceID, reason: String)
        case config(DeviceID, payload: [UInt8], delivery: Delivery)
        case command(DeviceID, subfolder: ByteString, payload: [UInt8], delivery: Delivery)
        /// A bare value for a point.
        case set(DeviceID, point: ByteString, payload: [UInt8], delivery: Delivery)
        /// The broker keeps no message on this topic any more.
        case cleared(ByteString)
        case online
        case offline
        /// After `stop`: nothing follows.
        case finished
        case notice(Notice)
    }

    package enum Timer: Hashable, Sendable {
        case reconnect  // the back-off is over
        case clock  // look at an impossible clock again
        case handshake  // no signature or no CONNACK: give this link up
        case renew  // the token is about to expire: drain and connect again
        case drain  // in-flight messages had their time: close now
        case healthy  // connected long enough to forget earlier failures
        case progress  // nothing acknowledged for 30 s while something waits: connect again
        case rate  // the rate allows the next message
        case subscribe  // the devices attached lately get their subscriptions
        case attach  // a device that failed is tried again, or an attach had no answer
        case state  // a state document may go
        case inbox  // PUBACKs no longer wait for one whose document waits for the disk
        case turn  // a suspect's turn alone has lasted long enough
        case hold  // a device held back after an unknown error may send again
        case client(String)  // the MQTT client's own: keep alive, re-send, CONNACK
    }

    package struct Counters: Hashable, Sendable {
        package var connects = 0
        package var published = 0
        package var acknowledged = 0
        /// The same packet again on the same connection, DUP=1.
        package var resent = 0
        /// Given back because a connection ended.
        package var returned = 0
        package var rejected = 0
        package var attaches = 0
        package var states = 0
        package var configs = 0
        package var commands = 0
        package var bytesSent = 0
        package var bytesReceived = 0
        package var errors: [GatewayError.Code: Int] = [:]
        /// CONNACK codes other than 0.
        package var refusals: [UInt8: Int] = [:]
    }
}
