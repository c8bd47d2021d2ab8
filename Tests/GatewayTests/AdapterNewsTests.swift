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
                serial: "A50285BI", path: "pci-0000:00:14.0-usb-0:1.2:1.0", vendor: "0403",
                product: "6001",
                interface: "00"),
            driver: "ftdi_sio", product: "FTDI USB-RS485 Cable"),
        SerialPortEntry(
            path: "/dev/ttyUSB1",
            identity: PortIdentity(
                path: "platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.3:1.1", vendor: "1a86",
                product: "7523",
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
        #expect(
            serial != nil || path == entry.identity.path,
            "without a serial number the socket names it")
    }

    private struct PluggedWorld: ComposedWorld {
        var gateway: Gateway
        var now = Self.epoch
        var disk = VirtualDisk()
        var told: [String] = []
        var scans: [String] = []
        var ended: [String] = []
        var found: [String] = []

        mutating func carryOut(_ effect: Effect, _ events: inout [Event]) {
            if case .scan(let adapter) = effect { scans.append(adapter.path) }
            if case .endScan(let path) = effect { ended.append(path) }
            if case .notice(let notice) = effect, notice.message.hasPrefix("scanned: ") {
                found.append(notice.message)
            }
            if case .notice(let notice) = effect, notice.message.contains("is plugged in") {
                told.append(notice.subject)
            }
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
        #expect(world.scans.isEmpty, "nobody has asked for it")
    }

    @Test func whoIsOnTheLineOfAnUnknownAdapterIsToldWhereThatIsWanted() throws {
        let text = Samples.withPoints("x: { holding: 0 }")
        let (configuration, problems) = Samples.read(
            "{ scanAdapters: true," + text.drop { $0 != "{" }.dropFirst())
        var world = PluggedWorld(
            gateway: PluggedWorld.gateway(try #require(configuration, "\(problems)")))
        world.start()
        world.receive(.unclaimedPorts(Self.entries))
        #expect(world.scans == Self.entries.map(\.path) && world.ended.isEmpty)
        let answer =
            #"{"port":"/dev/ttyUSB0","complete":true,"units":[{"unit":1,"vendor":"Eastron"},{"unit":7}]}"#
        world.receive(.scanned(Self.entries[0], .success(Array(answer.utf8))))
        #expect(world.found == ["scanned: 2 units answer: 1 (Eastron), 7"])
        // One is pulled while it is being scanned: what comes of that is nobody's.
        world.receive(.unclaimedPorts([Self.entries[0], Self.entries[1]]))
        #expect(world.ended == [Self.entries[2].path])
        world.receive(.scanned(Self.entries[2], .success(Array(answer.utf8))))
        world.receive(.scanned(Self.entries[1], .failure(ScanFailure("the port cannot be used"))))
        world.receive(.scanned(Self.entries[1], .success(Array(answer.utf8))))
        #expect(world.found.dropFirst() == ["scanned: the port cannot be used"])
    }

    @Test(arguments: [
        (#"{"units":[]}"#, "scanned: nobody answers"), ("{", "scanned: the scan gave no answer"),
        ("[]", "scanned: the scan gave no answer"),
        (#"{"units":[1]}"#, "scanned: 1 unit answers: "),
    ])
    func whateverTheScanSaysIsUnderstoodOrRefused(_ answer: String, _ words: String) throws {
        let (configuration, _) = Samples.read(
            "{ scanAdapters: true,"
                + Samples.withPoints("x: { holding: 0 }").drop { $0 != "{" }.dropFirst())
        var world = PluggedWorld(gateway: PluggedWorld.gateway(try #require(configuration)))
        world.start()
        world.receive(.unclaimedPorts([Self.entries[0]]))
        world.receive(.scanned(Self.entries[0], .success(Array(answer.utf8))))
        #expect(world.found == [words])
    }
}

extension String {
    /// A port without nodes is a warning's worth; one node makes it a whole port.
    fileprivate func replacingNodes() -> String {
        guard hasSuffix("nodes: {} }") else { return self }
        return dropLast(11) + "nodes: { \"m-1\": { unit: 1, points: { p: { holding: 0 } } } } }"
    }
}
