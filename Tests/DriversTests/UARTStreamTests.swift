import Base
import Drivers
import Testing

@Suite struct UARTStreamTests {
    @Test func theLatestFrameOfAnIntervalIsItsReadingWithTheTimeOfTheFrame() {
        var rig = UARTRig([UARTSamples.node(UARTSamples.pmsFormat, every: .seconds(2))])
        rig.open()
        var last = rig.now
        for count in 0..<9 {
            rig.run(for: .milliseconds(900))
            last = rig.now
            rig.hear(count % 2 == 0 ? UARTSamples.pmsLater : UARTSamples.pms)
        }
        rig.run(for: .milliseconds(500))
        // Frames at 0.9, 1.8, 2.7, … s; intervals end at 2, 4, 6 and 8 s.
        #expect(rig.frames() == [[UInt8]](repeating: UARTSamples.pms, count: 4))
        #expect(rig.readings.map(\.at.nanoseconds) == [2, 4, 6, 8].map { $0 * 1_000_000_000 })
        for one in rig.readings {
            let part = one.reading.parts[0]
            #expect(
                one.reading.interval == .seconds(2) && part.table == .frame && part.address == 0)
            #expect(
                part.count == 32 && part.at.instant < one.at
                    && part.at.instant > one.at - .seconds(1))
        }
        #expect(rig.states.map(\.state) == [.online])
        #expect(rig.driver.statistics.units[0].lastGood == last.instant)
    }

    @Test func eachIntervalOfTheNodeHasItsOwnReading() {
        var rig = UARTRig([UARTSamples.node(UARTSamples.pmsFormat, every: .seconds(1), .seconds(5))]
        )
        rig.open()
        for _ in 0..<20 {
            rig.run(for: .milliseconds(500))
            rig.hear(UARTSamples.pms)
        }
        rig.run(for: .milliseconds(100))
        let counts = [1, 5].map { seconds in
            rig.readings.count { $0.reading.interval == .seconds(seconds) }
        }
        #expect(counts == [10, 2])
    }

    @Test func aNodeThatFallsSilentFailsOnceAndComesBackWithItsFirstGoodFrame() {
        var rig = UARTRig([UARTSamples.node(UARTSamples.pmsFormat)])
        rig.open()
        rig.run(for: .milliseconds(500))
        rig.hear(UARTSamples.pms)
        rig.run(for: .seconds(60))
        #expect(rig.frames().count == 1 && rig.failures() == [.timeout])
        #expect(rig.states.map(\.state) == [.online, .offline])
        #expect(rig.states.last?.at == .zero + .milliseconds(3500))
        #expect(rig.driver.deadline == nil, "an offline node costs nothing")
        rig.hear(UARTSamples.pms.dropLast() + [0])
        #expect(rig.states.count == 2, "a damaged frame is no sign of life worth telling")
        let back = rig.now.instant
        rig.hear(UARTSamples.pmsLater)
        #expect(rig.states.last.map { $0.state == .online && $0.at == back } == true)
        rig.run(for: .seconds(1))
        #expect(rig.frames().last == UARTSamples.pmsLater)
        #expect(rig.notices.map(\.level) == [.warning, .info])
    }

    @Test func onlyDamageMakesItDegradedAndThenOfflineWithTheWordChecksum() {
        var rig = UARTRig([UARTSamples.node(UARTSamples.pmsFormat)])
        rig.open()
        rig.hear(UARTSamples.pms)
        for _ in 0..<8 {
            rig.run(for: .milliseconds(500))
            rig.hear(UARTSamples.pms.dropLast() + [0])
        }
        #expect(rig.states.map(\.state) == [.online, .degraded, .offline])
        #expect(rig.failures() == [.checksum] && rig.driver.statistics.checksumErrors == 8)
    }

    @Test func twoNodesShareALineByTheirAddress() {
        func scale(_ number: UInt8) -> UARTProtocol {
            UARTProtocol(
                frame: .init(end: .terminator([13, 10]), max: 32),
                address: FrameMatch(.item(0, .mark([0x2C])), .equals, [Array("S\(number)".utf8)]))
        }
        var rig = UARTRig([UARTSamples.node(scale(1), 1), UARTSamples.node(scale(2), 2)])
        rig.open()
        rig.hear("\r\nS1,1.0\r\nS2,2.0\r\n S1 ,1.5\r\nS3,3.0\r\nS22,9\r\n")
        rig.run(for: .seconds(1))
        #expect(rig.frames(of: 1) == [Array(" S1 ,1.5\r\n".utf8)])
        #expect(rig.frames(of: 2) == [Array("S2,2.0\r\n".utf8)])
        #expect(rig.driver.statistics.wrongUnit == 2)
        // One goes on, the other is lost.
        for _ in 0..<10 {
            rig.hear("S2,2.5\r\n")
            rig.run(for: .milliseconds(500))
        }
        #expect(rig.failures(of: 1) == [.timeout] && rig.failures(of: 2).isEmpty)
    }

    @Test func anAddressOfBytesCountsFromEitherEnd() {
        func format(_ at: Int, _ bytes: [UInt8]) -> UARTProtocol {
            UARTProtocol(
                frame: .init(start: [2], end: .fixed(4)),
                address: FrameMatch(.bytes(at: at), .equals, [bytes]))
        }
        var rig = UARTRig([
            UARTSamples.node(format(1, [5]), 1), UARTSamples.node(format(-1, [6]), 2),
            UARTSamples.node(format(3, [6, 6]), 3), UARTSamples.node(format(-9, [2]), 4),
        ])
        rig.open()
        rig.hear([2, 5, 0, 0, 2, 0, 0, 6])
        rig.run(for: .seconds(1))
        #expect((1...4).map { rig.frames(of: $0).count } == [1, 1, 0, 0])
    }

    @Test func nodesOfDifferentFormatsShareALine() {
        var rig = UARTRig([
            UARTSamples.node(UARTSamples.pmsFormat, 1), UARTSamples.node(UARTSamples.nmeaFormat, 2),
        ])
        rig.open()
        rig.hear(UARTSamples.gga + UARTSamples.pms + UARTSamples.gga)
        rig.run(for: .seconds(1))
        #expect(rig.frames(of: 1) == [UARTSamples.pms] && rig.frames(of: 2) == [UARTSamples.gga])
        #expect(rig.driver.statistics.strayBytes == 0)
    }

    @Test func theFirstValueOfALongIntervalIsNotAnHourAway() {
        var rig = UARTRig([UARTSamples.node(UARTSamples.pmsFormat, every: .seconds(3600))])
        rig.open()
        rig.run(for: .seconds(62))
        rig.hear(UARTSamples.pms)
        rig.run(for: .seconds(9))
        #expect(rig.frames().count == 1)
        for _ in 0..<100 {
            rig.run(for: .seconds(30))
            rig.hear(UARTSamples.pms)
        }
        #expect(rig.frames().count == 1)
    }

    @Test func aLostLinePublishesWhatHasComeThenSaysPortOnce() {
        var rig = UARTRig([UARTSamples.node(UARTSamples.pmsFormat)])
        rig.open()
        rig.run(for: .milliseconds(1500))
        rig.hear(UARTSamples.pms)
        rig.close()
        #expect(rig.frames().count == 1 && rig.states.map(\.state) == [.online, .offline])
        rig.run(for: .seconds(20))
        #expect(rig.failures() == [.port])
        rig.hear(UARTSamples.pms)
        #expect(rig.driver.statistics.bytesReceived == 32, "a closed line brings nothing")
        rig.open()
        rig.hear(UARTSamples.pmsLater)
        rig.run(for: .seconds(1))
        #expect(rig.frames().last == UARTSamples.pmsLater && rig.states.last?.state == .online)
    }
}
