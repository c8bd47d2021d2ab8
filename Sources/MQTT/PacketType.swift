/// Section 2.2.1: the upper four bits of a packet's first byte.
package enum PacketType: UInt8, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    case connect = 1
    case connack, publish, puback, pubrec, pubrel, pubcomp, subscribe, suback
    case unsubscribe, unsuback, pingreq, pingresp, disconnect

    package var description: String {
        switch self {
        case .connect: "CONNECT"
        case .connack: "CONNACK"
        case .publish: "PUBLISH"
        case .puback: "PUBACK"
        case .pubrec: "PUBREC"
        case .pubrel: "PUBREL"
        case .pubcomp: "PUBCOMP"
        case .subscribe: "SUBSCRIBE"
        case .suback: "SUBACK"
        case .unsubscribe: "UNSUBSCRIBE"
        case .unsuback: "UNSUBACK"
        case .pingreq: "PINGREQ"
        case .pingresp: "PINGRESP"
        case .disconnect: "DISCONNECT"
        }
    }

    /// Section 2.2.2: the lower four bits that this type must carry; nil for PUBLISH, which uses
    /// them.
    package var fixedFlags: UInt8? {
        switch self {
        case .publish: nil
        case .pubrel, .subscribe, .unsubscribe: 0b0010
        default: 0
        }
    }
}

/// Section 4.3. We send and subscribe with the first two only.
package enum QoS: UInt8, Hashable, Sendable, Comparable, CaseIterable {
    case atMostOnce = 0
    case atLeastOnce, exactlyOnce

    package static func < (left: QoS, right: QoS) -> Bool { left.rawValue < right.rawValue }
}

/// Section 2.3.1: never zero [MQTT-2.3.1-1].
package struct PacketID: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let value: UInt16

    package init?(_ value: UInt16) {
        guard value != 0 else { return nil }
        self.value = value
    }

    private init(nonZero value: UInt16) { self.value = value }

    package static let first = PacketID(nonZero: 1)

    /// The one after it; 1 follows 65535.
    package var successor: PacketID { PacketID(nonZero: value == .max ? 1 : value &+ 1) }

    package var description: String { String(value) }
    package static func < (left: PacketID, right: PacketID) -> Bool { left.value < right.value }
}
