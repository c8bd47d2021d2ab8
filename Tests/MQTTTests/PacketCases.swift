import MQTT
import Testing

/// A packet and the bytes that the specification gives it. Every test that needs packets takes them
/// from this one table.
struct PacketCase: Sendable, CustomTestStringConvertible {
    var name: String
    var packet: Packet
    var bytes: [UInt8]

    var testDescription: String { name }
}

func text(_ string: String) -> [UInt8] {
    [UInt8(string.utf8.count >> 8), UInt8(string.utf8.count & 0xFF)] + Array(string.utf8)
}

func name(_ string: String) -> TopicName { try! TopicName(string) }
func filter(_ string: String) -> TopicFilter { try! TopicFilter(string) }
func id(_ value: UInt16) -> PacketID { PacketID(value)! }

let packetCases: [PacketCase] = [
    PacketCase(
        name: "CONNECT, least", packet: .connect(Connect(clientID: "", keepAlive: 0)),
        bytes: [0x10, 12, 0, 4, 0x4D, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, 0]),
    PacketCase(
        name: "CONNECT as the bridge wants it",
        packet: .connect(
            Connect(clientID: "gw", keepAlive: 300, username: "unused", password: [1, 0, 255])),
        bytes: [0x10, 27, 0, 4, 0x4D, 0x51, 0x54, 0x54, 4, 0xC2, 1, 44] + text("gw")
            + text("unused") + [
                0, 3, 1, 0, 255,
            ]),
    PacketCase(
        name: "CONNECT with a will",
        packet: .connect(
            Connect(
                clientID: "a", keepAlive: 60, cleanSession: false,
                will: Connect.Will(
                    topic: name("w/t"), payload: [9], qos: .atLeastOnce, retain: true))),
        bytes: [0x10, 21, 0, 4, 0x4D, 0x51, 0x54, 0x54, 4, 0x2C, 0, 60] + text("a") + text("w/t")
            + [0, 1, 9]),
    PacketCase(name: "CONNACK", packet: .connack(Connack(code: 0)), bytes: [0x20, 2, 0, 0]),
    PacketCase(
        name: "CONNACK, session present", packet: .connack(Connack(sessionPresent: true, code: 0)),
        bytes: [0x20, 2, 1, 0]),
    PacketCase(
        name: "CONNACK 0x13", packet: .connack(Connack(code: 0x13)), bytes: [0x20, 2, 0, 0x13]),
    PacketCase(
        name: "PUBLISH QoS 0, empty", packet: .publish(Publish(topic: name("a"), payload: [])),
        bytes: [0x30, 3, 0, 1, 0x61]),
    PacketCase(
        name: "PUBLISH QoS 0, retained",
        packet: .publish(Publish(topic: name("a/b"), payload: [0, 1], retain: true)),
        bytes: [0x31, 7, 0, 3, 0x61, 0x2F, 0x62, 0, 1]),
    PacketCase(
        name: "PUBLISH QoS 1",
        packet: .publish(Publish(topic: name("a"), payload: [7], packetID: id(10))),
        bytes: [0x32, 6, 0, 1, 0x61, 0, 10, 7]),
    PacketCase(
        name: "PUBLISH QoS 1, again",
        packet: .publish(Publish(topic: name("a"), payload: [7], packetID: id(0xFFFF), dup: true)),
        bytes: [0x3A, 6, 0, 1, 0x61, 255, 255, 7]),
    PacketCase(
        name: "PUBLISH QoS 2",
        packet: .publish(
            Publish(topic: name("\u{1F321}"), payload: [], packetID: id(1), qos: .exactlyOnce)),
        bytes: [0x34, 8, 0, 4, 0xF0, 0x9F, 0x8C, 0xA1, 0, 1]),
    PacketCase(
        name: "PUBLISH, two bytes of length",
        packet: .publish(Publish(topic: name("a"), payload: [UInt8](repeating: 5, count: 125))),
        bytes: [0x30, 0x80, 0x01, 0, 1, 0x61] + [UInt8](repeating: 5, count: 125)),
    PacketCase(name: "PUBACK", packet: .puback(Puback(id(0x1234))), bytes: [0x40, 2, 0x12, 0x34]),
    PacketCase(name: "PUBREC", packet: .pubrec(Pubrec(id(1))), bytes: [0x50, 2, 0, 1]),
    PacketCase(name: "PUBREL", packet: .pubrel(Pubrel(id(1))), bytes: [0x62, 2, 0, 1]),
    PacketCase(name: "PUBCOMP", packet: .pubcomp(Pubcomp(id(1))), bytes: [0x70, 2, 0, 1]),
    PacketCase(
        name: "SUBSCRIBE",
        packet: .subscribe(
            Subscribe(
                id(2),
                [
                    .init(filter("/d/config"), .atLeastOnce),
                    .init(filter("/d/commands/#"), .atMostOnce),
                ])),
        bytes: [0x82, 30, 0, 2] + text("/d/config") + [1] + text("/d/commands/#") + [0]),
    PacketCase(
        name: "SUBACK", packet: .suback(Suback(id(2), [1, 0, 0x80, 2])),
        bytes: [0x90, 6, 0, 2, 1, 0, 0x80, 2]),
    PacketCase(
        name: "UNSUBSCRIBE",
        packet: .unsubscribe(Unsubscribe(id(3), [filter("a"), filter("+/b")])),
        bytes: [0xA2, 10, 0, 3] + text("a") + text("+/b")),
    PacketCase(name: "UNSUBACK", packet: .unsuback(Unsuback(id(3))), bytes: [0xB0, 2, 0, 3]),
    PacketCase(name: "PINGREQ", packet: .pingreq(Pingreq()), bytes: [0xC0, 0]),
    PacketCase(name: "PINGRESP", packet: .pingresp(Pingresp()), bytes: [0xD0, 0]),
    PacketCase(name: "DISCONNECT", packet: .disconnect(Disconnect()), bytes: [0xE0, 0]),
]

/// Bytes that no peer may send, and the normative statement they offend.
struct FaultCase: Sendable, CustomTestStringConvertible {
    var name: String
    var bytes: [UInt8]
    var fault: ProtocolFault
    var statement: String

    init(_ name: String, _ bytes: [UInt8], _ fault: ProtocolFault, _ statement: String) {
        self.name = name
        self.bytes = bytes
        self.fault = fault
        self.statement = statement
    }

    var testDescription: String { "\(name) [\(statement)]" }
}

private let connectStart: [UInt8] = [0, 4, 0x4D, 0x51, 0x54, 0x54, 4]

private func connect(flags: UInt8, _ fields: [UInt8]) -> [UInt8] {
    let body = connectStart + [flags, 0, 60] + text("id") + fields
    return [0x10, UInt8(body.count)] + body
}

let faultCases: [FaultCase] = [
    FaultCase("type 0", [0x00, 0], .reservedType(0), "2.2.1"),
    FaultCase("type 15", [0xF0, 0], .reservedType(15), "2.2.1"),
    FaultCase("SUBSCRIBE with flags 0", [0x80, 0], .reservedFlags(.subscribe, 0), "MQTT-2.2.2-2"),
    FaultCase("PUBREL with flags 0", [0x60, 2, 0, 1], .reservedFlags(.pubrel, 0), "MQTT-2.2.2-2"),
    FaultCase("PUBACK with flags 2", [0x42, 2, 0, 1], .reservedFlags(.puback, 2), "MQTT-2.2.2-2"),
    FaultCase(
        "CONNACK with flags 1", [0x21, 2, 0, 0], .reservedFlags(.connack, 1), "MQTT-2.2.2-2"),
    FaultCase(
        "DISCONNECT with flags 1", [0xE1, 0], .reservedFlags(.disconnect, 1), "MQTT-3.14.1-1"),
    FaultCase(
        "five bytes of length", [0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], .remainingLength, "2.2.3"),
    FaultCase(
        "over the limit", [0x30, 0xFF, 0xFF, 0xFF, 0x7F], .tooLong(size: 268_435_460, limit: 4096),
        "2.2.3"),
    FaultCase("QoS 3", [0x36, 5, 0, 1, 0x61, 0, 1], .invalidQoS, "MQTT-3.3.1-4"),
    FaultCase("QoS 0 with DUP", [0x38, 3, 0, 1, 0x61], .duplicateAtMostOnce, "MQTT-3.3.1-2"),
    FaultCase(
        "PUBLISH with packet id 0", [0x32, 5, 0, 1, 0x61, 0, 0], .zeroPacketID(.publish),
        "MQTT-2.3.1-1"),
    FaultCase("PUBACK with packet id 0", [0x40, 2, 0, 0], .zeroPacketID(.puback), "MQTT-2.3.1-1"),
    FaultCase(
        "SUBSCRIBE with packet id 0", [0x82, 6, 0, 0, 0, 1, 0x61, 0], .zeroPacketID(.subscribe),
        "MQTT-2.3.1-1"),
    FaultCase("empty topic", [0x30, 2, 0, 0], .emptyTopic, "MQTT-4.7.3-1"),
    FaultCase("topic past the end", [0x30, 3, 0, 9, 0x61], .truncated(.publish), "MQTT-4.8.0-1"),
    FaultCase("PUBLISH of one byte", [0x30, 1, 0], .truncated(.publish), "MQTT-4.8.0-1"),
    FaultCase(
        "QoS 1 without its packet id", [0x32, 3, 0, 1, 0x61], .truncated(.publish), "MQTT-4.8.0-1"),
    FaultCase("topic with #", [0x30, 3, 0, 1, 0x23], .wildcardInName, "MQTT-3.3.2-2"),
    FaultCase("topic with +", [0x30, 5, 0, 3, 0x61, 0x2B, 0x61], .wildcardInName, "MQTT-3.3.2-2"),
    FaultCase("topic with U+0000", [0x30, 4, 0, 2, 0x61, 0], .nullCharacter, "MQTT-1.5.3-2"),
    FaultCase("lone continuation byte", [0x30, 3, 0, 1, 0x80], .invalidUTF8, "MQTT-1.5.3-1"),
    FaultCase("over-long slash", [0x30, 4, 0, 2, 0xC0, 0xAF], .invalidUTF8, "MQTT-1.5.3-1"),
    FaultCase("surrogate U+D800", [0x30, 5, 0, 3, 0xED, 0xA0, 0x80], .invalidUTF8, "MQTT-1.5.3-1"),
    FaultCase(
        "above U+10FFFF", [0x30, 6, 0, 4, 0xF4, 0x90, 0x80, 0x80], .invalidUTF8, "MQTT-1.5.3-1"),
    FaultCase("CONNACK of one byte", [0x20, 1, 0], .truncated(.connack), "MQTT-4.8.0-1"),
    FaultCase(
        "CONNACK of three bytes", [0x20, 3, 0, 0, 0], .trailingBytes(.connack, 1), "MQTT-4.8.0-1"),
    FaultCase("CONNACK with reserved bits", [0x20, 2, 2, 0], .connackFlags(2), "3.2.2.1"),
    FaultCase(
        "CONNACK 5 with a session", [0x20, 2, 1, 5], .sessionPresent(code: 5), "MQTT-3.2.2-4"),
    FaultCase("PINGRESP with a body", [0xD0, 1, 0], .trailingBytes(.pingresp, 1), "MQTT-4.8.0-1"),
    FaultCase(
        "SUBACK without codes", [0x90, 2, 0, 1], .subackCount(received: 0, expected: 1),
        "MQTT-3.8.4-5"),
    FaultCase("SUBACK with code 3", [0x90, 3, 0, 1, 3], .subackCode(3), "MQTT-3.9.3-2"),
    FaultCase("SUBSCRIBE to nothing", [0x82, 2, 0, 1], .noFilters(.subscribe), "MQTT-3.8.3-3"),
    FaultCase(
        "SUBSCRIBE with QoS 3", [0x82, 6, 0, 1, 0, 1, 0x61, 3], .subscribeOptions(3), "MQTT-3.8.3-4"
    ),
    FaultCase(
        "SUBSCRIBE with upper bits", [0x82, 6, 0, 1, 0, 1, 0x61, 0x41], .subscribeOptions(0x41),
        "MQTT-3.8.3-4"),
    FaultCase(
        "SUBSCRIBE to a#", [0x82, 7, 0, 1, 0, 2, 0x61, 0x23, 0], .misplacedHash, "MQTT-4.7.1-2"),
    FaultCase(
        "SUBSCRIBE to +a", [0x82, 7, 0, 1, 0, 2, 0x2B, 0x61, 0], .misplacedPlus, "MQTT-4.7.1-3"),
    FaultCase(
        "UNSUBSCRIBE from nothing", [0xA2, 2, 0, 1], .noFilters(.unsubscribe), "MQTT-3.10.3-2"),
    FaultCase(
        "protocol MQIsdp", [0x10, 12, 0, 6] + Array("MQIsdp".utf8) + [3, 2, 0, 0], .protocolName,
        "MQTT-3.1.2-1"),
    FaultCase(
        "level 5", [0x10, 12, 0, 4, 0x4D, 0x51, 0x54, 0x54, 5, 2, 0, 0, 0, 0], .protocolLevel(5),
        "MQTT-3.1.2-2"),
    FaultCase("CONNECT, reserved flag", connect(flags: 3, []), .connectFlag, "MQTT-3.1.2-3"),
    FaultCase("will QoS without will", connect(flags: 0x0A, []), .willWithoutFlag, "MQTT-3.1.2-11"),
    FaultCase(
        "will retain without will", connect(flags: 0x22, []), .willWithoutFlag, "MQTT-3.1.2-11"),
    FaultCase("will QoS 3", connect(flags: 0x1E, text("t") + text("")), .willQoS, "MQTT-3.1.2-14"),
    FaultCase(
        "password without user name", connect(flags: 0x42, text("p")), .passwordWithoutUserName,
        "MQTT-3.1.2-22"),
    FaultCase(
        "CONNECT with a field too many", connect(flags: 2, text("u")), .trailingBytes(.connect, 3),
        "MQTT-4.8.0-1"),
]
