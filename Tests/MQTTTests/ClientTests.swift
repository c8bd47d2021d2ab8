import Base
import MQTT
import Testing

/// A client and the broker's hand: packets in, outputs out, time by hand.
struct ClientBench {
    var client: Client
    var now = Instant(nanoseconds: 1_000_000_000)

    init(_ change: (inout Client.Settings) -> Void = { _ in }) {
        var settings = Client.Settings(
            clientID: "gw", username: "unused", password: Array("jwt".utf8))
        change(&settings)
        client = Client(settings)
    }

    /// CONNECT sent and CONNACK 0 received.
    static func connected(_ change: (inout Client.Settings) -> Void = { _ in }) -> ClientBench {
        var bench = ClientBench(change)
        bench.client.connect(at: bench.now)
        bench.receive(.connack(Connack(code: 0)))
        _ = bench.outputs()
        return bench
    }

    mutating func receive(_ packet: Packet) { client.receive(packet.bytes[...], at: now) }
    mutating func receive(_ bytes: [UInt8]) { client.receive(bytes[...], at: now) }

    mutating func outputs() -> [Client.Output] {
        var all: [Client.Output] = []
        for _ in 0..<100_000 {
            guard let output = client.next() else { return all }
            all.append(output)
        }
        Issue.record("the client never stops")
        return all
    }

    /// What has been sent, as packets; other outputs are dropped.
    mutating func sent() -> [Packet] {
        let bytes = outputs().flatMap { output in
            if case .send(let bytes) = output { bytes } else { [UInt8]() }
        }
        return decode([bytes[...]], limit: PacketDecoder.protocolMax).packets
    }

    /// Advances to the next deadline, which must be this one.
    mutating func expire(_ reason: Client.Timer) {
        guard let deadline = client.deadline else {
            Issue.record("no deadline; \(reason) expected")
            return
        }
        #expect(deadline.reason == reason)
        now = max(now, deadline.due)
        client.timeout(at: now)
    }

    mutating func publish(_ payload: [UInt8] = [1]) -> PacketID {
        client.publish(topic: name("t"), payload: payload, qos: .atLeastOnce, at: now)!
    }
}

@Suite struct ClientTests {
    @Test func connectIsTheFirstPacketAndConnackOpens() {
        var bench = ClientBench()
        #expect(bench.client.deadline == nil)
        bench.client.connect(at: bench.now)
        let wanted = Connect(
            clientID: "gw", keepAlive: 60, username: "unused", password: Array("jwt".utf8))
        #expect(bench.sent() == [.connect(wanted)])
        bench.receive(.connack(Connack(code: 0)))
        #expect(bench.outputs() == [.connected(sessionPresent: false)])
        #expect(bench.client.isConnected)
    }

    @Test(arguments: [1, 2, 3, 4, 5, 0x13, 0xFF] as [UInt8]) func aRefusalIsReportedWithItsCode(
        _ code: UInt8
    ) {
        var bench = ClientBench()
        bench.client.connect(at: bench.now)
        _ = bench.outputs()
        bench.receive(.connack(Connack(code: code)))
        #expect(bench.outputs() == [.refused(code: code)])
        #expect(bench.client.deadline == nil)
    }

    @Test("Fault 22, no CONNACK: closed after the connect timeout")
    func aMissingConnackClosesAfterTheConnectTimeout() {
        var bench = ClientBench { $0.connectTimeout = .seconds(7) }
        bench.client.connect(at: bench.now)
        _ = bench.outputs()
        let start = bench.now
        bench.expire(.connack)
        #expect(bench.now - start == .seconds(7))
        #expect(bench.outputs() == [.close(.noConnack(after: .seconds(7)))])
    }

    @Test func aPubackSettlesTheMessageOnce() {
        var bench = ClientBench.connected()
        let first = bench.publish([1])
        let second = bench.publish([2])
        #expect(first != second)
        let wanted: [Packet] = [
            .publish(Publish(topic: name("t"), payload: [1], packetID: first)),
            .publish(Publish(topic: name("t"), payload: [2], packetID: second)),
        ]
        #expect(bench.sent() == wanted)
        bench.receive(.puback(Puback(second)))
        bench.receive(.puback(Puback(second)))
        #expect(bench.outputs() == [.published(second)])
        #expect(bench.client.inFlight == 1)
        #expect(bench.client.statistics.unknownAcknowledgements == 1)
    }

    @Test func aMissingPubackSendsTheSamePacketAgainWithDup() {
        var bench = ClientBench.connected { $0.keepAlive = .zero }
        let one = bench.publish([1])
        bench.now += .seconds(1)
        let two = bench.publish([2])
        _ = bench.outputs()
        bench.expire(.acknowledgement)
        #expect(
            bench.sent() == [
                .publish(Publish(topic: name("t"), payload: [1], packetID: one, dup: true))
            ])
        bench.expire(.acknowledgement)
        #expect(
            bench.sent() == [
                .publish(Publish(topic: name("t"), payload: [2], packetID: two, dup: true))
            ])
        bench.receive(.puback(Puback(two)))
        bench.expire(.acknowledgement)
        #expect(
            bench.sent() == [
                .publish(Publish(topic: name("t"), payload: [1], packetID: one, dup: true))
            ])
        #expect(bench.client.statistics.resent == 3)
        bench.receive(.puback(Puback(one)))
        #expect(bench.client.deadline == nil)
    }

    @Test func messagesAreSentAgainInTheOrderOfTheOriginals() {  // [MQTT-4.6.0-1]
        var bench = ClientBench.connected { $0.keepAlive = .zero }
        let ids = (0..<50).map { _ in bench.publish() }
        for id in ids where id.value % 3 == 0 { bench.receive(.puback(Puback(id))) }
        _ = bench.outputs()
        for _ in 0..<3 {
            bench.now += .seconds(10)
            bench.client.timeout(at: bench.now)
            let again = bench.sent().map { packet -> PacketID? in
                if case .publish(let message) = packet, message.dup {
                    message.packetID
                } else {
                    nil
                }
            }
            #expect(again == ids.filter { $0.value % 3 != 0 })
        }
    }

    @Test("Fault 41, packet ids come round: past zero, and those in use are skipped")
    func packetIDsWrapPastZeroAndSkipThoseInUse() {  // [MQTT-2.3.1-1], [MQTT-2.3.1-2]
        var bench = ClientBench.connected()
        let kept = bench.publish()
        let subscribed = bench.client.subscribe([(filter("a"), .atLeastOnce)], at: bench.now)
        var seen: Set<PacketID> = [kept, subscribed]
        for _ in 0..<65_533 {
            let id = bench.publish()
            #expect(seen.insert(id).inserted)
            bench.receive(.puback(Puback(id)))
            _ = bench.outputs()
        }
        let next = bench.publish()
        #expect(next != kept && next != subscribed)
        #expect(next == PacketID(3))
    }

    @Test func whenEveryPacketIDIsTakenTheConnectionClosesInsteadOfReusingOne() {
        var bench = ClientBench.connected()
        for _ in 0..<65_535 { _ = bench.publish([]) }
        _ = bench.outputs()
        _ = bench.publish([])
        #expect(bench.outputs() == [.close(.packetIDsExhausted)])
    }

    @Test func subscribeAndUnsubscribeAreAnsweredByTheirIDs() {
        var bench = ClientBench.connected()
        let one = bench.client.subscribe(
            [(filter("a"), .atLeastOnce), (filter("b/#"), .atMostOnce)], at: bench.now)
        let two = bench.client.unsubscribe([filter("a")], at: bench.now)
        #expect(bench.sent().map(\.type) == [.subscribe, .unsubscribe])
        bench.receive(.unsuback(Unsuback(two)))
        bench.receive(.suback(Suback(one, [1, 0x80])))
        #expect(bench.outputs() == [.unsubscribed(two), .subscribed(one, [1, 0x80])])
    }

    @Test func messagesComeThroughAndDuplicatesToo() {
        var bench = ClientBench.connected()
        let message = Publish(topic: name("c"), payload: [1], packetID: id(9))
        var again = message
        again.dup = true
        bench.receive(.publish(message))
        bench.receive(.publish(again))
        #expect(bench.outputs() == [.message(message), .message(again)])
        bench.client.acknowledge(id(9))
        #expect(bench.sent() == [.puback(Puback(id(9)))])
        #expect(bench.client.statistics.receivedDuplicates == 1)
    }

    @Test func anIdleLinkIsPingedBeforeTheKeepAliveIsOver() {  // [MQTT-3.1.2-23]
        var bench = ClientBench.connected { $0.keepAlive = .seconds(60) }
        let start = bench.now
        bench.expire(.keepAlive)
        #expect(bench.now - start < .seconds(60))
        #expect(bench.sent() == [.pingreq(Pingreq())])
        bench.now += .seconds(1)
        bench.receive(.pingresp(Pingresp()))
        #expect(bench.client.deadline?.reason == .keepAlive)
    }

    @Test func aLinkOnWhichWeOnlySendIsPingedToo() {
        var bench = ClientBench.connected { $0.keepAlive = .seconds(60) }
        for _ in 0..<54 {
            bench.now += .seconds(1)
            _ = bench.client.publish(topic: name("t"), payload: [], qos: .atMostOnce, at: bench.now)
        }
        bench.client.timeout(at: bench.now)
        #expect(bench.sent().last == .pingreq(Pingreq()))
    }

    @Test func disconnectIsTheLastPacket() {  // [MQTT-3.14.4-2]
        var bench = ClientBench.connected()
        bench.client.disconnect()
        _ = bench.client.publish(topic: name("t"), payload: [], qos: .atMostOnce, at: bench.now)
        bench.client.acknowledge(id(1))
        #expect(bench.sent() == [.disconnect(Disconnect())])
        #expect(bench.client.deadline == nil)
    }
}
