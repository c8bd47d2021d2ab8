import Base
import MQTT
import Testing

/// Named area, direction, fault: what a broken or hostile broker sends, and that the answer is to
/// close and nothing else.
@Suite struct HostileBrokerTests {
    @Test(
        "Fault 24, the first packet is not CONNACK: any other packet closes", arguments: packetCases
    )
    func connectingInboundAnythingButConnack(_ item: PacketCase) {
        guard item.packet.type != .connack else { return }
        var bench = ClientBench()
        bench.client.connect(at: bench.now)
        _ = bench.outputs()
        bench.receive(item.packet)
        #expect(bench.outputs() == [.close(.notConnack(item.packet.type))])
        #expect(ProtocolFault.notConnack(.publish).statement == "MQTT-3.2.0-1")
    }

    @Test func connectingInboundSessionPresentAfterClean() {  // [MQTT-3.2.2-1]
        var bench = ClientBench()
        bench.client.connect(at: bench.now)
        _ = bench.outputs()
        bench.receive([0x20, 2, 1, 0])
        #expect(bench.outputs() == [.close(.sessionPresent(code: 0))])
    }

    @Test func connectedInboundSecondConnack() {
        var bench = ClientBench.connected()
        bench.receive(.connack(Connack(code: 0)))
        #expect(bench.outputs() == [.close(.unexpected(.connack))])
    }

    @Test(arguments: packetCases) func connectedInboundClientPackets(_ item: PacketCase) {
        let wrong: [PacketType] = [
            .connect, .pubrec, .pubrel, .pubcomp, .subscribe, .unsubscribe, .pingreq, .disconnect,
        ]
        guard wrong.contains(item.packet.type) else { return }
        var bench = ClientBench.connected()
        bench.receive(item.packet)
        #expect(bench.outputs() == [.close(.unexpected(item.packet.type))])
    }

    @Test(arguments: faultCases) func connectedInboundMalformed(_ item: FaultCase) {
        var bench = ClientBench.connected { $0.packetSizeMax = 4096 }
        bench.receive(item.bytes)
        #expect(bench.outputs() == [.close(item.fault)])
        bench.receive([0xD0, 0])
        #expect(bench.outputs().isEmpty)
        #expect(bench.client.deadline == nil)
    }

    @Test func publishInboundQoS2() {
        var bench = ClientBench.connected()
        bench.receive(
            .publish(Publish(topic: name("a"), payload: [], packetID: id(1), qos: .exactlyOnce)))
        #expect(bench.outputs() == [.close(.exactlyOnce)])
    }

    @Test("Fault 27, an unsolicited PUBACK: ignored") func pubackInboundUnsolicited() {
        var bench = ClientBench.connected()
        for value in 1...1000 as ClosedRange<UInt16> { bench.receive(.puback(Puback(id(value)))) }
        #expect(bench.outputs().isEmpty)
        #expect(bench.client.isConnected)
        #expect(bench.client.statistics.unknownAcknowledgements == 1000)
    }

    @Test("Fault 27, an unsolicited PUBACK: of a SUBSCRIBE's id") func pubackInboundForASubscribe()
    {
        var bench = ClientBench.connected()
        let asked = bench.client.subscribe([(filter("a"), .atLeastOnce)], at: bench.now)
        _ = bench.outputs()
        bench.receive(.puback(Puback(asked)))
        #expect(bench.outputs().isEmpty)
        bench.receive(.suback(Suback(asked, [1])))
        #expect(bench.outputs() == [.subscribed(asked, [1])])
    }

    @Test(
        "Fault 28, SUBACK empty, short, reserved or refusing: the wrong number of codes closes",
        arguments: [[], [1], [1, 0, 0]] as [[UInt8]])
    func subackInboundWrongCount(_ codes: [UInt8]) {
        var bench = ClientBench.connected()
        let asked = bench.client.subscribe(
            [(filter("a"), .atLeastOnce), (filter("b"), .atMostOnce)], at: bench.now)
        _ = bench.outputs()
        bench.receive(.suback(Suback(asked, codes)))
        guard case .close(.subackCount(let received, _))? = bench.outputs().first else {
            Issue.record("accepted")
            return
        }
        #expect(received == codes.count)
    }

    @Test func subackInboundUnknownID() {  // [MQTT-3.8.4-2]
        var bench = ClientBench.connected()
        bench.receive(.suback(Suback(id(7), [1])))
        #expect(bench.outputs() == [.close(.unknownPacketID(.suback, 7))])
    }

    @Test func unsubackInboundForASubscribe() {  // [MQTT-3.10.4-4]
        var bench = ClientBench.connected()
        let asked = bench.client.subscribe([(filter("a"), .atLeastOnce)], at: bench.now)
        _ = bench.outputs()
        bench.receive(.unsuback(Unsuback(asked)))
        #expect(bench.outputs() == [.close(.unknownPacketID(.unsuback, asked.value))])
    }

    @Test func subscribeInboundSilence() {  // [MQTT-3.8.4-1]
        var bench = ClientBench.connected { $0.keepAlive = .zero }
        let asked = bench.client.subscribe([(filter("a"), .atLeastOnce)], at: bench.now)
        _ = bench.outputs()
        bench.expire(.suback)
        #expect(bench.outputs() == [.close(.noSuback(asked, after: .seconds(30)))])
    }

    @Test("Fault 25, a half-open link: PINGRESP has a deadline")
    func keepAliveInboundSilence() {  // a half-open link
        var bench = ClientBench.connected { $0.pingTimeout = .seconds(5) }
        bench.expire(.keepAlive)
        _ = bench.outputs()
        let asked = bench.now
        bench.expire(.pingresp)
        #expect(bench.now - asked == .seconds(5))
        #expect(bench.outputs() == [.close(.noPingresp(after: .seconds(5)))])
    }

    @Test("Fault 33, a slow-loris broker: a packet in drops has a deadline")
    func publishInboundSlowLoris() {
        var bench = ClientBench.connected { $0.partialTimeout = .seconds(10) }
        let bytes = Packet.publish(
            Publish(topic: name("a"), payload: [UInt8](repeating: 0, count: 100))
        )
        .bytes
        var closed: [Client.Output] = []
        for byte in bytes {
            bench.receive([byte])
            bench.now += .seconds(1)
            bench.client.timeout(at: bench.now)
            closed += bench.outputs()
            if !closed.isEmpty { break }
        }
        #expect(closed == [.close(.partialPacket(after: .seconds(10)))])
    }

    @Test("Fault 33, a slow-loris broker: slow but whole packets stay")
    func publishInboundSlowButWholePacketsStay() {
        var bench = ClientBench.connected {
            $0.partialTimeout = .seconds(10)
            $0.keepAlive = .zero
        }
        let bytes = Packet.publish(Publish(topic: name("a"), payload: [1])).bytes
        var messages = 0
        for _ in 0..<20 {
            // The tail of one packet and the head of the next, always a packet in progress.
            if messages == 0 { bench.receive(bytes) } else { bench.receive(Array(bytes[3...])) }
            bench.receive(Array(bytes[..<3]))
            bench.now += .seconds(9)
            messages +=
                bench.outputs().filter { if case .message = $0 { true } else { false } }.count
            bench.client.timeout(at: bench.now)
        }
        #expect(messages == 20)
        #expect(bench.client.isConnected)
    }

    @Test func anyInboundRandomBytesNeverCrashOrHang() {
        var random = RandomSource(seed: 3)
        for _ in 0..<2000 {
            var bench = ClientBench.connected()
            _ = bench.publish()
            for _ in 0..<8 {
                let item = packetCases[Int(random.next() % UInt64(packetCases.count))]
                var bytes = item.bytes
                if random.chance(0.5) {
                    bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(
                        truncatingIfNeeded: random.next())
                }
                bench.receive(bytes)
                bench.now += .seconds(3)
                bench.client.timeout(at: bench.now)
                #expect(bench.outputs().count < 10)
            }
        }
    }
}
