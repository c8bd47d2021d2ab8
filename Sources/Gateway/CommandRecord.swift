import Adapter
import Base

/// One entry of the command log. `order` rises with every entry that is made: of two about one
/// command or one point the one with the higher order counts, wherever it stands.
package enum CommandRecord: Hashable, Sendable {
    /// A command goes to the wire. `points` are those whose writes are counted, `at` when, in
    /// milliseconds of the budgets' time.
    case accepted(order: UInt64, at: Int64, device: DeviceID, id: ByteString, points: [ByteString])
    /// The answer to a command that was accepted, or refused, under that order.
    case done(order: UInt64, device: DeviceID, id: ByteString, body: [UInt8])
    /// All counted writes of one point up to that order.
    case spent(order: UInt64, device: DeviceID, point: ByteString, WriteBudgets.Spent)
    /// The clocks at one moment: see `BudgetClock`.
    case time(order: UInt64, BudgetClock.Mark)

    package var order: UInt64 {
        switch self {
        case .accepted(let order, _, _, _, _), .done(let order, _, _, _),
            .spent(let order, _, _, _), .time(let order, _):
            order
        }
    }
}

/// A file of the command log: `commands-%016x.log`. All integers are little endian.
///
/// | offset | bytes | part |
/// |---|---|---|
/// | 0 | 8 | magic "FGWCMDS1" |
/// | 8 | 8 | the file's number, as in its name |
/// | 16 | 4 | CRC-32C of all before |
/// | 20 | 12 | zeros |
/// | 32 | | records, then zeros |
///
/// Record, at a multiple of 8:
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 2 | magic 0x4D43 |
/// | 2 | 1 | type: 1 accepted, 2 done, 3 spent, 4 time |
/// | 3 | 1 | version, 1 |
/// | 4 | 4 | length n of the payload |
/// | 8 | 4 | CRC-32C of the payload |
/// | 12 | 4 | CRC-32C of the twelve bytes before, continuing that of the file's number |
/// | 16 | n | payload, padded with zeros to a multiple of 8 |
///
/// Every payload begins with the order (8 bytes). Texts are their length (2 bytes) and UTF-8.
///
/// | type | payload behind the order |
/// |---|---|
/// | accepted | at (8), device, id, number of points (1), points |
/// | done | device, id, then the body to the end |
/// | spent | device, point, then twice, for the minute and the day: number of entries (2), each at (8) and count (4) |
/// | time | boot id (16), since boot (8), budgets' time (8), wall clock (8), all in ms; 1 if the wall clock was trusted |
package enum CommandFile {
    package static let headSize = 32
    package static let recordMax = 128 << 10
    /// Files of this gateway have lower numbers.
    static let numberMax: UInt64 = 1 << 60
    static let magic = Array("FGWCMDS1".utf8)
    private static let recordMagic: UInt16 = 0x4D43
    private static let recordHead = 16

    package static func name(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return "commands-" + String(repeating: "0", count: 16 - digits.count) + digits + ".log"
    }

    package static func number(named name: String) -> UInt64? {
        guard name.hasPrefix("commands-"), name.hasSuffix(".log"),
            let number = UInt64(name.dropFirst(9).dropLast(4), radix: 16), Self.name(number) == name
        else { return nil }
        return number
    }

    package static func head(_ number: UInt64) -> [UInt8] {
        var bytes = magic
        bytes.appendLittle(number)
        bytes.appendLittle(CRC32C.checksum(bytes))
        return bytes + [UInt8](repeating: 0, count: headSize - bytes.count)
    }

    private static func seed(_ number: UInt64) -> UInt32 {
        var bytes: [UInt8] = []
        bytes.appendLittle(number)
        return CRC32C.checksum(bytes)
    }

    /// Appends a record for the file of that number.
    package static func append(_ record: CommandRecord, number: UInt64, to bytes: inout [UInt8]) {
        let (type, payload) = encode(record)
        let start = bytes.count
        bytes.appendLittle(recordMagic)
        bytes.append(type)
        bytes.append(1)
        bytes.appendLittle(UInt32(payload.count))
        bytes.appendLittle(CRC32C.checksum(payload))
        bytes.appendLittle(CRC32C.checksum(bytes[start..<start + 12], continuing: seed(number)))
        bytes.append(contentsOf: payload)
        while (bytes.count - start) % 8 != 0 { bytes.append(0) }
    }

    /// The contents of a whole file.
    package struct Contents: Sendable {
        package var records: [CommandRecord] = []
        /// Bytes between sound records that are none, and such behind the last.
        package var damaged = 0
        package var tornEnd = 0
        /// The file begins as one of the command log does.
        package var hasHead = false
        package var end = headSize
    }

    package static func read(_ file: [UInt8], number: UInt64) -> Contents {
        var contents = Contents()
        contents.hasHead = file.prefix(headSize).elementsEqual(head(number))
        if !contents.hasHead, file.contains(where: { $0 != 0 }) {
            contents.tornEnd = min(headSize, file.count)
        }
        let seed = seed(number)
        var offset = headSize
        while offset + recordHead <= file.count {
            guard let (record, size) = record(file, offset, seed) else {
                // Preallocated, and not written yet.
                if file[offset..<offset + 8].contains(where: { $0 != 0 }) { contents.tornEnd += 8 }
                offset += 8
                continue
            }
            contents.damaged += contents.tornEnd
            contents.tornEnd = 0
            contents.records.append(record)
            offset += size
            contents.end = offset
        }
        return contents
    }

    private static func record(
        _ file: [UInt8], _ offset: Int, _ seed: UInt32
    ) -> (CommandRecord, size: Int)? {
        var head = ByteReader(file[offset..<offset + recordHead])
        guard head.little(UInt16.self) == recordMagic, let type = head.byte(), head.byte() == 1,
            let length = head.little(UInt32.self).map({ Int($0) }),
            let sum = head.little(UInt32.self),
            head.little(UInt32.self)
                == CRC32C.checksum(file[offset..<offset + 12], continuing: seed),
            length <= recordMax, offset + recordHead + length <= file.count
        else { return nil }
        let payload = file[(offset + recordHead)..<(offset + recordHead + length)]
        guard CRC32C.checksum(payload) == sum, let record = decode(type, payload) else {
            return nil
        }
        return (record, (recordHead + length + 7) & ~7)
    }

    // MARK: payloads

    private static func encode(_ record: CommandRecord) -> (UInt8, [UInt8]) {
        var bytes: [UInt8] = []
        bytes.appendLittle(record.order)
        switch record {
        case .accepted(_, let at, let device, let id, let points):
            bytes.appendLittle(at)
            append(ByteString(device.text), to: &bytes)
            append(id, to: &bytes)
            bytes.append(UInt8(clamping: points.count))
            for point in points.prefix(255) { append(point, to: &bytes) }
            return (1, bytes)
        case .done(_, let device, let id, let body):
            append(ByteString(device.text), to: &bytes)
            append(id, to: &bytes)
            bytes.append(contentsOf: body)
            return (2, bytes)
        case .spent(_, let device, let point, let spent):
            append(ByteString(device.text), to: &bytes)
            append(point, to: &bytes)
            for window in [spent.minute, spent.day] {
                bytes.appendLittle(UInt16(clamping: window.entries.count))
                for entry in window.entries {
                    bytes.appendLittle(entry.at.nanoseconds / 1_000_000)
                    bytes.appendLittle(UInt32(clamping: entry.count))
                }
            }
            return (3, bytes)
        case .time(_, let mark):
            bytes.append(contentsOf: mark.bootID)
            bytes.appendLittle(mark.sinceBoot.nanoseconds / 1_000_000)
            bytes.appendLittle(mark.time.nanoseconds / 1_000_000)
            bytes.appendLittle(mark.wall.milliseconds)
            bytes.append(mark.isTrusted ? 1 : 0)
            return (4, bytes)
        }
    }

    private static func append(_ text: ByteString, to bytes: inout [UInt8]) {
        let utf8 = Array(text.utf8.prefix(Int(UInt16.max)))
        bytes.appendLittle(UInt16(utf8.count))
        bytes.append(contentsOf: utf8)
    }

    private static func decode(_ type: UInt8, _ payload: ArraySlice<UInt8>) -> CommandRecord? {
        var reader = ByteReader(payload)
        guard let order = reader.little(UInt64.self) else { return nil }
        switch type {
        case 1:
            guard let at = reader.little(UInt64.self).map({ Int64(bitPattern: $0) }),
                let device = device(&reader),
                let id = text(&reader), let count = reader.byte()
            else { return nil }
            var points: [ByteString] = []
            for _ in 0..<count {
                guard let point = text(&reader) else { return nil }
                points.append(point)
            }
            return .accepted(order: order, at: at, device: device, id: id, points: points)
        case 2:
            guard let device = device(&reader), let id = text(&reader) else { return nil }
            return .done(order: order, device: device, id: id, body: Array(reader.rest))
        case 3:
            guard let device = device(&reader), let point = text(&reader),
                let minute = window(&reader, .seconds(60)),
                let day = window(&reader, .seconds(86_400))
            else { return nil }
            return .spent(
                order: order, device: device, point: point,
                WriteBudgets.Spent(minute: minute, day: day))
        case 4:
            guard let boot = reader.bytes(16), let since = instant(&reader),
                let time = instant(&reader),
                let wall = reader.little(UInt64.self), let trusted = reader.byte()
            else { return nil }
            return .time(
                order: order,
                BudgetClock.Mark(
                    bootID: Array(boot), sinceBoot: since, time: time,
                    wall: WallTime(milliseconds: Int64(bitPattern: wall)),
                    isTrusted: trusted == 1))
        default: return nil
        }
    }

    private static func text(_ reader: inout ByteReader) -> ByteString? {
        guard let count = reader.little(UInt16.self), let bytes = reader.bytes(Int(count)) else {
            return nil
        }
        return ByteString(decoding: bytes)
    }

    private static func device(_ reader: inout ByteReader) -> DeviceID? {
        text(&reader).flatMap { try? DeviceID($0) }
    }

    private static func instant(_ reader: inout ByteReader) -> Instant? {
        reader.little(UInt64.self).map { Instant.zero + .milliseconds(Int64(bitPattern: $0)) }
    }

    private static func window(_ reader: inout ByteReader, _ span: Duration) -> SlidingWindow? {
        guard let count = reader.little(UInt16.self) else { return nil }
        var window = SlidingWindow(span)
        for _ in 0..<count {
            guard let at = instant(&reader), let times = reader.little(UInt32.self) else {
                return nil
            }
            window.add(Int(times), at: at)
        }
        return window
    }
}
