import Base
import MQTT
import Testing

/// Everything that the decoder makes of `chunks`; bounded by the number of bytes.
func decode(
    _ chunks: [ArraySlice<UInt8>], limit: Int = 4096
) -> (packets: [Packet], fault: ProtocolFault?) {
    var decoder = PacketDecoder(packetSizeMax: limit)
    var packets: [Packet] = []
    for chunk in chunks {
        decoder.receive(chunk)
        do {
            while let packet = try decoder.next() { packets.append(packet) }
        } catch {
            return (packets, error)
        }
    }
    return (packets, nil)
}

@Suite struct PacketDecoderTests {
    @Test(arguments: packetCases) func everyPacketHasTheBytesOfTheSpecification(_ item: PacketCase)
    {
        #expect(item.packet.bytes == item.bytes)
        let (packets, fault) = decode([item.bytes[...]])
        #expect(packets == [item.packet])
        #expect(fault == nil)
    }

    @Test(arguments: packetCases) func everyPacketSurvivesEverySplit(_ item: PacketCase) {
        for cut in 0...item.bytes.count {
            let (packets, fault) = decode([item.bytes[..<cut], item.bytes[cut...]])
            #expect(packets == [item.packet] && fault == nil, "cut at \(cut)")
        }
        let (packets, _) = decode(item.bytes.indices.map { item.bytes[$0...$0] })
        #expect(packets == [item.packet])
    }

    @Test func aStreamOfAllPacketsComesOutInOrderAtEveryChunkSize() {
        let stream = packetCases.flatMap(\.bytes)
        for size in 1...97 {
            let chunks = stride(from: 0, to: stream.count, by: size).map {
                stream[$0..<min($0 + size, stream.count)]
            }
            let (packets, fault) = decode(chunks)
            #expect(packets == packetCases.map(\.packet) && fault == nil, "chunks of \(size)")
        }
    }

    @Test(
        "Faults 28, 29, 30, 31: what is malformed is refused with the statement it offends",
        arguments: faultCases)
    func refusesWithTheStatementOffended(_ item: FaultCase) {
        let (packets, fault) = decode([item.bytes[...]])
        #expect(packets.isEmpty)
        #expect(fault == item.fault)
        #expect(fault?.statement == item.statement)
        for cut in 0...item.bytes.count {
            #expect(decode([item.bytes[..<cut], item.bytes[cut...]]).fault == item.fault)
        }
    }

    @Test(arguments: packetCases) func noFlippedBitCrashesAndWhatDecodesEncodesTheSame(
        _ item: PacketCase
    ) {
        for bit in 0..<item.bytes.count * 8 {
            var bytes = item.bytes
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            let (packets, _) = decode([bytes[...]])
            if let first = packets.first {
                #expect(bytes.starts(with: first.bytes), "bit \(bit)")
            }
        }
    }

    @Test func randomBytesNeverCrash() {
        var random = RandomSource(seed: 7)
        for _ in 0..<20_000 {
            let count = Int(random.next() % 40)
            var bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            if let item = packetCases.randomElement(using: &random), count > 0 {
                bytes[0] = item.bytes[0]
            }
            _ = decode([bytes[...]])
        }
    }

    @Test("Fault 29, a remaining length that is huge or lies: refused at its length")
    func aPacketOverTheLimitIsRefusedAtItsLength() {
        let header: [UInt8] = [0x30, 0xFF, 0x1F]  // 4095 + 3 = 4098 bytes
        #expect(decode([header[...]], limit: 4097).fault == .tooLong(size: 4098, limit: 4097))
        #expect(decode([header[...]], limit: 4098).fault == nil)
    }

    @Test func nothingIsDecodedAfterAFault() {
        var decoder = PacketDecoder()
        decoder.receive([0xF0, 0, 0xD0, 0])
        for _ in 0..<2 {
            do {
                _ = try decoder.next()
                Issue.record("a reserved type was accepted")
            } catch {
                #expect(error == .reservedType(15))
            }
            decoder.receive([0xD0, 0])
        }
        #expect(!decoder.isPartial)
    }

    @Test func theLargestPacketOfEachLengthSizeRoundTrips() {
        for length in [127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
            let packet = Packet.publish(
                Publish(topic: name("a"), payload: [UInt8](repeating: 1, count: length - 3)))
            let (packets, fault) = decode([packet.bytes[...]], limit: PacketDecoder.protocolMax)
            #expect(packets == [packet] && fault == nil)
        }
    }
}
