import Base

/// Violation of MQTT 3.1.1 by a peer, or its failure to act in time. The receiver closes the
/// network connection [MQTT-4.8.0-1]; there is no other answer in this version of the protocol.
package enum ProtocolFault: Error, Hashable, Sendable {
    // The fixed header, section 2.2
    case reservedType(UInt8)
    case reservedFlags(PacketType, UInt8)
    case remainingLength
    case tooLong(size: Int, limit: Int)
    // Fields, sections 1.5 and 2.3
    case truncated(PacketType)
    case trailingBytes(PacketType, Int)
    case invalidUTF8
    case nullCharacter
    case zeroPacketID(PacketType)
    // Topics, section 4.7
    case emptyTopic
    case topicTooLong(Int)
    case wildcardInName
    case misplacedHash
    case misplacedPlus
    // CONNECT and CONNACK, sections 3.1 and 3.2
    case protocolName
    case protocolLevel(UInt8)
    case connectFlag
    case willWithoutFlag
    case willQoS
    case passwordWithoutUserName
    case notConnect(PacketType)
    case secondConnect
    case notConnack(PacketType)
    case connackFlags(UInt8)
    case sessionPresent(code: UInt8)
    // PUBLISH, section 3.3
    case invalidQoS
    case duplicateAtMostOnce
    case exactlyOnce
    // SUBSCRIBE, SUBACK and UNSUBSCRIBE, sections 3.8 to 3.11
    case noFilters(PacketType)
    case subscribeOptions(UInt8)
    case subackCode(UInt8)
    case subackCount(received: Int, expected: Int)
    case unknownPacketID(PacketType, UInt16)
    // The conversation
    case unexpected(PacketType)
    case noConnack(after: Duration)
    case noPingresp(after: Duration)
    case noSuback(PacketID, after: Duration)
    case partialPacket(after: Duration)
    case packetIDsExhausted

    /// The normative statement or section of MQTT 3.1.1 that it is about.
    package var statement: String {
        switch self {
        case .reservedType: "2.2.1"
        case .reservedFlags(.disconnect, _): "MQTT-3.14.1-1"
        case .reservedFlags: "MQTT-2.2.2-2"
        case .remainingLength, .tooLong: "2.2.3"
        case .truncated, .trailingBytes: "MQTT-4.8.0-1"
        case .invalidUTF8: "MQTT-1.5.3-1"
        case .nullCharacter: "MQTT-1.5.3-2"
        case .zeroPacketID, .packetIDsExhausted: "MQTT-2.3.1-1"
        case .emptyTopic: "MQTT-4.7.3-1"
        case .topicTooLong: "MQTT-4.7.3-3"
        case .wildcardInName: "MQTT-3.3.2-2"
        case .misplacedHash: "MQTT-4.7.1-2"
        case .misplacedPlus: "MQTT-4.7.1-3"
        case .protocolName: "MQTT-3.1.2-1"
        case .protocolLevel: "MQTT-3.1.2-2"
        case .connectFlag: "MQTT-3.1.2-3"
        case .willWithoutFlag: "MQTT-3.1.2-11"
        case .willQoS: "MQTT-3.1.2-14"
        case .passwordWithoutUserName: "MQTT-3.1.2-22"
        case .notConnect: "MQTT-3.1.0-1"
        case .secondConnect: "MQTT-3.1.0-2"
        case .notConnack: "MQTT-3.2.0-1"
        case .connackFlags: "3.2.2.1"
        case .sessionPresent(code: 0): "MQTT-3.2.2-1"
        case .sessionPresent: "MQTT-3.2.2-4"
        case .invalidQoS: "MQTT-3.3.1-4"
        case .duplicateAtMostOnce: "MQTT-3.3.1-2"
        case .exactlyOnce: "MQTT-3.8.4-6"
        case .noFilters(.unsubscribe): "MQTT-3.10.3-2"
        case .noFilters: "MQTT-3.8.3-3"
        case .subscribeOptions: "MQTT-3.8.3-4"
        case .subackCode: "MQTT-3.9.3-2"
        case .subackCount: "MQTT-3.8.4-5"
        case .unknownPacketID(.unsuback, _): "MQTT-3.10.4-4"
        case .unknownPacketID: "MQTT-3.8.4-2"
        case .unexpected: "MQTT-4.8.0-1"
        case .noConnack: "3.2"
        case .noPingresp: "MQTT-3.12.4-1"
        case .noSuback: "MQTT-3.8.4-1"
        case .partialPacket: "4.2"
        }
    }
}

extension ProtocolFault: CustomStringConvertible {
    /// One line for the log: what happened, then the statement in brackets.
    package var description: String { "\(words) [\(statement)]" }

    private var words: String {
        switch self {
        case .reservedType(let type): "packet type \(type) is reserved"
        case .reservedFlags(let type, let flags): "\(type) with the reserved flags \(flags)"
        case .remainingLength: "a remaining length of more than four bytes"
        case .tooLong(let size, let limit):
            "a packet of \(size) bytes; at most \(limit) are accepted"
        case .truncated(let type): "\(type) ends inside a field"
        case .trailingBytes(let type, let count): "\(type) has \(count) bytes too many"
        case .invalidUTF8: "text that is not UTF-8"
        case .nullCharacter: "text with U+0000"
        case .zeroPacketID(let type): "\(type) with packet id 0"
        case .emptyTopic: "an empty topic"
        case .topicTooLong(let count): "a topic of \(count) bytes; at most 65535 are allowed"
        case .wildcardInName: "a topic name with a wildcard"
        case .misplacedHash: "# must be the last level of a filter, alone"
        case .misplacedPlus: "+ must be a whole level of a filter"
        case .protocolName: "CONNECT does not name the protocol MQTT"
        case .protocolLevel(let level): "protocol level \(level); only 4 (3.1.1) is spoken"
        case .connectFlag: "CONNECT with its reserved flag set"
        case .willWithoutFlag: "will QoS or will retain without a will"
        case .willQoS: "a will with QoS 3"
        case .passwordWithoutUserName: "a password without a user name"
        case .notConnect(let type): "the first packet is \(type), not CONNECT"
        case .secondConnect: "a second CONNECT"
        case .notConnack(let type): "the first packet is \(type), not CONNACK"
        case .connackFlags(let flags): "CONNACK with the reserved flags \(flags)"
        case .sessionPresent(code: 0): "a stored session was announced after a clean CONNECT"
        case .sessionPresent(let code): "session present together with return code \(code)"
        case .invalidQoS: "QoS 3"
        case .duplicateAtMostOnce: "DUP on a message with QoS 0"
        case .exactlyOnce: "a message with QoS 2, which was never granted"
        case .noFilters(let type): "\(type) without a topic filter"
        case .subscribeOptions(let options): "SUBSCRIBE with the reserved options \(options)"
        case .subackCode(let code): "SUBACK with the reserved return code \(code)"
        case .subackCount(let received, let expected):
            "SUBACK with \(received) codes for \(expected) filters"
        case .unknownPacketID(let type, let id):
            "\(type) for packet id \(id), which is not outstanding"
        case .unexpected(let type): "\(type) is not expected here"
        case .noConnack(let time): "no CONNACK within \(time)"
        case .noPingresp(let time): "no PINGRESP within \(time)"
        case .noSuback(let id, let time): "no SUBACK for packet id \(id) within \(time)"
        case .partialPacket(let time): "a packet not completed within \(time)"
        case .packetIDsExhausted: "all 65535 packet ids are in use"
        }
    }
}
