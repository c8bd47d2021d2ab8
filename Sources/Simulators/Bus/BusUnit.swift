import Base
import Modbus

/// One unit at work: its tables, and what it answers.
struct BusUnit: Sendable {
    private struct Place: Sendable {
        var cell: Int
        var word: Int
    }

    var description: BusUnitDescription
    var statistics = BusUnitStatistics()
    private var cells: [Cell] = []
    private var places: [Table: [Int: Place]] = [:]
    /// Written values, which override those of the signal.
    private var written: [Table: [Int: UInt16]] = [:]
    private var diagnosis = UnitDiagnosis()

    init(_ description: BusUnitDescription, seed: UInt64) {
        self.description = description
        for table in Table.allCases {
            for (address, cell) in (description.cells[table] ?? [:]).sorted(by: { $0.key < $1.key })
            {
                let words = table.isBits ? 1 : cell.type.words
                for word in 0..<words {
                    places[table, default: [:]][address + word] = Place(
                        cell: cells.count, word: word)
                }
                cells.append(Cell(cell, seed: seed &+ UInt64(cells.count) &* 0x9E37_79B9))
            }
        }
    }

    /// Answers a message: the response, nil if the unit only listens, and the places that it read
    /// or wrote.
    /// - Parameter line: what has been heard on the line, this message included.
    mutating func answer(
        _ pdu: [UInt8], at now: Instant, line: LineCount, isBroadcast: Bool = false
    ) -> (response: Response?, served: Served.Content?) {
        let function = FunctionCode(rawValue: (pdu.first ?? 0) & ~FunctionCode.exceptionBit)
        diagnosis.hear(isBroadcast: isBroadcast)
        var answer: (response: Response?, served: Served.Content?)
        do {
            let request = try Request(pdu: pdu[...])
            if let response = try diagnosis.answer(request, description.functions, line) {
                answer = (response, nil)
            } else if diagnosis.isListenOnly {
                answer = (nil, nil)
            } else {
                answer = try carryOut(request, at: now)
            }
        } catch {
            answer = (diagnosis.isListenOnly ? nil : .exception(function, error), nil)
        }
        if diagnosis.suppressesReply { answer = (nil, nil) }
        diagnosis.note(isBroadcast ? nil : answer.response, to: function)
        return answer
    }

    private mutating func carryOut(
        _ request: Request, at now: Instant
    ) throws(ExceptionCode) -> (Response, Served.Content?) {
        switch request {
        case .read(let function, let address, let count):
            let table = BusUnit.table(function)
            let values = try read(table, Int(address), Int(count), at: now)
            let data = table.isBits ? Bits.pack(values.map { $0 != 0 }) : BusUnit.bytes(values)
            let content = Served.Content(
                table: table, address: Int(address), values: values, isWrite: false)
            return (.read(function, data), content)
        case .writeCoil(let address, let on):
            let content = try write(.coil, Int(address), [on ? 1 : 0])
            return (
                .wroteSingle(request.function, address: address, value: on ? 0xFF00 : 0), content
            )
        case .writeRegister(let address, let value):
            let content = try write(.holding, Int(address), [value])
            return (.wroteSingle(request.function, address: address, value: value), content)
        case .writeCoils(let address, let values):
            let content = try write(.coil, Int(address), values.map { $0 ? 1 : 0 })
            return (
                .wroteMany(
                    request.function, address: address, count: UInt16(clamping: values.count)),
                content
            )
        case .writeRegisters(let address, let values):
            let content = try write(.holding, Int(address), values)
            return (
                .wroteMany(
                    request.function, address: address, count: UInt16(clamping: values.count)),
                content
            )
        case .maskWrite(let address, let and, let or):
            let current = try read(.holding, Int(address), 1, at: now)[0]
            let content = try write(.holding, Int(address), [(current & and) | (or & ~and)])
            return (.maskWrote(address: address, and: and, or: or), content)
        case .readWrite(let address, let count, let place, let values):
            _ = try write(.holding, Int(place), values)
            let found = try read(.holding, Int(address), Int(count), at: now)
            let content = Served.Content(
                table: .holding, address: Int(address), values: found, isWrite: false)
            return (.read(request.function, BusUnit.bytes(found)), content)
        default: return (try further(request), nil)
        }
    }

    private static func table(_ function: FunctionCode) -> Table {
        switch function {
        case .readCoils: .coil
        case .readDiscreteInputs: .discrete
        case .readInputRegisters: .input
        default: .holding
        }
    }

    private static func bytes(_ words: [UInt16]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(words.count * 2)
        for word in words { out.appendBig(word) }
        return out
    }

    private func check(_ table: Table, _ addresses: Range<Int>) throws(ExceptionCode) {
        for refusal in description.faults.refusals {
            let meant = refusal.table == nil || refusal.table == table
            if meant, addresses.overlaps(Range(refusal.addresses)) {
                throw ExceptionCode(rawValue: refusal.code)
            }
        }
        for address in addresses where places[table]?[address] == nil { throw .illegalDataAddress }
    }

    /// Registers, or bits as 0 and 1. All words of one value are of the same moment.
    private mutating func read(
        _ table: Table, _ start: Int, _ count: Int, at now: Instant
    ) throws(ExceptionCode) -> [UInt16] {
        try check(table, start..<(start + count))
        var values: [UInt16] = []
        values.reserveCapacity(count)
        var current = -1
        var words: [UInt16] = []
        for address in start..<(start + count) {
            guard let place = places[table]?[address] else { throw .illegalDataAddress }
            if place.cell != current {
                current = place.cell
                words =
                    table.isBits
                    ? [cells[current].bit(at: now) ? 1 : 0] : cells[current].words(at: now)
            }
            values.append(written[table]?[address] ?? words[place.word])
        }
        return values
    }

    private mutating func write(
        _ table: Table, _ start: Int, _ values: [UInt16]
    ) throws(ExceptionCode) -> Served.Content {
        try check(table, start..<(start + values.count))
        for (index, value) in values.enumerated() {
            written[table, default: [:]][start + index] = value
        }
        return Served.Content(table: table, address: start, values: values, isWrite: true)
    }

    /// Value of a register or bit as a read would give it now; nil where there is none. Changes no
    /// counter of reads.
    func peek(_ table: Table, _ address: Int, at now: Instant) -> UInt16? {
        guard let place = places[table]?[address] else { return nil }
        var cell = cells[place.cell]
        let words = table.isBits ? [cell.bit(at: now) ? 1 : 0] : cell.words(at: now)
        return written[table]?[address] ?? words[place.word]
    }
}
