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
            name: "fixed with start", format: UARTProtocol(
                frame: UARTSamples.co2Format.frame, checksum: UARTSamples.co2Format.checksum),
            frame: UARTSamples.co2, noise: [0xFF, 0x86, 0xFF]),
        Sample(
            name: "CRC, no start", format: UARTProtocol(
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

    @Test(arguments: [
        (UARTProtocol.ChecksumType.sum8, UARTProtocol.Checksum.Order.big, "DD"),
        (.sum16, .big, "01 DD"), (.sum16, .little, "DD 01"), (.xor8, .big, "31"), (.crc8, .big, "F4"),
        (.crc16Modbus, .little, "37 4B"), (.crc16CCITT, .big, "29 B1"), (.crc16Xmodem, .big, "31 C3"),
        (.crc16Xmodem, .little, "C3 31"), (.nmea, .big, "33 31"), (.twosComplement, .big, "23")
    ])
    func checksumsHaveTheirCheckValue(
        _ type: UARTProtocol.ChecksumType, _ order: UARTProtocol.Checksum.Order, _ sum: String
    ) {
        // Of "123456789", as the catalogues of CRCs list them.
        let frame = [0x02] + Array("123456789".utf8) + UARTSamples.hex(sum)
        let checksum = UARTProtocol.Checksum(
            type: type, from: 1, to: -type.width, at: -type.width, order: order)
        let format = UARTProtocol(frame: .init(start: [2], end: .fixed(frame.count)), checksum: checksum)
        var rig = UARTRig([UARTSamples.node(format)])
        rig.open()
        rig.hear(frame)
        var wrong = frame
        wrong[3] ^= 4
        rig.hear(wrong)
        rig.run(for: .seconds(1))
        #expect(rig.frames() == [frame] && rig.driver.statistics.checksumErrors == 1)
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
            rig.hear([UInt8](repeating: 0x24, count: 70_000) + UARTSamples.hex("42 4D FF FF 0D 0A") + frame)
            rig.run(for: .seconds(1))
            #expect(rig.frames() == [frame])
        }
    }

    @Test func aLineThatWasCutOffDoesNotSwallowTheNext() {
        let format = UARTProtocol(frame: .init(start: Array("ST".utf8), end: .terminator([13, 10]), max: 64))
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
        rig.hear("half")   // began before we listened, for all we know
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
        rig.hear([7])   // the rest never comes
        rig.run(for: .milliseconds(300))
        rig.hear([5, 6, 7, 8])
        rig.run(for: .seconds(1))
        #expect(rig.frames() == [[5, 6, 7, 8]] && rig.driver.statistics.replies == 2)
    }

    @Test func nothingThatIsHeardCanStopItOrGrowIt() {
        var random = RandomSource(seed: 7)
        let formats = Self.samples.map(\.format) + [
            UARTProtocol(frame: .init(start: [0x24], end: .length(at: 0, bytes: 2, adds: -4096), max: 4096)),
            UARTProtocol(frame: .init(end: .length(at: 4095, bytes: 2, adds: 4096), max: 4096)),
            UARTProtocol(frame: .init(end: .terminator([1, 1, 2]), max: 1)),
            UARTProtocol(frame: .init(start: [7, 7, 8], end: .silence(.milliseconds(1)), max: 2)),
            UARTProtocol(frame: .init(end: .fixed(9), max: 4)),
            UARTProtocol(frame: .init(end: .fixed(0), max: 4)), UARTProtocol(frame: .init(end: .terminator([]))),
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
