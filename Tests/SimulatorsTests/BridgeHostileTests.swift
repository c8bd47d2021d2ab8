import Base
import MQTT
import Simulators
import Testing

/// Clients that do everything wrong: the emulator stays up, answers no more than it was asked, and
/// never goes on speaking to a connection that it has closed.
@Suite struct BridgeHostileTests {
    /// Packets that a gateway sends, right ones and wrong ones.
    private func packets(_ bench: BridgeBench) -> [[UInt8]] {
        let devices = ["gw-7", "meter-1", "meter-3", "loner", "x", "gw-8"]
        let kinds = ["attach", "detach", "events", "events/a", "state", "config", ""]
        var all: [Packet] = [
            .pingreq(Pingreq()), .disconnect(Disconnect()), .puback(Puback(PacketID(2)!)),
            .pubrel(Pubrel(PacketID(2)!)), .connack(Connack(code: 0)),
            .connect(Connect(clientID: "x")),
        ]
        for device in devices {
            for kind in kinds {
                let topic = try! TopicName("/devices/\(device)/\(kind)")
                all.append(
                    .publish(
                        Publish(topic: topic, payload: Array("{}".utf8), packetID: PacketID(7)!)))
                all.append(
                    .subscribe(Subscribe(PacketID(8)!, [.init(TopicFilter(topic), .atLeastOnce)])))
            }
        }
        return all.map(\.bytes)
    }

    @Test(arguments: 0..<20 as Range<UInt64>) func randomConversationsNeverCrashOrHang(
        _ seed: UInt64
    ) {
        var random = RandomSource(seed: seed)
        var bench = BridgeBench.connected { $0.messagesPerSecond = nil }
        let stock = packets(bench)
        var id = BridgeBench.gateway
        var reopened = 0
        for _ in 0..<500 {
            if bench.closed[id] != nil {
                id = bench.open()
                if random.chance(0.9) { _ = bench.connect(id, "gw-7") }
                reopened += 1
            }
            var bytes = stock[Int(random.next() % UInt64(stock.count))]
            if random.chance(0.1) {
                bytes[Int(random.next() % UInt64(bytes.count))] ^= 1 << UInt8(random.next() % 8)
            }
            let cut = random.chance(0.2) ? Int(random.next() % UInt64(bytes.count)) : 0
            bench.emulator.received(id, bytes[..<cut], at: bench.now)
            bench.emulator.received(id, bytes[cut...], at: bench.now)
            #expect(bench.packets(for: id).count <= 6)
            if random.chance(0.2) { _ = bench.emulator.setConfig("gw-7", [1], at: bench.now) }
            if random.chance(0.2) { _ = bench.emulator.sendCommand("meter-1", [1], at: bench.now) }
            if random.chance(0.1) { bench.wait(.seconds(Int64(random.next() % 40))) }
        }
        #expect(reopened > 0)
        for device in bench.emulator.onlineDevices {
            #expect(["gw-7", "gw-8", "loner"].contains(device))
        }
    }

    @Test func randomBytesInsteadOfAConnect() {
        var random = RandomSource(seed: 4)
        for _ in 0..<2000 {
            var bench = BridgeBench()
            let id = bench.open()
            let bytes = (0..<Int(random.next() % 60)).map { _ in
                UInt8(truncatingIfNeeded: random.next())
            }
            bench.emulator.received(id, bytes[...], at: bench.now)
            #expect(bench.packets(for: id).allSatisfy { $0.type == .connack } == true)
        }
    }

    @Test func whatIsSentWhileASignatureIsCheckedIsBounded() {
        var bench = BridgeBench()
        let id = bench.open()
        let connect = Connect(
            clientID: "\(bench.emulator.registry.clientIDPrefix)gw-7", username: "unused",
            password: Array(bench.token().utf8))
        bench.emulator.received(id, Packet.connect(connect).bytes[...], at: bench.now)
        let chunk = [UInt8](repeating: 0xC0, count: 1 << 16)
        for _ in 0..<40 { bench.emulator.received(id, chunk[...], at: bench.now) }
        bench.settle()
        #expect(bench.closed[id]?.contains("too much") == true)
        #expect(bench.emulator.onlineDevices.isEmpty)
    }

    @Test func aSecondAttachCanBeRefusedInstead() {  // E27
        var bench = BridgeBench.connected { $0.secondAttach = .refuse }
        let other = bench.open()
        #expect(bench.connect(other, "gw-8") == 0)
        #expect(bench.publish(BridgeBench.gateway, "/devices/meter-1/attach") == puback)
        #expect(bench.publish(other, "/devices/meter-1/attach").isEmpty)
        #expect(bench.emulator.attachedDevices(of: "gw-7") == ["meter-1"])
    }

    @Test func everyConnectionEndsAfterAWhileByTheFaultScript() {  // E8
        var faults = BridgeFaults()
        faults.closeAfter = .seconds(5)
        var bench = BridgeBench.connected(faults: faults)
        bench.wait(.milliseconds(4999))
        #expect(bench.closed.isEmpty)
        bench.wait(.milliseconds(1))
        #expect(bench.closed.count == 1)
    }
}
