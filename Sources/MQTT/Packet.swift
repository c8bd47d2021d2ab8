/// One MQTT control packet of either direction (section 2.1).
package enum Packet: Hashable, Sendable {
    case connect(Connect)
    case connack(Connack)
    case publish(Publish)
    case puback(Puback)
    case pubrec(Pubrec)
    case pubrel(Pubrel)
    case pubcomp(Pubcomp)
    case subscribe(Subscribe)
    case suback(Suback)
    case unsubscribe(Unsubscribe)
    case unsuback(Unsuback)
    case pingreq(Pingreq)
    case pingresp(Pingresp)
    case disconnect(Disconnect)

    /// `flags` are the lower four bits of the first byte, `body` what follows the remaining length.
    package init(_ type: PacketType, flags: UInt8, body: ArraySlice<UInt8>) throws(ProtocolFault) {
        try Self.check(type, flags: flags)
        switch type {
        case .connect: self = .connect(try Connect(body: body))
        case .connack: self = .connack(try Connack(body: body))
        case .publish: self = .publish(try Publish(flags: flags, body: body))
        case .puback: self = .puback(try Puback(body: body))
        case .pubrec: self = .pubrec(try Pubrec(body: body))
        case .pubrel: self = .pubrel(try Pubrel(body: body))
        case .pubcomp: self = .pubcomp(try Pubcomp(body: body))
        case .subscribe: self = .subscribe(try Subscribe(body: body))
        case .suback: self = .suback(try Suback(body: body))
        case .unsubscribe: self = .unsubscribe(try Unsubscribe(body: body))
        case .unsuback: self = .unsuback(try Unsuback(body: body))
        case .pingreq: self = .pingreq(try Pingreq(body: body))
        case .pingresp: self = .pingresp(try Pingresp(body: body))
        case .disconnect: self = .disconnect(try Disconnect(body: body))
        }
    }

    /// Refuses a packet for faults that its first byte alone shows [MQTT-2.2.2-2].
    static func check(_ type: PacketType, flags: UInt8) throws(ProtocolFault) {
        guard let fixed = type.fixedFlags else { return try Publish.check(flags: flags) }
        guard flags == fixed else { throw .reservedFlags(type, flags) }
    }

    package var type: PacketType {
        switch self {
        case .connect: .connect
        case .connack: .connack
        case .publish: .publish
        case .puback: .puback
        case .pubrec: .pubrec
        case .pubrel: .pubrel
        case .pubcomp: .pubcomp
        case .subscribe: .subscribe
        case .suback: .suback
        case .unsubscribe: .unsubscribe
        case .unsuback: .unsuback
        case .pingreq: .pingreq
        case .pingresp: .pingresp
        case .disconnect: .disconnect
        }
    }

    package func append(to bytes: inout [UInt8]) {
        switch self {
        case .connect(let packet): packet.append(to: &bytes)
        case .connack(let packet): packet.append(to: &bytes)
        case .publish(let packet): packet.append(to: &bytes)
        case .puback(let packet): packet.append(to: &bytes)
        case .pubrec(let packet): packet.append(to: &bytes)
        case .pubrel(let packet): packet.append(to: &bytes)
        case .pubcomp(let packet): packet.append(to: &bytes)
        case .subscribe(let packet): packet.append(to: &bytes)
        case .suback(let packet): packet.append(to: &bytes)
        case .unsubscribe(let packet): packet.append(to: &bytes)
        case .unsuback(let packet): packet.append(to: &bytes)
        case .pingreq(let packet): packet.append(to: &bytes)
        case .pingresp(let packet): packet.append(to: &bytes)
        case .disconnect(let packet): packet.append(to: &bytes)
        }
    }

    /// The whole packet as it goes on the wire.
    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return bytes
    }
}
