import Base
import Gateway
import TestKit
import Testing

/// What is said of an adapter that nobody has configured must work as a port of the configuration.
@Suite struct AdapterNewsTests {
    static let entries = [
        SerialPortEntry(
            path: "/dev/ttyUSB0",
            identity: PortIdentity(
                serial: "A50285BI", path: "pci-0000:00:14.0-usb-0:1.2:1.0", vendor: "0403", product: "6001",
                interface: "00"),
            driver: "ftdi_sio", product: "FTDI USB-RS485 Cable"),
        SerialPortEntry(
            path: "/dev/ttyUSB1",
            identity: PortIdentity(
                path: "platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.3:1.1", vendor: "1a86", product: "7523",
                interface: "01"),
            driver: "ch341"),
        SerialPortEntry(
            path: "/dev/ttyACM0",
            identity: PortIdentity(serial: "odd \" \\ {} 'name'", vendor: "2341", product: "0043")),
    ]

    @Test(arguments: entries) func theStanzaIsAPort(_ entry: SerialPortEntry) throws {
        let (configuration, problems) = Samples.read(
            Samples.withPorts(entry.stanza.replacingNodes()))
        #expect(problems.filter { $0.severity == .error }.isEmpty, "\(entry.stanza): \(problems)")
        let line = try #require(configuration?.ports.first?.line)
        guard case .match(let serial, let path, let vendor, _, _) = line.device else {
            Issue.record("\(entry.stanza) names no identity")
            return
        }
        #expect(serial == entry.identity.serial && vendor == entry.identity.vendor)
        #expect(serial != nil || path == entry.identity.path, "without a serial number the socket names it")
    }

    private struct PluggedWorld: ComposedWorld {
        var gateway: Gateway
        var now = Self.epoch
        var disk = VirtualDisk()
        var told: [String] = []

        mutating func carryOut(_ effect: Effect, _ events: inout [Event]) {
            if case .notice(let notice) = effect, notice.message.contains("is plugged in") { told.append(notice.subject) }
        }
    }

    @Test func anAdapterThatStaysIsToldOnceAndOneThatKeepsComingAtMostHourly() throws {
        let (configuration, _) = Samples.read(Samples.withPoints("x: { holding: 0 }"))
        var world = PluggedWorld(gateway: PluggedWorld.gateway(try #require(configuration)))
        world.start()
        func plug(_ entries: [SerialPortEntry], after time: Duration) {
            world.run(for: time)
            world.receive(.unclaimedPorts(entries))
        }
        plug([Self.entries[0]], after: .zero)
        plug(Self.entries, after: .seconds(7200))
        #expect(world.told == Self.entries.map(\.path), "what stayed is no news, however long")
        plug([], after: .seconds(60))
        plug([Self.entries[0]], after: .seconds(60))
        #expect(world.told.count == 3, "pulled and plugged again within the hour")
        plug([], after: .seconds(60))
        plug([Self.entries[0]], after: .seconds(3600))
        #expect(world.told.count == 4)
    }
}

extension String {
    /// A port without nodes is a warning's worth; one node makes it a whole port.
    fileprivate func replacingNodes() -> String {
        guard hasSuffix("nodes: {} }") else { return self }
        return dropLast(11) + "nodes: { \"m-1\": { unit: 1, points: { p: { holding: 0 } } } } }"
    }
}
