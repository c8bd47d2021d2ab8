import Base
import Platform
import Simulators

/// The demo's actors and its clock. What is to happen next is in `DemoScript`.
final class Demo: TimedShell {
    let loop: SimulatorLoop
    let folder: DemoFolder
    let script: DemoScript
    private(set) var lines: [(line: DemoSite.Line, shell: BusShell)] = []
    private(set) var bridge: BridgeShell!
    private(set) var child: ChildProcess!
    private(set) var ledger = DemoLedger()
    private let started = Clock.instant
    private let configuration: String
    private var logLines: LineSplitter!
    private var due: Instant

    init(folder: DemoFolder, gateway: String, seconds: Int) throws {
        self.folder = folder
        loop = try SimulatorLoop()
        due = started + .seconds(1)
        script = DemoScript(seconds: seconds)
        let publicKey = try folder.makeKey()
        let tls = try CertificateFolder(folder.path + "/certificates").context()
        for (index, line) in DemoSite.lines.enumerated() {
            lines.append(
                (line, try BusShell(line.description(), seed: UInt64(index) + 1, on: loop)))
        }
        configuration = folder.path + "/gateway.json5"
        bridge = try BridgeShell(
            BridgeCloud([Self.registry(publicKey)]), port: 0, tls: tls, on: loop
        ) { [unowned self] output in hear(output) }
        _ = try folder.writeConfiguration(
            port: bridge.port, lines: lines.map { ($0.line, $0.shell.path) })
        introduce()
        child = try ChildProcess(
            gateway, ["run", "--config", configuration], output: .discard, errors: .pipe)
        logLines = try LineSplitter(child.takeErrors(), on: loop, log: folder.path + "/gateway.log")
        {
            [unowned self] line in script.gatewaySaid(line, self)
        }
        loop.add(self)
    }

    /// The devices that are connected to the bridge.
    var online: [ByteString] { bridge.cloud.registries.values.flatMap(\.onlineDevices) }

    /// An order to the bridge; false if it could not be carried out.
    func tellBridge(_ line: String) -> Bool {
        do { try bridge.obey(line) } catch { return false }
        return true
    }

    private static func registry(_ publicKey: String) -> BridgeRegistry {
        var registry = BridgeRegistry(project: "demo", region: "nowhere1", registry: "plant")
        registry.devices[ByteString(DemoSite.gateway)] = BridgeRegistry.Device(
            keys: [BridgeRegistry.Key(ByteString(publicKey))],
            gateway: BridgeRegistry.GatewayRole(bound: Set(DemoSite.devices.map { ByteString($0) }))
        )
        for device in DemoSite.devices {
            registry.devices[ByteString(device)] = BridgeRegistry.Device()
        }
        return registry
    }

    private func introduce() {
        for (line, shell) in lines {
            tell(
                "\(line.name): \(line.units.count) Modbus units at \(line.baud) baud on \(shell.path)"
                    + (line.units.contains(where: \.isDead) ? ", one of them dead on purpose" : ""))
        }
        tell(
            "bridge: emulator on localhost:\(bridge.port), TLS, ES256 key registered, \(DemoSite.devices.count) devices bound"
        )
        tell("gateway: fieldgw run --config \(configuration)")
    }

    /// A line of the story, with the seconds since its beginning.
    func tell(_ text: String) {
        let tenths = Int((Clock.instant - started).secondsValue * 10)
        let time = "\(tenths / 10).\(tenths % 10)"
        Console.say(String(repeating: " ", count: max(0, 5 - time.count)) + time + " s  " + text)
    }

    private func hear(_ output: BridgeCloud.Output) {
        switch output {
        case .telemetry(_, let received):
            ledger.receive(received)
            script.received(received, self)
        case .log(let words): script.bridgeSaid(words, self)
        case .state, .close, .send, .verify, .activity, .commandEnded, .listening: break
        }
    }

    // MARK: By the second

    var deadline: Instant? { due }

    func timeout() {
        due += .seconds(1)
        script.second(Int((Clock.instant - started).secondsValue + 0.5), self)
    }

    /// How many records wait in the gateway's journal; nil if it does not say.
    func waiting() -> Int? {
        guard
            let answer = try? ControlClient.ask(
                folder.path + "/state/control.sock", Array("{\"get\":\"status\"}".utf8),
                within: .seconds(1)),
            let document = try? JSONReader.parse(answer)
        else { return nil }
        return document["spool"]?["waiting"]?.integer.map { Int($0) }
    }

    /// Takes the last lines of the gateway's log, before its end is judged.
    func drainLog() {
        while logLines.receive() {}
        logLines.save()
    }

    func run() throws -> ExitCode {
        try loop.run()
        defer { drainLog() }
        if child.poll() == nil {
            // Interrupted, or the script gave up.
            child.terminate()
            _ = child.wait(within: .seconds(10))
            return script.verdict ?? .unavailable
        }
        return script.verdict ?? .unavailable
    }

    /// Reads of living units that the buses answered, by their own log.
    func served(_ shell: BusShell, _ unit: DemoSite.Unit) -> Int {
        shell.bus.served.reduce(0) {
            $0 + ($1.unit == unit.number && !$1.content.isWrite && $1.content.address == 0 ? 1 : 0)
        }
    }

    func closeLedger() -> (served: Int, ledger: DemoLedger) {
        var total = 0
        for (line, shell) in lines {
            for unit in line.units where !unit.isDead {
                let count = served(shell, unit)
                total += count
                ledger.check(unit.device, served: count)
            }
        }
        return (total, ledger)
    }
}
