import Adapter
import Base
import Drivers

/// A device and its points.
enum NodeKeys {
    static let node = KeySection(
        "node",
        "One device, `ports.NAME.nodes.DEVICE`. A node with a profile may say any of the "
            + "profile's keys anew.",
        [
            Key(
                "unit", .either([.integer(0...255), .text]),
                "its unit id; `\"1-10\"` beside a name with `{unit}` makes ten nodes"),
            Key(
                "broadcast", .flag(false),
                "with `unit: 0`: its points are written to all units at once"),
            Key(
                "profile", .either([.text, .object(profileReference)]),
                "the device's profile: a name, or `{ name, PARAMETER: VALUE }`"),
            Key(
                "every", .duration(ConfigurationReader.intervals),
                "how often its points are read [the port's]"),
            Key(
                "points",
                .named(
                    .either([.object(point), .object(action), .only(.flag(false)), .only(.null)])),
                "what is read, by name; `false` takes a point of the profile away"),
            Key("share", .flag(false), "whether another device may have the same unit"),
            Key("maxRegisters", .integer(1...125, 125), "the longest read of registers"),
            Key("maxBits", .integer(1...2000, 2000), "the longest read of coils or discretes"),
            Key("noMerge", .flag(false), "reads touch nothing that no point asked for"),
            Key("ranges", .object(ranges), "what one request may span"),
            Key(
                "turnaround", .duration(.zero...(.seconds(10))),
                "time it takes to answer, for planning [the port's]"),
            Key(
                "responseTimeout", .duration(PortKeys.timeouts),
                "how long it may take to answer [the port's]"),
            Key(
                "base", .integer(0...65_535, 0),
                "added to the addresses of points, `ranges` and `setup`"),
            Key(
                "delay", .duration(.zero...(.seconds(1)), .zero),
                "least silence before a request to it"),
            Key(
                "answersAs", .integer(0...255),
                "the unit id in its replies, where that is another one"),
            Key(
                "acknowledge", .word(["strict", "lenient"], "strict"),
                "`\"lenient\"`: what is read back decides about a write, whatever acknowledges it"),
            Key("privateKey", .secret, "its own key, where the bridge wants a token of the device"),
            Key(
                "setup", .list(.named(.anything)),
                "what is written when the unit has come: `[{ POINT or \"holding:16\": value }]`"),
            Key(
                "identify", .either([.flag(false), .some(.object(identify))]),
                "who must answer; `true`: what the profile says"),
            Key(
                "id", .either([.integer(0...255), .text]),
                "uart: what `{id}` stands for in `request`, `frame` and `address`"),
            Key(
                "request", .either([.bytes, .object(request)]),
                "uart: what is sent; without it the node speaks by itself"),
            Key("frame", .object(frame), "uart: how a frame begins and ends"),
            Key(
                "checksum", .either([.word(checksums), .object(checksum)]),
                "uart: a name, or where it stands and what it covers"),
            Key("address", .object(match(.address)), "uart: whose frame it is"),
            Key(
                "fields", .named(.either([.object(field), .only(.flag(false)), .only(.null)])),
                "uart: what is in a frame, by name"),
        ])

    static let profileReference = KeySection(
        "profile", "A profile and its parameters, whose names are the profile's.",
        [Key("name", .text, "the profile").required])

    static let ranges = KeySection(
        "ranges",
        "First and last address of what one request may span; tables that are not named "
            + "are readable everywhere.",
        ["coil", "discrete", "input", "holding"].map {
            Key(
                $0, .either([.list(.integer(0...65_535)), .list(.list(.integer(0...65_535)))]),
                "`[[0, 99], [200, 299]]`")
        })

    static let identify = KeySection(
        "identify", "Who must answer: a value, or what functions 43 and 17 say.",
        [
            Key("vendor", .text, "VendorName of function 43/14"),
            Key("product", .text, "ProductCode of function 43/14"),
            Key("serverId", .bytes, "Server ID of function 17"),
            Key(
                "equals", .some(.either([.number(), .text])), "what stands there, or one of several"
            ),
            Key("between", .list(.number()), "lowest and highest"),
        ] + place.filter { $0.name != "registers" && $0.name != "table" }
            + coding + [order, byte, scale, digits, decimal, hex])

    // MARK: points

    private static let address = KeyValue.either([
        .integer(0...65_535), .list(.integer(0...65_535)),
    ])

    private static let place: [Key] = [
        Key("coil", .integer(0...65_535), "zero-based address of a coil"),
        Key("discrete", .integer(0...65_535), "zero-based address of a discrete input"),
        Key(
            "input", address,
            "zero-based address of an input register, or of each that holds the value"),
        Key(
            "holding", address,
            "zero-based address of a holding register, or of each that holds the value"),
        Key(
            "registers", .list(.integer(0...65_535)),
            "addresses of the registers that hold the value"),
        Key("table", .word(["input", "holding"], "holding"), "where `registers` are"),
    ]

    private static let coding: [Key] = [
        Key("type", .choice(of: ValueType.self), "[uint16; bool for bits]"),
        Key(
            "length", .integer(1...4096),
            "registers, or bytes of a frame, of a type without a width of its own"),
        Key("sign", .choice(Coding.Sign.complement), "how a negative number is written"),
        Key(
            "as", .choice(Coding.Form.number),
            "`\"text\"`: the number in quotes; `\"digits\"`: with leading zeros"),
        Key(
            "encoding", .word(["utf-8", "latin-1", "utf-16", "binary", "bcd", "decimal"]),
            "of a string, a version or a date"),
        Key("layout", .text, "of a date: two letters for every byte, or a name"),
        Key("utcOffset", .text, "of a date: `\"Z\"`, `\"+01:00\"` or `\"unknown\"` [`\"Z\"`]"),
        Key("parts", .list(.integer(1...64)), "of a version: bits or digits of each number"),
    ]

    private static let order = Key(
        "order", .text, "bytes as they come, A the most significant: `\"CDAB\"`")
    private static let byte = Key(
        "byte", .choice(RegisterByte.low), "which half of a register, or which three bytes of two")
    private static let scale = Key("scale", .number(), "factor [1]")
    private static let digits = Key(
        "digits", .integer(1...64), "characters in which a number is written")
    private static let decimal = Key(
        "decimal", .word([".", ","], "."), "mark between whole and fraction")
    private static let hex = Key("hex", .flag(false), "the digits are hexadecimal")

    private static let meaning: [Key] = [
        scale,
        Key("offset", .number(), "added after `scale` [0]"),
        Key("scaleFrom", .text, "name of the point that holds the power of ten"),
        Key(
            "bits", .named(.either([.integer(0...63), .list(.integer(0...63))])),
            "names of bits: `{ run: 0, speed: [4, 6] }`"),
        Key("map", .named(.text), "names of codes: `{ 0: \"off\", 1: \"on\" }`"),
        Key(
            "invalid", .some(.either([.number(), .only(.text("nan"))])),
            "what means that there is no value"),
        Key("min", .number(), "least value that is good"),
        Key("max", .number(), "highest value that is good"),
        Key("clamp", .flag(false), "a value outside counts as the nearer limit"),
        Key("units", .text, "unit of the value"),
        Key("every", .duration(ConfigurationReader.intervals), "how often it is read [the node's]"),
        Key("priority", .flag(false), "goes before others, on the line and to the bridge"),
        Key("hidden", .flag(false), "read and not published"),
        Key("deadband", .number(), "change below which it is not published"),
        Key("onChange", .flag(false), "published only when it has changed"),
        Key(
            "heartbeat", .duration(.seconds(1)...(.seconds(30 * 86_400))),
            "published after this time in any case"),
        Key(
            "writable", .either([.flag(false), .object(writable)]),
            "whether it may be written, and within which limits"),
        Key("writeOnly", .flag(false), "written and never read"),
        Key("safe", .object(safe), "what it is set to when the bridge has been away for long"),
    ]

    static let point = KeySection(
        "point", "One value of a Modbus unit, `points.NAME`; see points.md.",
        place + coding + [order, byte, digits, decimal, hex]
            + [Key("negativeIf", .object(sign), "the point that tells its sign")] + meaning)

    static let sign = KeySection(
        "negativeIf of a point", "The value is negative if another point is so.",
        [
            Key("point", .text, "name of the other point").required,
            Key(
                "equals", .some(.either([.number(), .text, .flag()])),
                "what it is then, or one of several"),
            Key("differs", .some(.either([.number(), .text, .flag()])), "what it is not then"),
        ])

    static let writable = KeySection(
        "writable", "Limits of what may be written; see commands.md.",
        [
            Key("min", .number(), "least value"),
            Key("max", .number(), "highest value"),
            Key("step", .number(), "what values are multiples of, from `min`"),
            Key("values", .list(.number()), "the only values"),
            Key("perMinute", .integer(1...60_000), "writes in a minute"),
            Key("perDay", .integer(1...10_000_000), "writes in a day"),
            Key("readback", .flag(true), "what was written is read"),
            Key("compare", .flag(), "what was read must be what was written [as `readback`]"),
            Key("tolerance", .number(), "how far it may be off"),
            Key("function", .integer(1...127), "function code of the write"),
            Key("exact", .flag(false), "a value between two steps of the scale is refused"),
            Key("together", .flag(false), "in one request with its neighbours"),
            Key("retained", .flag(false), "a retained command is carried out"),
        ])

    static let safe = KeySection(
        "safe", "What a point is set to when the bridge has been away for long.",
        [
            Key("value", .anything, "the value").required,
            Key("after", .duration(.seconds(1)...(.seconds(30 * 86_400))), "how long").required,
        ])

    // MARK: functions of the maker's own

    static let action = KeySection(
        "action", "A function of the maker's own, `points.NAME`: a command sends it.",
        [
            Key("custom", .object(custom), "what is sent").required,
            Key("writable", .either([.flag(), .object(actionLimits)]), "`true`, or how often")
                .required,
        ])

    static let custom = KeySection(
        "custom", "What is sent.",
        [
            Key("function", .integer(1...127), "function code").required,
            Key(
                "data", .either([.bytes, .named(.bytes)]),
                "bytes behind it, or several of which a command names one"),
        ])

    static let actionLimits = KeySection(
        "limits", "How often a function may be sent.",
        [
            Key("perMinute", .integer(1...60_000), "times in a minute"),
            Key("perDay", .integer(1...10_000_000), "times in a day"),
            Key("retained", .flag(false), "a retained command is carried out"),
        ])

    // MARK: frames

    static let request = KeySection(
        "request", "What is sent to a node of a `uart` port.",
        [
            Key("send", .bytes, "what the checksum covers").required,
            Key("checksum", .either([.word(checksums), .object(checksum)]), "behind it"),
            Key("end", .bytes, "behind that"),
        ])

    static let frame = KeySection(
        "frame", "How a frame begins, and one of `end`, `fixed`, `length` and `silence`.",
        [
            Key("start", .bytes, "its first bytes"),
            Key("end", .bytes, "its last bytes"),
            Key("fixed", .integer(1...ConfigurationReader.frameMax), "its bytes"),
            Key("length", .object(length), "where it says how long it is"),
            Key(
                "silence", .duration(.milliseconds(1)...(.seconds(60))),
                "it ends where the line is silent for so long"),
            Key("max", .integer(1...ConfigurationReader.frameMax, 256), "bytes at most"),
        ])

    static let length = KeySection(
        "length", "Where a frame says how long it is.",
        [
            Key("at", .integer(0...(ConfigurationReader.frameMax - 1)), "offset").required,
            Key("bytes", .integer(1...2, 1), "bytes of the number"),
            Key(
                "adds", .integer(-ConfigurationReader.frameMax...ConfigurationReader.frameMax, 0),
                "added to it: the whole frame"),
            Key("order", .choice(UARTProtocol.Checksum.Order.big), "of its bytes"),
        ])

    private static let checksums = UARTProtocol.ChecksumType.allCases.map(\.rawValue)
    private static let offsets = -ConfigurationReader.frameMax...ConfigurationReader.frameMax

    static let checksum = KeySection(
        "checksum", "Where a checksum stands and what it covers; at the end, over all before.",
        [
            Key("type", .word(checksums), "its name").required,
            Key("from", .integer(offsets), "first byte that it covers"),
            Key("to", .integer(offsets), "byte behind the last one"),
            Key("at", .integer(offsets), "where it stands; negative: from the end"),
            Key(
                "order", .choice(of: UARTProtocol.Checksum.Order.self),
                "of its bytes [its usual one]"),
            Key("as", .word(["binary", "hex"], "binary"), "`\"hex\"`: as hexadecimal digits"),
        ])

    enum MatchUse: String { case address, validIf, negativeIf }

    static func match(_ use: MatchUse) -> KeySection {
        let values = KeyValue.some(.either([.integer(0...255), .bytes]))
        return KeySection(
            use.rawValue, "A place in a frame, and what stands there.",
            [
                Key("at", .integer(offsets), "offset of a byte; negative: from the end"),
                Key("index", .integer(0...255), "number of an item, from 0"),
                Key("split", .bytes, "mark between items, `\"blanks\"` or `\"signs\"`"),
                Key("equals", values, "what stands there, or one of several"),
                use == .address
                    ? Key("ends", values, "the end of the item")
                    : Key("differs", values, "what does not stand there"),
            ])
    }

    static let field = KeySection(
        "field", "One value in a frame, `fields.NAME`; see points.md.",
        [
            Key("at", .integer(offsets), "offset of its first byte; negative: from the end"),
            Key("index", .integer(0...255), "number of an item, from 0"),
            Key(
                "template", .text,
                "text with one `{value:number}`, `{value:word}` or `{value:text}`"),
            Key("split", .bytes, "mark between items, `\"blanks\"` or `\"signs\"` [`\",\"`]"),
            Key("angle", .only(.text("ddmm")), "degrees and minutes"),
            Key("validIf", .object(match(.validIf)), "the value is good only if"),
            Key(
                "negativeIf", .either([.object(match(.negativeIf)), .object(sign)]),
                "the value is negative if"),
        ] + coding + [order, digits, decimal, hex] + meaning)

    // MARK: profiles

    static let profile = KeySection(
        "profile file", "A file of profiles: what a node of this device has, and who it is.",
        [
            Key("name", .text, "maker and model"),
            Key("description", .text, "what it is"),
            Key("manual", .text, "the document that it was made from, with its section"),
            Key(
                "driver", .choice(Configuration.Port.Driver.modbusRTU),
                "`uart` for devices that do not speak Modbus"),
            Key("parameters", .named(.object(parameter)), "numbers that a node gives, by name"),
        ]
            + node.keys.filter { !nodeOnly.contains($0.name) }
            + [
                Key(
                    "points", .named(.either([.object(profilePoint), .object(action)])),
                    "what is read, by name; `{n}` in a name is the number of a repeated one"),
                Key("fields", .named(.object(profileField)), "uart: what is in a frame, by name"),
            ])

    private static let nodeOnly: Set<ByteString> = [
        "unit", "share", "profile", "privateKey", "id", "broadcast", "points", "fields",
    ]

    private static let repeating: [Key] = [
        Key(
            "when", .named(.some(.integer(0...65_535))),
            "there only with these values of parameters: `{ phases: [2, 3] }`"),
        Key(
            "repeat", .either([.integer(0...1000), .text]),
            "how many times it is there: a number or the name of a parameter"),
        Key(
            "step", .either([.integer(0...65_535), .text]),
            "by how much the address grows each time [1]"),
    ]

    static let profilePoint = KeySection(
        "point of a profile",
        "A point that may be repeated, and have `\"{PARAMETER}\"` in place of a number.",
        point.keys.map(\.orParameter) + repeating)

    static let profileField = KeySection(
        "field of a profile",
        "A field that may be repeated, and have `\"{PARAMETER}\"` in place of a number.",
        field.keys.map(\.orParameter) + repeating)

    static let parameter = KeySection(
        "parameter", "A number that a node gives to its profile.",
        [
            Key("min", .integer(0...65_535), "least"),
            Key("max", .integer(0...65_535), "highest"),
            Key("values", .list(.integer(0...65_535)), "the only ones, instead of the two"),
            Key("default", .integer(0...65_535), "for a node that gives none [a node must]"),
            Key("description", .text, "what it is"),
        ])
}
