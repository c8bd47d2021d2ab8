import Base
import Drivers
import Testing

@Suite struct UARTFrameTests {
    struct Sample: Sendable, CustomTestStringConvertible {
        var name: String
        var format: UARTProtocol
        var frame: [UInt8]
        /// What may stand before it without being taken for a part of it.
        var noise: [UInt8]
        var testDescription: String { name }
    }

    static let samples = [
        Sample(
            name: "PMS5003", format: UARTSamples.pmsFormat, frame: UARTSamples.pms,
            noise: UARTSamples.hex("00 42 42 4D FF FF 42 4D 00 10 01")),
        Sample(
            name: "NMEA", format: UARTSamples.nmeaFormat, frame: UARTSamples.gga,
            noise: Array("9,E*4$GPG".utf8)),
        Sample(
            name: "scale", format: UARTSamples.scaleFormat, frame: UARTSamples.scale,
            noise: Array("S,+ 9kg\r\n".utf8)),
        Sample(
            name: "fixed with start",
            format: UARTProtocol(
                frame: UARTSamples.co2Format.frame, checksum: UARTSamples.co2Format.checksum),
            frame: UARTSamples.co2, noise: [0xFF, 0x86, 0xFF]),
        Sample(
            name: "CRC, no start",
            format: UARTProtocol(
                frame: .init(end: .fixed(5)),
                checksum: .init(type: .crc16Modbus, from: 0, to: -2, at: -2, order: .little)),
            frame: UARTSamples.hex("01 83 02 C0 F1"), noise: [1, 2, 3, 4, 5, 6, 7]),
    ]

    @Test(arguments: samples) func aFrameComesWholeHoweverItIsSplit(_ sample: Sample) {
        for split in 0...sample.frame.count {
            var rig = UARTRig([UARTSamples.node(sample.format)])
            rig.open()
            rig.run(for: .milliseconds(1100))
            rig.hear(Array(sample.frame[..<split]))
            rig.run(for: .milliseconds(5))
            rig.hear(Array(sample.frame[split...]))
            rig.run(for: .milliseconds(1900))
            #expect(rig.frames() == [sample.frame], "split at \(split)")
            #expect(rig.driver.statistics.strayBytes == 0)
        }
    }

    @Test(arguments: samples) func byteByByteAfterNoiseItIsFound(_ sample: Sample) {
        var rig = UARTRig([UARTSamples.node(sample.format)])
        rig.open()
        for byte in sample.noise + sample.frame + sample.noise + sample.frame {
            rig.hear([byte])
            rig.run(for: .milliseconds(1))
        }
        // Two frames in an interval: counted both, the latest is published.
        rig.run(for: .milliseconds(2000))
        #expect(rig.frames() == [sample.frame])
        let counted = rig.driver.statistics
        #expect(counted.units[0].replies >= 1 && counted.strayBytes > 0)
        #expect(counted.bytesReceived == (sample.noise + sample.frame).count * 2)
    }

    @Test func noFlippedBitOfACheckedFrameIsPublished() {
        for sample in [Self.samples[0], Self.samples[1], Self.samples[3], Self.samples[4]] {
            var rig = UARTRig([UARTSamples.node(sample.format)])
            rig.open()
            for bit in 0..<(sample.frame.count * 8) {
                var bytes = sample.frame
                bytes[bit / 8] ^= 1 << (bit % 8)
                rig.hear(bytes)
                rig.run(for: .milliseconds(1500))
            }
            #expect(rig.frames().isEmpty, "\(sample.name)")
            #expect(rig.driver.statistics.checksumErrors > sample.frame.count * 4)
            rig.hear(sample.frame)
            rig.run(for: .seconds(11))
            #expect(rig.frames() == [sample.frame])
        }
    }

    /// Of "123456789", as the RevEng catalogue of CRCs lists them; two bytes in their natural
    /// order.
    static let checkValues: [(UARTProtocol.ChecksumType, String)] = [
        (.sum8, "DD"), (.sum16, "01 DD"), (.xor8, "31"), (.nmea, "33 31"), (.twosComplement, "23"),
        (.onesComplement, "22"), (.crc8, "F4"), (.crc8Smbus, "F4"), (.crc8Maxim, "A1"),
        (.crc8J1850, "4B"),
        (.crc8Rohc, "D0"), (.crc8Itu, "A1"), (.crc8Cdma2000, "DA"), (.crc8Wcdma, "25"),
        (.crc8DvbS2, "BC"),
        (.crc8Sensirion, "F7"), (.crc16Modbus, "37 4B"), (.crc16CCITT, "29 B1"),
        (.crc16CCITTFalse, "29 B1"),
        (.crc16Xmodem, "31 C3"), (.crc16Kermit, "89 21"), (.crc16X25, "6E 90"),
        (.crc16ARC, "3D BB"),
        (.crc16USB, "C8 B4"), (.crc16Maxim, "C2 44"), (.crc16DNP, "82 EA"),
        (.crc16MCRF4XX, "91 6F"),
        (.crc16Genibus, "D6 4E"), (.crc16AugCCITT, "E5 CC"), (.crc16Buypass, "FE E8"),
        (.sdi12, "4B 6C 7D"),
    ]

    @Test func everyChecksumHasACheckValueHere() {
        #expect(
            Set(Self.checkValues.map(\.0)).union([.none]) == Set(UARTProtocol.ChecksumType.allCases)
        )
    }

    @Test(arguments: checkValues)
    func checksumsHaveTheirCheckValue(_ type: UARTProtocol.ChecksumType, _ sum: String) {
        expect(type, type.naturalOrder, false, UARTSamples.hex(sum))
        let natural = UARTSamples.hex(sum)
        guard type.width == 2, type != .sdi12 else { return }
        expect(type, type.naturalOrder == .big ? .little : .big, false, natural.reversed())
    }

    @Test func aChecksumMayBeWrittenInHexadecimalDigits() {
        expect(.crc16Modbus, .big, true, Array("4B37".utf8))
        expect(.crc16Modbus, .big, true, Array("4b37".utf8))
        expect(.sum8, .big, true, Array("dd".utf8))
        expect(.crc16Modbus, .little, true, Array("374B".utf8))
    }

    /// The example of the SDI-12 Specification V1.4, section 4.4.12: 0+3.14OqZ.
    @Test func theThreeCharactersOfSDI12() {
        let frame = Array("0+3.14OqZ\r\n".utf8)
        let format = UARTProtocol(
            frame: .init(end: .terminator([13, 10])),
            checksum: .init(type: .sdi12, from: 0, to: -5, at: -5))
        var rig = UARTRig([UARTSamples.node(format)])
        rig.open()
        rig.hear("\r\n")
        rig.hear(frame)
        rig.hear("0+3.15OqZ\r\n")
        rig.run(for: .seconds(1))
        #expect(rig.frames() == [frame] && rig.driver.statistics.checksumErrors == 1)
    }

    /// One sound frame and one with a flipped bit: one is published, one is counted.
    private func expect(
        _ type: UARTProtocol.ChecksumType, _ order: UARTProtocol.Checksum.Order, _ asHex: Bool,
        _ sum: [UInt8]
    ) {
        let frame = [0x02] + Array("123456789".utf8) + sum
        let checksum = UARTProtocol.Checksum(
            type: type, from: 1, to: -sum.count, at: -sum.count, order: order, asHex: asHex)
        let format = UARTProtocol(
            frame: .init(start: [2], end: .fixed(frame.count)), checksum: checksum)
        var rig = UARTRig([UARTSamples.node(format)])
        rig.open()
        rig.hear(frame)
        var wrong = frame
        wrong[3] ^= 4
        rig.hear(wrong)
        rig.run(for: .seconds(1))
        #expect(
            rig.frames() == [frame] && rig.driver.statistics.checksumErrors == 1, "\(type) \(order)"
        )
    }

    @Test func aLengthMayComeLowByteFirst() {
        let format = UARTProtocol(
            frame: .init(start: [0x7E], end: .length(at: 1, bytes: 2, adds: 4, order: .little)),
            checksum: .init(type: .sum8, from: 3, to: -1, at: -1))
        var rig = UARTRig([UARTSamples.node(format)])
        rig.open()
        let frame: [UInt8] = [0x7E, 3, 0, 1, 2, 3, 6]
        rig.hear(frame)
        rig.run(for: .seconds(1))
        #expect(rig.frames() == [frame])
    }

    @Test func aChecksumBeyondTheFrameIsNeverRight() {
        let checksum = UARTProtocol.Checksum(type: .sum8, from: -9, to: 0, at: 40)
        let format = UARTProtocol(frame: .init(start: [2], end: .fixed(4)), checksum: checksum)
        var rig = UARTRig([UARTSamples.node(format)])
        rig.open()
        rig.hear([2, 1, 1, 1])
        rig.run(for: .seconds(1))
        #expect(rig.frames().isEmpty && rig.driver.statistics.checksumErrors == 1)
    }

    @Test func whatIsTooLongIsNoiseAndTheNextFrameIsFound() {
        for (format, frame) in [
            (UARTSamples.nmeaFormat, UARTSamples.gga), (UARTSamples.scaleFormat, UARTSamples.scale),
            (UARTSamples.pmsFormat, UARTSamples.pms),
        ] {
            var rig = UARTRig([UARTSamples.node(format)])
            rig.open()
            rig.hear(
                [UInt8](repeating: 0x24, count: 70_000) + UARTSamples.hex("42 4D FF FF 0D 0A")
                    + frame)
            rig.run(for: .seconds(1))
            #expect(rig.frames() == [frame])
        }
    }

    @Test func aLineThatWasCutOffDoesNotSwallowTheNext() {
        let format = UARTProtocol(
            frame: .init(start: Array("ST".utf8), end: .terminator([13, 10]), max: 64))
        var rig = UARTRig([UARTSamples.node(format)])
        rig.open()
        rig.hear("ST,GS,+   9.")
        rig.hear(UARTSamples.scale)
        rig.run(for: .seconds(1))
        #expect(rig.frames() == [UARTSamples.scale])
    }

    @Test func aFalseStartDoesNotSwallowTheFrameBehindIt() {
        // Without a checksum: the length that noise pretends is never reached.
        let format = UARTProtocol(frame: UARTSamples.pmsFormat.frame)
        var rig = UARTRig([UARTSamples.node(format)])
        rig.open()
        rig.hear(UARTSamples.hex("42 4D 00 3C") + UARTSamples.pms)
        rig.run(for: .seconds(1))
        #expect(rig.frames() == [UARTSamples.pms])
    }

    @Test func silenceEndsAFrame() {
        let format = UARTProtocol(frame: .init(end: .silence(.milliseconds(20)), max: 8))
        var rig = UARTRig([UARTSamples.node(format)])
        rig.open()
        rig.hear("half")  // began before we listened, for all we know
        rig.run(for: .milliseconds(50))
        rig.hear("ab")
        rig.run(for: .milliseconds(10))
        rig.hear("cd")
        #expect(rig.driver.deadline?.reason == .silence)
        rig.run(for: .milliseconds(50))
        rig.hear("too long a frame")
        rig.run(for: .milliseconds(10))
        rig.hear("more")
        rig.run(for: .seconds(1))
        #expect(rig.frames() == [Array("abcd".utf8)])
    }

    @Test func withoutStartOrChecksumOnlyAPauseShowsABeginning() {
        let format = UARTProtocol(frame: .init(end: .fixed(4)))
        var rig = UARTRig([UARTSamples.node(format)])
        rig.open()
        rig.hear([9, 9, 1, 2, 3, 4])
        rig.run(for: .milliseconds(300))
        rig.hear([1, 2, 3])
        rig.hear([4])
        rig.run(for: .milliseconds(300))
        rig.hear([7])  // the rest never comes
        rig.run(for: .milliseconds(300))
        rig.hear([5, 6, 7, 8])
        rig.run(for: .seconds(1))
        #expect(rig.frames() == [[5, 6, 7, 8]] && rig.driver.statistics.replies == 2)
    }

    @Test func nothingThatIsHeardCanStopItOrGrowIt() {
        var random = RandomSource(seed: 7)
        let formats =
            Self.samples.map(\.format) + [
                UARTProtocol(
                    frame: .init(
                        start: [0x24], end: .length(at: 0, bytes: 2, adds: -4096), max: 4096)),
                UARTProtocol(frame: .init(end: .length(at: 4095, bytes: 2, adds: 4096), max: 4096)),
                UARTProtocol(frame: .init(end: .terminator([1, 1, 2]), max: 1)),
                UARTProtocol(
                    frame: .init(start: [7, 7, 8], end: .silence(.milliseconds(1)), max: 2)),
                UARTProtocol(frame: .init(end: .fixed(9), max: 4)),
                UARTProtocol(frame: .init(end: .fixed(0), max: 4)),
                UARTProtocol(frame: .init(end: .terminator([]))),
            ]
        var rig = UARTRig(formats.enumerated().map { UARTSamples.node($1, $0 + 1) })
        rig.open()
        for _ in 0..<300 {
            let count = Int(random.next() % 600)
            let alphabet: [UInt8] = [0x24, 0x42, 0x4D, 0, 1, 2, 7, 8, 13, 10, 0xFF, 0x86]
            rig.hear((0..<count).map { _ in alphabet[Int(random.next() % 12)] })
            rig.run(for: .microseconds(Int64(random.next() % 300_000)))
        }
        #expect(rig.driver.statistics.strayBytes <= rig.driver.statistics.bytesReceived)
    }
}
