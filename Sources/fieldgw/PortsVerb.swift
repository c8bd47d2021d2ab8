import Base
import Platform

/// The serial ports of this machine, with what identifies them and who holds them.
enum PortsVerb {
    static let verb = Verb(
        "ports", "", summary: "list this machine's serial ports and what identifies them",
        details: """
            "serial", "path", "vendor" and "product" are what `match` in a port's configuration takes. "in use by" names
            the processes that have the port open, as far as this user may see them.
            """,
        options: [Option("json", nil, "one JSON object a line")]
    ) { arguments in
        guard arguments.positional.isEmpty else { throw Arguments.Misuse(message: "no arguments, only options") }
        let ports = SerialPorts.list()
        if arguments.has("json") {
            for port in ports { Console.say(line(port)) }
        } else if ports.isEmpty {
            Console.complain("no serial port on this machine")
        } else {
            let rows = ports.map { port in
                [
                    port.path, port.driver, port.identity.serial ?? "", port.identity.path ?? "",
                    [port.identity.vendor, port.identity.product].compactMap { $0 }.joined(separator: ":"), port.product,
                    users(port),
                ]
            }
            Console.say(Console.table(["port", "driver", "serial", "path", "usb id", "device", "in use by"], rows))
        }
        return .ok
    }

    private static func users(_ port: SerialPortEntry) -> String {
        SerialPorts.users(of: port.path).map(\.description).joined(separator: ", ")
    }

    private static func line(_ port: SerialPortEntry) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("port", port.path)
            writer.member("driver", port.driver)
            if let serial = port.identity.serial { writer.member("serial", serial) }
            if let path = port.identity.path { writer.member("path", path) }
            if let vendor = port.identity.vendor { writer.member("vendor", vendor) }
            if let product = port.identity.product { writer.member("product", product) }
            if let interface = port.identity.interface { writer.member("interface", interface) }
            if !port.product.isEmpty { writer.member("device", port.product) }
            writer.key("users")
            writer.array { writer in
                for user in SerialPorts.users(of: port.path) {
                    writer.object { writer in
                        writer.member("process", user.processID)
                        writer.member("name", user.name)
                    }
                }
            }
        }
        return writer.text
    }
}
