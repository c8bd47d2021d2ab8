import Adapter
import Base
import Drivers
import Gateway
import Host
import Modbus
import Platform

/// One place of one unit, read or written through whatever way leads to it.
struct RegisterExchange {
    static let options =
        ToolPort.lineOptions + [
            Option(
                "timeout", "TIME", "how long to wait for the answer (default 1s, or as configured)"),
            Option("retries", "N", "ask again after silence or a damaged answer (default 0)"),
            Option(
                "type", "TYPE",
                "how to read the registers: int16, float32, hex … (default uint16)"
            ),
            Option(
                "order", "LETTERS",
                "order of the bytes on the wire, A the most significant (default ABCD)"),
            Option("sign", "WORD", "complement (default), or magnitude: the top bit is the sign"),
            Option(
                "layout", "TEXT",
                "of a datetime: \"YYYY MMDD hhmm\", two letters a byte, or epoch, epoch-ms, ti081 …"
            ),
            Option(
                "encoding", "WORD",
                "of a string utf-8, latin-1, utf-16; of a datetime or version binary, bcd, decimal"),
            Option("json", nil, "one JSON object"),
        ] + ToolPort.gatewayOptions

    /// Result of a read: bytes as in `ReadPart`, and the time that the unit took to answer.
    struct Read {
        var bytes: [UInt8]
        var turnaround: Duration?
    }

    let port: ToolPort
    let unit: UInt8
    let place: RegisterPlace
    private(set) var codec: RegisterCodec
    /// Written whatever the point's limits are.
    let isForced: Bool
    private let patience: Duration
    private let retries: Int

    init(_ arguments: Arguments, isWrite: Bool) throws {
        let words = arguments.positional
        let usage =
            isWrite
            ? "PORT UNIT TABLE:ADDRESS VALUE… are needed" : "PORT UNIT TABLE:ADDRESS are needed"
        guard isWrite ? words.count >= 4 : words.count == 3 else {
            throw Arguments.Misuse(message: usage)
        }
        guard let unit = UInt8(words[1]) else {
            throw Arguments.Misuse(
                message: "UNIT is a unit id from \(isWrite ? 0 : 1) to 247, not \(words[1])")
        }
        self.unit = unit
        let wanted: ValueType?
        do throws(RegisterPlace.Problem) {
            let named = try RegisterPlace(words[2])
            let isAuto = arguments["type"] == "auto" && !named.table.isBits
            place =
                isAuto && named.count == nil
                ? RegisterPlace(table: named.table, address: named.address, count: 2) : named
            // All readings are made of the plain registers.
            wanted = try Self.type(
                arguments["type"] == "auto" && !isWrite ? nil : arguments["type"])
            let coding = try Coding(
                wanted, sign: arguments["sign"], layout: arguments["layout"],
                encoding: arguments["encoding"])
            codec = try RegisterCodec(
                place, type: wanted, order: arguments["order"], coding: coding)
        } catch {
            throw Arguments.Misuse(message: error.message)
        }
        retries = try arguments.integer("retries", in: 0...10, default: 0)
        let timeout = try ToolPort.duration("timeout", arguments)
        port = try ToolPort(words[0], arguments)
        try port.refuseWithoutEffect(ToolPort.lineWords, arguments)
        guard unit > 0 || isWrite || port.isModbusTCP else {
            throw Arguments.Misuse(
                message: "UNIT is a unit id from 1 to 247; 0 answers only on Modbus TCP")
        }
        patience = timeout ?? port.configured?.responseTimeout ?? .seconds(1)
        isForced = arguments.has("force")
        guard isWrite, wanted == nil, let (type, order, sign) = configuredType() else { return }
        // A type that the tool cannot take a value of (bits, text) leaves plain registers.
        if let typed = try? RegisterCodec(
            place, type: type, order: arguments["order"] ?? order, coding: Coding(sign: sign))
        {
            codec = typed
        }
    }

    /// The place of a point that the configuration has, as plain registers or bits.
    init(
        _ arguments: Arguments, _ port: ToolPort, unit: UInt8, _ place: RegisterPlace
    ) throws {
        (self.port, self.unit, self.place) = (port, unit, place)
        do throws(RegisterPlace.Problem) {
            codec = try RegisterCodec(place, type: nil, order: nil)
        } catch {
            throw Arguments.Misuse(message: error.message)
        }
        retries = try arguments.integer("retries", in: 0...10, default: 0)
        let timeout = try ToolPort.duration("timeout", arguments)
        patience = timeout ?? port.configured?.responseTimeout ?? .seconds(1)
        isForced = false
    }

    /// Type, order and sign of the point that the configuration has at this place.
    private func configuredType() -> (type: ValueType, order: String?, sign: Coding.Sign)? {
        switch port.way {
        case .device:
            guard let point = configuredPoints?.point(at: address, place.table, place.address)
            else { return nil }
            return (point.type, point.order?.description, point.coding.sign)
        case .gateway(let socket, _):
            return GatewayExchange(socket: socket, port: port.name).type(self)
        }
    }

    private var address: Address {
        Address(
            port: PortName(port.name),
            unit: UnitID(Int(unit)) ?? (port.isModbusTCP ? .zero : .broadcast))
    }

    /// Configured points of the units of this port; nil for a device, of which nothing is known,
    /// and without a configuration.
    private var configuredPoints: Adapter? { port.configured.map { Adapter($0.bindings) } }

    private static func type(_ word: String?) throws(RegisterPlace.Problem) -> ValueType? {
        guard let word else { return nil }
        guard let type = ValueType(rawValue: word) else {
            let names = ValueType.allCases.map(\.rawValue)
            throw RegisterPlace.Problem(
                message: "--type \(Notice.printable(word)) is not known"
                    + "\(Suggestion.clause(for: word, in: names)); there are \(names.joined(separator: ", "))"
            )
        }
        return type
    }

    // MARK: Reading

    func read() throws -> Result<Read, Trouble> {
        switch port.way {
        case .device(let line): try read(on: line)
        case .gateway(let socket, _): GatewayExchange(socket: socket, port: port.name).read(self)
        }
    }

    private var readRequest: Request? {
        FunctionCode.reading(codec.table).map {
            .read(
                $0, address: UInt16(clamping: codec.address), count: UInt16(clamping: codec.count))
        }
    }

    private func read(on line: LineSettings) throws -> Result<Read, Trouble> {
        guard let request = readRequest else {
            return .failure(Trouble(.usage, "this table cannot be read"))
        }
        let steps = try run([request], on: line)
        if case .response(.read(_, let bytes), let turnaround) = steps.first?.answer {
            return .success(Read(bytes: bytes, turnaround: turnaround))
        }
        return .failure(trouble(steps.first, request, line))
    }

    // MARK: Writing

    /// Result of a write. `readBack` is nil if nothing was read back, and a failure if the unit's
    /// value could not be read.
    struct Written {
        var readBack: Result<Read, Trouble>?
    }

    func write(
        _ data: RegisterValues, readsBack: Bool, multiple: Bool
    ) throws -> Result<Written, Trouble> {
        switch port.way {
        case .device(let line):
            return try write(data, readsBack: readsBack, multiple: multiple, on: line)
        case .gateway(let socket, _):
            return GatewayExchange(socket: socket, port: port.name).write(
                self, data, readsBack: readsBack, multiple: multiple)
        }
    }

    private func write(
        _ data: RegisterValues, readsBack: Bool, multiple: Bool, on line: LineSettings
    ) throws -> Result<Written, Trouble> {
        if !isForced,
            let refusal = configuredPoints?.refusal(
                of: data.order, at: address, place.table, place.address)
        {
            return .failure(
                Trouble(
                    .usage,
                    "\(refusal.message); nothing was written, --force would do it all the same"))
        }
        let request = Self.request(place.address, data, multiple: multiple)
        let answers = unit != 0 || line.framing == .mbap
        let back = readsBack && answers ? readRequest(count: data.count) : nil
        let steps = try run([request] + [back].compactMap { $0 }, on: line)
        guard let first = steps.first, first.isGood else {
            return .failure(trouble(steps.first, request, line))
        }
        guard let back, steps.count > 1 else { return .success(Written()) }
        if case .response(.read(_, let bytes), let turnaround) = steps[1].answer {
            return .success(Written(readBack: .success(Read(bytes: bytes, turnaround: turnaround))))
        }
        return .success(Written(readBack: .failure(trouble(steps[1], back, line))))
    }

    func readRequest(count: Int) -> Request? {
        FunctionCode.reading(codec.table).map {
            .read($0, address: UInt16(clamping: codec.address), count: UInt16(clamping: count))
        }
    }

    static func request(_ address: Int, _ data: RegisterValues, multiple: Bool) -> Request {
        let address = UInt16(clamping: address)
        switch data {
        case .registers(let words):
            if words.count == 1, !multiple { return .writeRegister(address: address, words[0]) }
            return .writeRegisters(address: address, words)
        case .bits(let flags):
            if flags.count == 1, !multiple { return .writeCoil(address: address, flags[0]) }
            return .writeCoils(address: address, flags)
        }
    }

    // MARK: The line

    private func run(_ requests: [Request], on line: LineSettings) throws -> [Errand.Step] {
        let errand = Errand(line, unit: unit, requests, patience: patience, retries: retries)
        let runner = try ToolRunner(errand) { facts in
            for remark in facts.remarks where !facts.isPseudoTerminal { Console.complain(remark) }
        }
        try runner.run(on: line)
        if let failure = runner.failure {
            failure.explain(line.path)
            throw failure.exitCode
        }
        if runner.tool.steps.contains(where: { $0.answer != nil && !$0.isGood }),
            let hint = runner.lineErrors.hint
        {
            Console.complain(hint)
        }
        return runner.tool.steps
    }

    private func trouble(_ step: Errand.Step?, _ request: Request, _ line: LineSettings) -> Trouble
    {
        Trouble(step?.answer, unit: unit, to: request, on: line, within: patience)
            ?? Trouble(.checksum, "the answer of unit \(unit) is not what was asked for")
    }

    // MARK: What is shown

    /// A failed exchange for a person and, with --json, for a script.
    func report(_ trouble: Trouble, json: Bool) -> ExitCode {
        Console.complain(trouble.message)
        guard json else { return trouble.exitCode }
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("port", port.name)
            writer.member("unit", unit)
            writer.member("error", trouble.message)
            writer.member("kind", trouble.kind.rawValue)
            if let code = trouble.exception { writer.member("exception", code) }
        }
        Console.say(writer.text)
        return trouble.exitCode
    }

    /// Members of the object that `--json` prints for what was read.
    func describe(_ read: Read, in writer: inout JSONWriter) {
        writer.member("port", port.name)
        writer.member("unit", unit)
        writer.member("table", codec.table.rawValue)
        writer.member("address", codec.address)
        let values = codec.values(read.bytes, at: Clock.now())
        if !codec.table.isBits {
            writer.key("registers")
            writer.array { writer in
                for word in values.flatMap(\.registers) { writer.integer(word) }
            }
        }
        writer.key(codec.table.isBits ? "bits" : "values")
        writer.array { writer in
            for value in values {
                if case .success(let json) = value.json {
                    writer.raw(Array(json.utf8))
                } else {
                    writer.null()
                }
            }
        }
        if let time = read.turnaround { writer.member("turnaroundMs", Text.milliseconds(time)) }
    }

    /// The values in one line.
    func line(_ read: Read) -> String {
        codec.values(read.bytes, at: Clock.now()).map { Self.shown($0.json) }.joined(
            separator: "  ")
    }

    /// A row per value: address, registers in hexadecimal, and what they mean.
    func table(_ read: Read, isTyped: Bool) -> String {
        let values = codec.values(read.bytes, at: Clock.now())
        if codec.table.isBits {
            return TextTable(
                [.number(codec.table.rawValue), .number("value")],
                values.map { ["\($0.address)", Self.bit($0.json)] }
            ).text
        }
        if isTyped {
            return TextTable(
                [
                    .number(codec.table.rawValue), TextTable.Column("hex", rank: 1),
                    .number("value"),
                ],
                values.map { value in
                    [
                        "\(value.address)", value.registers.map(Self.hex).joined(separator: " "),
                        Self.shown(value.json),
                    ]
                }
            ).text
        }
        return TextTable(
            [
                .number(codec.table.rawValue), "hex", .number("decimal"), .number("signed"), "text",
            ],
            values.map { value in
                let word = value.registers.first ?? 0
                return [
                    "\(value.address)", Self.hex(word), "\(word)", "\(Int16(bitPattern: word))",
                    Self.text(word),
                ]
            }
        ).text
    }

    static func hex(_ word: UInt16) -> String {
        let digits = String(word, radix: 16, uppercase: true)
        return "0x" + String(repeating: "0", count: 4 - digits.count) + digits
    }

    private static func bit(_ json: Result<String, ReadFailure>) -> String {
        switch json {
        case .success("true"): "on"
        case .success: "off"
        case .failure(let failure): failure.word
        }
    }

    private static func shown(_ json: Result<String, ReadFailure>) -> String {
        switch json {
        case .success(let text): text
        case .failure(let failure): "- (\(failure.word))"
        }
    }

    private static func text(_ word: UInt16) -> String {
        let bytes = [UInt8(word >> 8), UInt8(word & 0xFF)]
        guard bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }
}
