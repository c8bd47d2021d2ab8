import Base

extension Client {
    package struct Settings: Sendable {
        package var clientID: String
        package var username: String?
        package var password: [UInt8]?
        package var will: Connect.Will?
        package var cleanSession: Bool
        /// Whole seconds go into CONNECT, at most 65,535; zero turns the mechanism off.
        package var keepAlive: Duration
        /// From `connect` to CONNACK.
        package var connectTimeout: Duration
        /// From sending a message with QoS 1 to sending it again.
        package var ackTimeout: Duration
        /// From PINGREQ to PINGRESP: how long a half-open link can go unnoticed once asked.
        package var pingTimeout: Duration
        /// From SUBSCRIBE or UNSUBSCRIBE to its answer; nil waits for ever.
        package var subscribeTimeout: Duration?
        /// From a packet's first byte to its last.
        package var partialTimeout: Duration
        /// The largest packet accepted, fixed header included.
        package var packetSizeMax: Int

        package init(
            clientID: String, username: String? = nil, password: [UInt8]? = nil,
            keepAlive: Duration = .seconds(60),
            cleanSession: Bool = true, ackTimeout: Duration = .seconds(10),
            connectTimeout: Duration = .seconds(20), packetSizeMax: Int = 512 << 10,
            will: Connect.Will? = nil,
            pingTimeout: Duration = .seconds(20), subscribeTimeout: Duration? = .seconds(30),
            partialTimeout: Duration = .seconds(30)
        ) {
            self.clientID = clientID
            self.username = username
            self.password = password
            self.keepAlive = keepAlive
            self.cleanSession = cleanSession
            self.ackTimeout = ackTimeout
            self.connectTimeout = connectTimeout
            self.packetSizeMax = packetSizeMax
            self.will = will
            self.pingTimeout = pingTimeout
            self.subscribeTimeout = subscribeTimeout
            self.partialTimeout = partialTimeout
        }

        var connect: Connect {
            let seconds = UInt16(clamping: keepAlive.seconds)
            return Connect(
                clientID: clientID, keepAlive: seconds, cleanSession: cleanSession, will: will,
                username: username, password: password)
        }

        /// When a PINGREQ is due on an idle link: early enough that the promise of [MQTT-3.1.2-23]
        /// holds although the wake-up comes a little late. Nil if keep alive is off.
        var pingInterval: Duration? {
            let seconds = Int64(UInt16(clamping: keepAlive.seconds))
            return seconds == 0 ? nil : .milliseconds(seconds * 900)
        }
    }

    package enum Output: Hashable, Sendable {
        case send([UInt8])
        /// CONNACK 0.
        case connected(sessionPresent: Bool)
        /// CONNACK with another code: the server closes, and so should the caller.
        case refused(code: UInt8)
        /// PUBACK.
        case published(PacketID)
        /// SUBACK: one code per filter, in the order asked; `Suback.failure` or the QoS granted.
        case subscribed(PacketID, [UInt8])
        case unsubscribed(PacketID)
        /// A message; if its QoS is 1 it is the caller's to `acknowledge`. Duplicates come through.
        case message(Publish)
        /// Close the connection; nothing follows.
        case close(ProtocolFault)
    }

    package enum Timer: String, Hashable, Sendable {
        case connack  // no CONNACK yet: close
        case keepAlive  // nothing sent, or nothing heard: PINGREQ
        case pingresp  // PINGREQ unanswered: close
        case partialPacket  // a packet that dribbles in: close
        case acknowledgement  // the oldest PUBACK is overdue: send again with DUP
        case suback  // the oldest SUBACK or UNSUBACK is overdue: close
    }

    package struct Statistics: Hashable, Sendable {
        /// Every packet of any type, re-sends included, and their bytes.
        package var packetsSent = 0
        package var bytesSent = 0
        package var published = 0
        package var acknowledged = 0
        /// Messages sent again with DUP on this connection.
        package var resent = 0
        /// PUBACKs for a packet id that was not waiting.
        package var unknownAcknowledgements = 0
        package var received = 0
        /// Received messages with the DUP flag.
        package var receivedDuplicates = 0

        package init() {}
    }
}
