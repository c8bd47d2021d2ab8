import FuzzKit
import MQTT

/// The MQTT decoder: the same packets and the same fault however the bytes are cut, and what was
/// decoded is encoded and decoded again without a change.
package enum PacketFuzz: FuzzTarget {
    private static let sizeMax = 1024

    private struct Outcome: Equatable {
        var packets: [Packet] = []
        var fault: ProtocolFault?
    }

    package static func run(_ input: [UInt8]) {
        let whole = decode(input, cuts: [])
        for packet in whole.packets { checkEncoding(packet) }
        let byBytes = decode(input, cuts: Array(input.indices.dropFirst()))
        demand(byBytes == whole, "byte by byte: \(byBytes), whole: \(whole)")
        let step = max(1, input.count / 32)
        for cut in stride(from: 1, to: input.count, by: step) {
            demand(decode(input, cuts: [cut]) == whole, "cut at \(cut) it is another stream")
        }
    }

    private static func decode(_ input: [UInt8], cuts: [Int]) -> Outcome {
        var decoder = PacketDecoder(packetSizeMax: sizeMax)
        var outcome = Outcome()
        var start = 0
        for end in cuts + [input.count] {
            decoder.receive(input[start..<end])
            let chunk = end - start
            start = end
            do {
                while let packet = try decoder.next() { outcome.packets.append(packet) }
                demand(
                    decoder.buffered < sizeMax + chunk,
                    "\(decoder.buffered) bytes of one packet are held")
                demand(
                    decoder.isPartial == (decoder.buffered > 0), "a packet is partial without bytes"
                )
            } catch {
                outcome.fault = error
                demand(decoder.buffered == 0, "bytes are held after a fault")
                return outcome
            }
        }
        return outcome
    }

    private static func checkEncoding(_ packet: Packet) {
        let bytes = packet.bytes
        var decoder = PacketDecoder()
        decoder.receive(bytes[...])
        do {
            let again = try decoder.next()
            demand(again == packet, "\(packet) became \(String(describing: again))")
            demand(decoder.buffered == 0, "more bytes than one packet were encoded")
        } catch {
            fatalError("what was encoded is refused: \(error)")
        }
    }
}
