import Base
import Drivers
import Modbus

/// Latest traffic of a line, decoded, and the results of its units in the last hour:
/// `{"port","strips":{"1":"0011…"},"frames":[{"ts","sent","text","bytes"}]}`.
struct LineDocument {
    private static let framesMax = 50
    private static let bytesShown = 64

    static func bytes(of port: PortKeeper, _ strips: MinuteStrips, isModbus: Bool) -> [UInt8] {
        Gateway.document { writer in
            writer.member("port", port.name.text)
            writer.key("strips")
            writer.object { writer in
                for unit in port.statistics.units {
                    writer.member(
                        "\(unit.unit)", strips.text(of: Address(port: port.name, unit: unit.unit)))
                }
            }
            writer.key("frames")
            writer.array { writer in
                var reader = FrameReader(isModbus: isModbus)
                for packet in port.tape.latest(Self.framesMax) {
                    writer.object { writer in
                        writer.member("ts", packet.at)
                        writer.member("sent", packet.isSent)
                        writer.member(
                            "text", reader.sentence(of: packet.bytes, isSent: packet.isSent))
                        writer.member(
                            "bytes",
                            Hex.encode(packet.bytes.prefix(Self.bytesShown))
                                + (packet.bytes.count > Self.bytesShown ? " …" : ""))
                    }
                }
            }
        }
    }
}

/// Says what frames of one line mean, each with what was said before it.
struct FrameReader {
    let isModbus: Bool
    private var asked: (unit: UInt8, request: Request, frame: [UInt8])?

    init(isModbus: Bool) { self.isModbus = isModbus }

    static func isSound(_ frame: ArraySlice<UInt8>) -> Bool {
        frame.count >= RTUFrame.shortest && (try? RTUFrame.verify(frame)) != nil
    }

    mutating func sentence(of bytes: [UInt8], isSent: Bool) -> String {
        guard isModbus else { return Notice.printable(bytes.prefix(80)) }
        guard Self.isSound(bytes[...]) else { return "no sound frame (CRC error)" }
        let unit = bytes[0]
        let pdu = bytes.dropFirst().dropLast(2)
        if isSent {
            asked = nil
            guard let request = try? Request(pdu: pdu) else {
                return "unit \(unit)  function \(pdu.first ?? 0)"
            }
            asked = (unit, request, bytes)
            return "unit \(unit)  \(Overheard.words(request))"
        }
        guard let asked, asked.unit == unit,
            let response = try? Response(pdu: pdu, answering: asked.request)
        else {
            let isEcho = asked?.frame == bytes
            return "unit \(unit)  \(isEcho ? "the echo of the request" : "a reply to no request")"
        }
        let said = Overheard(
            content: .exchange(unit: unit, asked.request, .answer(response), turnaround: nil),
            at: Moment(.zero, WallTime(milliseconds: 0)))
        return said.sentence
    }
}
