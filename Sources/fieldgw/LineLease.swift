import Base
import Drivers
import Gateway
import Platform

/// A line for a tool that needs it for itself: a device, or a configured port that a running gateway
/// lends for the time (it takes it back by itself if we die).
final class LineLease {
    /// As it was named on the command line.
    let name: String
    private(set) var line: LineSettings
    private var gateway: GatewayExchange?

    /// Longer than any scan; the gateway is told as soon as the line is free again.
    private static let time = "2h"

    /// `adjusts`: whether --baud and --parity are single values that go before the configured ones.
    init(_ word: String, _ arguments: Arguments, adjusts: Bool = true) throws {
        name = word
        let port = try ToolPort(word, arguments, adjusts: adjusts)
        switch port.way {
        case .device(let line): self.line = line
        case .gateway(let socket, let line):
            let gateway = GatewayExchange(socket: socket, port: word)
            switch gateway.pause(for: Self.time) {
            case .failure(let trouble):
                Console.complain(trouble.message)
                throw trouble.exitCode
            case .success(let device):
                self.gateway = gateway
                if let line {
                    self.line = line
                } else {
                    let plain = LineSettings(device: .path(device))
                    self.line = adjusts ? try ToolPort.adjusted(plain, arguments) : plain
                }
                self.line.device = .path(device)
                Console.complain("the gateway pauses \(word) (\(device)) meanwhile")
            }
        }
    }

    var isNamed: Bool { !name.contains("/") }

    /// Gives the port back to the gateway.
    func release() {
        guard let gateway else { return }
        self.gateway = nil
        if case .failure(let trouble) = gateway.resume() {
            Console.complain("\(trouble.message); the pause ends by itself")
        }
    }

    /// A port name for a configuration.
    var portName: String { isNamed ? name : "bus-a" }

    /// `device: "…"`, or `match: …` for a USB adapter that has a serial number: its node's name changes.
    var member: String {
        guard let path = line.path else { return "device: \"\"" }
        let node = FileSystem.realPath(path) ?? path
        let isUSB = node.hasPrefix("/dev/ttyUSB") || node.hasPrefix("/dev/ttyACM")
        if isUSB, path == node, let serial = SerialPorts.list().first(where: { $0.path == node })?.identity.serial,
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
