import Base
import Platform

/// The serial ports of this machine: what identifies them, who holds them and what will go wrong
/// with them.
enum PortsVerb {
    static let verb = Verb(
        "ports", "", summary: "list this machine's serial ports, and what will go wrong with each",
        details: """
            "serial", "path", "vendor" and "product" are what `match` in a port's configuration takes; a stable name is
            what `device` takes best. "in use by" names the processes that have the port open, as far as this user may
            see them. "rs-485" is whether the kernel's driver switches the direction; most USB adapters do it by
            themselves. On-board ports that nobody holds are opened for a moment to ask. What is wrong is said below
            the table, with the cure.
            """,
        options: [Option("json", nil, "one JSON object a line")]
    ) { arguments in
        guard arguments.positional.isEmpty else {
            throw Arguments.Misuse(message: "no arguments, only options")
        }
        let ports = SerialPorts.reports()
        if arguments.has("json") {
            for port in ports { Console.say(line(port)) }
        } else if ports.isEmpty {
            Console.complain(
                "no serial port on this machine; on a Raspberry Pi enable_uart=1 in "
                    + "/boot/firmware/config.txt gives the one on the header")
        } else {
            Console.say(listing(ports))
            for port in ports {
                for warning in port.warnings {
                    Console.say("\(port.entry.path): \(warning.message); \(warning.cure)")
                }
            }
        }
        return .ok
    }

    private static func listing(_ ports: [PortReport]) -> String {
        let rows = ports.map { port in
            [
                port.entry.path, port.entry.driver, port.entry.identity.serial ?? "",
                port.entry.identity.path ?? "",
                [port.entry.identity.vendor, port.entry.identity.product].compactMap { $0 }.joined(
                    separator: ":"),
                port.entry.product, port.stableNames.first ?? "",
                port.hasRS485.map { $0 ? "yes" : "no" } ?? "",
                port.users.map(\.description).joined(separator: ", "),
            ]
        }
        return TextTable(
            [
                "port", TextTable.Column("driver", rank: 4),
                TextTable.Column("serial", rank: 2, least: 8), TextTable.Column("path", rank: 6),
                TextTable.Column("usb id", rank: 7), TextTable.Column("device", rank: 5),
                TextTable.Column("stable name", rank: 1, least: 20),
                TextTable.Column("rs-485", rank: 3), "in use by",
            ], rows
        ).text
    }

    private static func line(_ port: PortReport) -> String {
        var writer = JSONWriter()
        let (entry, identity) = (port.entry, port.entry.identity)
        writer.object { writer in
            writer.member("port", entry.path)
            writer.member("driver", entry.driver)
            if let serial = identity.serial { writer.member("serial", serial) }
            if let path = identity.path { writer.member("path", path) }
            if let vendor = identity.vendor { writer.member("vendor", vendor) }
            if let product = identity.product { writer.member("product", product) }
            if let interface = identity.interface { writer.member("interface", interface) }
            if !entry.product.isEmpty { writer.member("device", entry.product) }
            if let has = port.hasRS485 { writer.member("rs485", has) }
            writer.key("stableNames")
            writer.array { writer in for name in port.stableNames { writer.string(name) } }
            writer.key("users")
            writer.array { writer in
                for user in port.users {
                    writer.object { writer in
                        writer.member("process", user.processID)
                        writer.member("name", user.name)
                    }
                }
            }
            writer.key("warnings")
            writer.array { writer in
                for warning in port.warnings {
                    writer.object { writer in
                        writer.member("kind", warning.kind.rawValue)
                        writer.member("message", warning.message)
                        writer.member("cure", warning.cure)
                    }
                }
            }
        }
        return writer.text
    }
}
