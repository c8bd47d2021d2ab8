import Adapter
import Base

/// Registers of one place as values of a type, both ways, by the same code that reads and writes
/// configured points.
package struct RegisterCodec: Sendable {
    /// One value: where it starts, its registers and its JSON text.
    package struct Value: Hashable, Sendable {
        package var address: Int
        package var registers: [UInt16]
        package var json: Result<String, ReadFailure>
    }

    package let table: Table
    package let address: Int
    /// Registers or bits that are read.
    package private(set) var count: Int
    /// Registers of one value.
    private let width: Int
    private let type: ValueType
    /// No type was given: registers are plain 16 bits.
    private let isUntyped: Bool
    private let order: ByteOrder?
    private let coding: Coding

    package init(
        _ place: RegisterPlace, type: ValueType?, order letters: String?, coding: Coding = Coding()
    ) throws(RegisterPlace.Problem) {
        self.coding = coding
        table = place.table
        address = place.address
        if place.table.isBits, let type, type != .bool {
            throw RegisterPlace.Problem(
                message: "a \(place.table.rawValue) is one bit: --type is for registers")
        }
        self.type = place.table.isBits ? .bool : type ?? .uint16
        isUntyped = type == nil
        if self.type == .bits {
            throw RegisterPlace.Problem(
                message: "--type bits needs names for its bits; leave it out to see them")
        }
        switch self.type {
        case .string, .hex, .version: width = place.count ?? 1
        case .m10k: width = place.count ?? 2
        case .datetime:
            guard let layout = coding.layout else {
                throw RegisterPlace.Problem(
                    message: "--type datetime needs --layout, such as \"YYYY MMDD hhmm\" or epoch")
            }
            width = max(1, (layout.width.map { $0 + 1 } ?? layout.standardWidth) / 2)
        default: width = max(1, ((self.type.width ?? 2) + 1) / 2)
        }
        guard width <= 4 || ![.version, .m10k].contains(self.type), width > 1 || self.type != .m10k
        else {
            throw RegisterPlace.Problem(
                message: "a \(self.type.rawValue) has 2 to 4 registers, not \(width)")
        }
        count = place.count ?? width
        guard count % width == 0 else {
            throw RegisterPlace.Problem(
                message:
                    "a \(self.type.rawValue) is \(width) registers: COUNT must be a multiple of that, not \(count)"
            )
        }
        if place.address + count > 65_536 {
            throw RegisterPlace.Problem(
                message: "\(Plural.text(count, "register")) from \(place.address) "
                    + "\(Plural.form(count, "ends", "end")) above the last address, 65535")
        }
        order = try Self.order(letters, self.type, registers: width, coding)
    }

    private static func order(
        _ letters: String?, _ type: ValueType, registers: Int, _ coding: Coding
    ) throws(RegisterPlace.Problem) -> ByteOrder? {
        guard let letters else { return nil }
        let isPairs = type == .string || type == .hex || coding.layout?.isNumber == false
        let width = isPairs ? 2 : type.width == 1 ? 0 : 2 * registers
        guard let order = ByteOrder(letters.uppercased()), order.width == width else {
            let words =
                switch width {
                case 2: "AB or BA"
                case 4: "ABCD, CDAB, BADC or DCBA"
                case 6: "six letters such as ABCDEF or EFCDAB"
                case 8: "eight letters such as ABCDEFGH or GHEFCDAB"
                default: "nothing"
                }
            throw RegisterPlace.Problem(
                message:
                    "--order of a \(type.rawValue) is \(words), not \"\(Notice.printable(letters))\""
            )
        }
        return order
    }

    private func point(_ address: Int, writable: Bool = false) -> Point {
        Point(
            name: "\(table.rawValue):\(address)", table: table, address: address, type: type,
            order: order,
            length: width, coding: coding, writable: writable ? WriteRule() : nil)
    }

    /// Values in a reply's bytes, one by one; `bytes` are as in `ReadPart`.
    package func values(_ bytes: [UInt8], at now: Moment) -> [Value] {
        let part = ReadPart(table, address, count, .success(bytes), at: now)
        return stride(from: address, to: address + count, by: width).map { start in
            let point = point(start)
            let json = Self.single(point) { adapter, device in
                adapter.decode(part, of: device, point: point.name).map {
                    String(decoding: $0, as: UTF8.self)
                }
            }
            return Value(
                address: start, registers: words(bytes, from: start),
                json: json ?? .failure(.format))
        }
    }

    /// Registers from the place on as values, however many there are; what is no value, in decimal.
    package func texts(_ registers: [UInt16], at now: Moment) -> [String] {
        guard registers.count % width == 0 else { return registers.map { "\($0)" } }
        var bytes: [UInt8] = []
        for word in registers { bytes.appendBig(word) }
        var whole = self
        whole.count = registers.count
        return whole.values(bytes, at: now).map { value in
            (try? value.json.get()) ?? value.registers.map { "\($0)" }.joined(separator: " ")
        }
    }

    private func words(_ bytes: [UInt8], from start: Int) -> [UInt16] {
        guard !table.isBits else { return [] }
        return (start..<(start + width)).compactMap { place in
            let offset = 2 * (place - address)
            guard offset + 1 < bytes.count else { return nil }
            return UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
        }
    }

    /// The data of one write of these values from the place on.
    package func encode(
        _ texts: [String], at now: Moment
    ) throws(RegisterPlace.Problem) -> RegisterValues {
        var registers: [UInt16] = []
        var bits: [Bool] = []
        for text in texts {
            let step = table.isBits ? 1 : width
            let address = address + (table.isBits ? bits.count : registers.count)
            guard address + step <= 65_536 else {
                throw RegisterPlace.Problem(
                    message: "these values end above the last address, 65535")
            }
            switch try encode(text, at: address, now) {
            case .registers(let words): registers += words
            case .bits(let flags): bits += flags
            }
        }
        return table.isBits ? .bits(bits) : .registers(registers)
    }

    private func encode(
        _ text: String, at address: Int, _ now: Moment
    ) throws(RegisterPlace.Problem) -> RegisterValues {
        var point = point(address, writable: true)
        let value = Self.value(text, isText: type.isText)
        // A negative number in a register without a type is meant as its two's complement.
        if isUntyped, type == .uint16, let number = value.integer, number < 0 {
            point.type = .int16
        }
        let outcome = Self.single(point) { adapter, device -> Result<[Order], WriteRefusal> in
            do throws(WriteRefusal) {
                return .success(
                    try adapter.orders(
                        [(point.name, value)], of: device, firstID: 0, expires: .distantFuture,
                        at: now))
            } catch {
                return .failure(error)
            }
        }
        switch outcome {
        case .success(let orders):
            if let data = orders.first?.data, let values = RegisterValues(data) { return values }
        case .failure(let refusal): throw RegisterPlace.Problem(message: refusal.message)
        case nil: break
        }
        throw RegisterPlace.Problem(message: "the value cannot be written")
    }

    private static func value(_ text: String, isText: Bool) -> JSON {
        if isText { return JSON(.string(ByteString(text))) }
        switch text.lowercased() {
        case "on", "true": return JSON(.bool(true))
        case "off", "false": return JSON(.bool(false))
        default:
            if let json = try? JSONReader.parse(Array(text.utf8)), json.double != nil {
                return json
            }
            if text.lowercased().hasPrefix("0x"), let number = UInt64(text.dropFirst(2), radix: 16)
            {
                return JSON(.number("\(number)"))
            }
            return JSON(.string(ByteString(text)))
        }
    }

    /// An adapter with one device that has this one point.
    private static func single<Answer>(
        _ point: Point, _ body: (inout Adapter, DeviceID) -> Answer
    ) -> Answer? {
        guard let device = try? DeviceID("unit"), let unit = UnitID(1) else { return nil }
        let place = Address(port: PortName("line"), unit: unit)
        var adapter = Adapter([Binding(device: device, address: place, points: [point])])
        return body(&adapter, device)
    }
}

extension Coding {
    /// Coding that `--sign`, `--layout` and `--encoding` give to a type.
    package init(
        _ type: ValueType?, sign: String?, layout: String?, encoding: String?
    ) throws(RegisterPlace.Problem) {
        self.init()
        func word<Word: RawRepresentable & CaseIterable>(
            _ option: String, _ text: String, _ kind: Word.Type
        ) throws(RegisterPlace.Problem) -> Word where Word.RawValue == String {
            if let word = Word(rawValue: text) { return word }
            let words = Word.allCases.map(\.rawValue)
            throw RegisterPlace.Problem(
                message:
                    "--\(option) \(Notice.printable(text)) is not known\(Suggestion.clause(for: text, in: words)); "
                    + "there are \(words.joined(separator: ", "))")
        }
        func refuse(_ option: String, _ text: String?) throws(RegisterPlace.Problem) {
            guard text != nil else { return }
            throw RegisterPlace.Problem(
                message:
                    "--\(option) has no meaning for \(type.map { "--type \($0.rawValue)" } ?? "plain registers")"
            )
        }
        if let sign {
            if !(type.map { $0.isInteger && $0.isSigned || $0.isBCD } ?? false) {
                try refuse("sign", sign)
            }
            self.sign = try word("sign", sign, Sign.self)
        }
        switch type {
        case .string?:
            if let encoding { characters = try word("encoding", encoding, CharacterCoding.self) }
            try refuse("layout", layout)
        case .version?:
            if let encoding {
                parts.digits = try word("encoding", encoding, VersionParts.Digits.self)
            }
            try refuse("layout", layout)
        case .datetime?:
            var digits: TimeLayout.Digits?
            if let encoding { digits = try word("encoding", encoding, TimeLayout.Digits.self) }
            guard let layout else { return }
            guard let known = TimeLayout(ByteString(layout), digits ?? .binary) else {
                let names = TimeLayout.Named.allCases.map(\.rawValue)
                throw RegisterPlace.Problem(
                    message:
                        "--layout \"\(Notice.printable(layout))\" is no layout: two letters for every byte (YY, MM, DD, "
                        + "hh, mm, ss, ff, --), or one of \(names.joined(separator: ", "))")
            }
            self.layout = known
        default:
            try refuse("layout", layout)
            try refuse("encoding", encoding)
        }
    }
}
