import Base
import Drivers
import Modbus

/// A line.
enum PortKeys {
    static let port = KeySection(
        "port", "One line, `ports.NAME`.",
        [
            Key(
                "device", .text,
                "a path, or an address: `\"tcp://10.0.0.5:4001\"`, `\"rfc2217://…\"`; "
                    + "this or `match`"
            ),
            Key(
                "match", .object(match),
                "the USB adapter that is meant, wherever it is plugged in"),
            Key(
                "driver", .choice(Configuration.Port.Driver.modbusRTU),
                "what is spoken on the line"),
            Key("baud", .integer(50...12_000_000), "speed [9600]"),
            Key("parity", .choice(of: LineSettings.Parity.self), "[none; `modbus-ascii`: even]"),
            Key("dataBits", .integer(5...8), "[8; `modbus-ascii`: 7]"),
            Key("stopBits", .integer(1...2, 1), "stop bits"),
            Key(
                "rs485", .either([.only(.flag(false)), .object(rs485)]),
                "how the driver of the line is switched"),
            Key(
                "echo", .either([.only(.text("auto")), .flag()]),
                "whether what is sent comes back; `\"auto\"`: learned [`\"auto\"`]"),
            Key("trim", .flag(true), "bytes 00 and FF around a reply are taken away"),
            Key(
                "responseTimeout", .duration(timeouts),
                "how long a unit may take to answer [1s; on a network 2s]"),
            Key("retries", .integer(0...10, 2), "attempts after the first"),
            Key(
                "turnaround", .duration(.zero...(.seconds(10)), .milliseconds(5)),
                "time a unit takes to answer, for planning only"),
            Key(
                "every", .duration(ConfigurationReader.intervals, .seconds(10)),
                "how often its nodes are read"),
            Key(
                "maxLoad", .number(0.05...1, 0.9),
                "share of the line's time above which `check` warns"),
            Key(
                "detachAfter", .duration(.seconds(10)...(.seconds(7 * 86_400)), .seconds(600)),
                "how long the port may be gone before its devices are detached"),
            Key(
                "serve", .either([.only(.flag(false)), .object(serve)]),
                "a server for other masters of the line [none]"),
            Key("nodes", .named(.object(NodeKeys.node)), "the devices on the line, by device ID")
                .required,
        ])

    static let timeouts: ClosedRange<Duration> = .milliseconds(1)...(.seconds(60))

    static let match = KeySection(
        "match", "What the adapter says of itself; all that is given must be so.",
        [
            Key("serial", .text, "its serial number"),
            Key("path", .text, "where it is plugged in, as udev's ID_PATH"),
            Key("vendor", .text, "four hexadecimal digits, as lsusb prints them"),
            Key("product", .text, "four hexadecimal digits"),
            Key("interface", .text, "which of several lines of one adapter, as `\"01\"`"),
        ])

    // The kernel takes whole milliseconds, at most 100.
    private static let delays: ClosedRange<Duration> = .zero...(.milliseconds(100))

    static let rs485 = KeySection(
        "rs485", "How the driver of an RS-485 line is switched.",
        [
            Key(
                "rts", .choice(LineSettings.RS485.RTS.onSend),
                "the level of RTS that sends; `\"software\"`: switched by the gateway"),
            Key("delayBeforeSend", .duration(delays, .zero), "between switching and sending"),
            Key("delayAfterSend", .duration(delays, .zero), "between sending and switching back"),
            Key("receiveDuringSend", .flag(false), "whether the adapter hears itself"),
            Key(
                "terminate", .flag(false),
                "whether the adapter switches its terminating resistor on"),
        ])

    static let serve = KeySection(
        "serve", "A server for other masters of the line.",
        [
            Key("listen", .text, "a numeric address and a port [502]").required,
            Key(
                "protocol", .choice(TCPFraming.modbusTCP),
                "`\"rtu-over-tcp\"`: frames as on the line"),
            Key(
                "allow", .named(.word(["none", "read", "write", "raw"])),
                "what may be asked, by unit id, range or `\"*\"` [`{ \"*\": \"read\" }`]"),
            Key(
                "budget", .number(0.01...1, 0.3),
                "share of the line's time that they may take together"),
            Key(
                "maxAge", .duration(.zero...(.seconds(3600)), .zero),
                "a range that was read within this time is answered without the line"),
            Key(
                "clients", .integer(1...LineServiceSettings.clientsMax, 8),
                "connections at a time"),
            Key("from", .some(.text), "addresses that are let in, as `\"10.0.0.0/8\"` [all]"),
        ])
}
