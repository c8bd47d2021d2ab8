import Base
import Drivers
import Gateway
import Host
import Platform

/// A line for a tool that needs it for itself: a device, or a configured port that a running
/// gateway lends for as long as we are connected to it.
final class LineLease {
    /// As it was named on the command line.
    let name: String
    private(set) var line: LineSettings
    private var connection: LeaseConnection?

    /// `adjusts`: whether --baud and --parity are single values that go before the configured ones.
    init(_ word: String, _ arguments: Arguments, adjusts: Bool = true) throws {
        name = word
        let port = try ToolPort(word, arguments, adjusts: adjusts)
        switch port.way {
        case .device(let line): self.line = line
        case .gateway(let socket, let line):
            let connection: LeaseConnection
            do throws(Trouble) {
                connection = try LeaseConnection(socket: socket, port: word)
            } catch {
                Console.complain(error.message)
                throw error.exitCode
            }
            self.connection = connection
            if let line {
                self.line = line
            } else {
                let plain = try ToolPort.plain(connection.device, arguments)
                self.line = adjusts ? try ToolPort.adjusted(plain, arguments) : plain
            }
            if !self.line.isNetwork { self.line.device = .path(connection.device) }
            Console.complain("the gateway pauses \(word) (\(connection.device)) meanwhile")
        }
    }

    /// Readable when the gateway takes the line back, or has ended; nil: the line is nobody's.
    var descriptor: Int32? { connection?.descriptor }

    /// Says what the person did not do.
    func explain(_ interruption: ToolInterruption?) {
        guard interruption == .lease, let connection else { return }
        Console.complain("the gateway takes \(name) back: \(connection.whyEnded())")
    }

    /// Gives the port back to the gateway.
    func release() {
        connection?.giveBack()
        connection = nil
    }

    var isNamed: Bool { !name.contains("/") }

    /// A port name for a configuration.
    var portName: String { isNamed ? name : "bus-a" }

    /// `device: "…"`, or `match: …` for a USB adapter that has a serial number: its node's name
    /// changes.
    var member: String {
        guard let path = line.path else {
            var writer = JSONWriter()
            writer.string(line.device.text ?? "")
            return "device: \(writer.text)"
        }
        let node = FileSystem.realPath(path) ?? path
        let isUSB = node.hasPrefix("/dev/ttyUSB") || node.hasPrefix("/dev/ttyACM")
        if isUSB, path == node,
            let serial = SerialPorts.list().first(where: { $0.path == node })?.identity.serial,
            !serial.isEmpty
        {
            var writer = JSONWriter()
            writer.string(serial)
            return "match: { serial: \(writer.text) }"
        }
        var writer = JSONWriter()
        writer.string(path)
        return "device: \(writer.text)"
    }
}

/// The connection to which the gateway has lent a port: its end, whatever it comes from, gives the
/// port back.
private final class LeaseConnection {
    /// Closing may take the gateway's driver half a minute.
    private static let patience = Duration.seconds(40)

    let device: String
    private let client: ControlClient
    private let port: String
    private var hasEnded = false

    init(socket: String, port: String) throws(Trouble) {
        let gateway = "the gateway at \(socket)"
        self.port = port
        let client: ControlClient
        let answer: [UInt8]?
        do throws(SystemFailure) {
            client = try ControlClient(path: socket)
            try client.send(Self.request("pause", port, isLease: true))
            answer = try client.receive(within: Self.patience)
        } catch {
            throw Trouble(.unavailable, "\(gateway): \(error.words)")
        }
        let document = try GatewayExchange.document(answer ?? [], of: gateway).get()
        guard let device = document["device"]?.string else {
            throw Trouble(
                .unavailable, "\(gateway) paused \(port), but did not say which device it is")
        }
        self.client = client
        self.device = device.string
    }

    var descriptor: Int32 { client.descriptor }

    private static func request(_ verb: String, _ port: String, isLease: Bool = false) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.key(verb)
            writer.object { writer in
                writer.member("port", port)
                if isLease { writer.member("lease", true) }
            }
        }
        return writer.bytes
    }

    /// The reason, once the descriptor has become readable.
    func whyEnded() -> String {
        hasEnded = true
        guard let line = try? client.receive(within: .zero),
            let document = try? JSONReader.parse(line)
        else {
            return "it has ended"
        }
        return Notice.printable(document["error"]?.string ?? "it does not say why")
    }

    /// Waits for the answer: whoever asks the gateway next finds the port on its way back.
    func giveBack() {
        guard !hasEnded else { return }
        try? client.send(Self.request("resume", port))
        while let line = try? client.receive(), (try? JSONReader.parse(line))?["wasPaused"] == nil {
        }
    }
}
