import Base
import Modbus
import Testing

/// Frames of Modbus ASCII: characters and back, at every split and with every character damaged.
@Suite struct ASCIITests {
    private static let reads = RTUFrame.encode(
        unit: 0xF7, .read(.readHoldingRegisters, address: 0x1389, count: 10))

    private static func text(_ unit: UInt8, _ pdu: [UInt8]) -> String {
        String(decoding: ASCIIFrame.encode(unit: unit, pdu[...]), as: UTF8.self)
    }

    private func read(_ decoder: inout ASCIIDecoder, _ text: String) -> [UInt8] {
        decoder.receive(Array(text.utf8)[...])
    }

    /// The example of the Serial Line specification's section on the LRC, and a reply.
    @Test func framesAreThoseOfTheSpecification() {
        #expect(Self.text(0xF7, [0x03, 0x13, 0x89, 0x00, 0x0A]) == ":F7031389000A60\r\n")
        #expect(Self.text(1, [3, 2, 0xAB, 0xCD]) == ":010302ABCD82\r\n")
    }

    @Test func aFrameIsReadAtEverySplit() {
        let wire = ASCIIFrame.encode(unit: 0xF7, Self.reads[1..<(Self.reads.count - 2)])
        for place in 0...wire.count {
            var decoder = ASCIIDecoder()
            let bytes = decoder.receive(wire[..<place]) + decoder.receive(wire[place...])
            #expect(bytes == Self.reads)
        }
    }

    /// A driver knows that a reply has begun before it is whole.
    @Test func bytesComeAsSoonAsTheyAreNotTheChecksum() {
        var decoder = ASCIIDecoder()
        #expect(read(&decoder, ":0103") == [1])
        #expect(read(&decoder, "02") == [3])
        #expect(read(&decoder, "AB") == [2])
    }

    @Test func smallLettersAndTextAroundAFrameAreTaken() {
        var decoder = ASCIIDecoder()
        let bytes = decoder.receive(Array("noise\r\n:f7031389000a60\r\nmore".utf8)[...])
        #expect(bytes == Self.reads)
    }

    @Test func everyDamagedCharacterMakesTheChecksumWrong() {
        let wire = ASCIIFrame.encode(unit: 0xF7, Self.reads[1..<(Self.reads.count - 2)])
        for place in 1..<(wire.count - 2) {
            for other in [UInt8(ascii: "0"), UInt8(ascii: "8"), UInt8(ascii: "?")]
            where other != wire[place] {
                var damaged = wire
                damaged[place] = other
                var decoder = ASCIIDecoder()
                let bytes = decoder.receive(damaged[...])
                #expect(bytes != Self.reads)
                #expect(CRC16.checksum(bytes[...]) != 0, "place \(place)")
            }
        }
    }

    /// The end of a frame is lost: what there is of it is damaged, and the next is sound.
    @Test func aColonBeginsANewFrame() {
        var decoder = ASCIIDecoder()
        let bytes = decoder.receive(Array(":F70313:F7031389000A60\r\n".utf8)[...])
        #expect(Array(bytes.suffix(Self.reads.count)) == Self.reads)
        let before = bytes.dropLast(Self.reads.count)
        #expect(before.count > 2 && CRC16.checksum(before) != 0)
    }

    @Test func aFrameWithoutAnEndStaysSmall() {
        var decoder = ASCIIDecoder()
        var count = decoder.receive([ASCIIFrame.start]).count
        for _ in 0..<10_000 { count += decoder.receive([0x30, 0x31]).count }
        #expect(count <= Limits.adu)
    }
}
