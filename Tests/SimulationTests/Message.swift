import Base
import MQTT

/// An events message as it is handed to the link or received by the bridge.
struct Message {
    var device: String
    var subfolder: String
    var ts: WallTime
    var seq: UInt64
    var payload: [UInt8]
    var backfill: Bool

    /// Order holds in each: a device's backlog and what is live beside it.
    var lane: String { backfill ? "\(device)'s backlog" : device }

    /// Nil for topics that are no events.
    static func topic(_ topic: String) -> (device: String, subfolder: String)? {
        let levels = topic.split(separator: "/", maxSplits: 4, omittingEmptySubsequences: false)
        guard levels.count >= 4, levels[1] == "devices", levels[3] == "events" else { return nil }
        return (String(levels[2]), levels.count > 4 ? String(levels[4]) : "")
    }

    /// The records of a message: itself, or the elements of an array.
    static func records(_ payload: [UInt8]) -> [[UInt8]] {
        guard payload.first == 0x5B, payload.last == 0x5D else { return [payload] }
        var all: [[UInt8]] = []
        var (start, depth, isText, isEscaped) = (1, 0, false, false)
        for index in 1..<(payload.count - 1) {
            let byte = payload[index]
            if isText {
                if !isEscaped, byte == 0x22 { isText = false }
                isEscaped = byte == 0x5C && !isEscaped
                continue
            }
            switch byte {
            case 0x22: isText = true
            case 0x7B, 0x5B: depth += 1
            case 0x7D, 0x5D: depth -= 1
            case 0x2C where depth == 0:
                all.append(Array(payload[start..<index]))
                start = index + 1
            default: break
            }
        }
        return all + [Array(payload[start..<(payload.count - 1)])]
    }

    /// `{"ts":"2026-11-22T09:00:00.123Z","seq":4711` by position, as the contract has it.
    init?(device: String, subfolder: String, _ payload: [UInt8]) {
        let head = Array("{\"ts\":\"".utf8)
        let middle = Array("\",\"seq\":".utf8)
        guard payload.count > 40, payload.starts(with: head),
            payload[31..<39].elementsEqual(middle),
            let ts = Self.time(payload[7..<31])
        else { return nil }
        var seq: UInt64 = 0
        var index = 39
        while index < payload.count, (0x30...0x39).contains(payload[index]) {
            seq = seq &* 10 &+ UInt64(payload[index] - 0x30)
            index += 1
        }
        guard (40...56).contains(index), index < payload.count,
            [0x2C, 0x7D].contains(payload[index])
        else { return nil }
        self.device = device
        self.subfolder = subfolder
        self.ts = ts
        self.seq = seq
        self.payload = payload
        let flags = String(decoding: payload[index...].prefix(48), as: UTF8.self)
        backfill =
            flags.hasPrefix(",\"backfill\":true")
            || flags.hasPrefix(",\"clock\":\"unsynced\",\"backfill\":true")
    }

    /// The part that is the same whenever the record is sent: all but the time and its flags.
    var content: ArraySlice<UInt8> {
        var rest = payload[39...].drop { (0x30...0x39).contains($0) }
        for flag in [",\"clock\":\"unsynced\"", ",\"backfill\":true"]
        where rest.starts(with: flag.utf8) {
            rest = rest.dropFirst(flag.utf8.count)
        }
        return rest
    }

    /// Whether this is the record's own text, with nothing added behind it.
    func carries(_ record: Kept) -> Bool {
        payload.count > record.body.count && payload.last == 0x7D
            && payload[(payload.count - 1 - record.body.count)..<(payload.count - 1)].elementsEqual(
                record.body)
    }

    /// RFC 3339 in UTC with milliseconds, for days since 2000.
    private static func time(_ text: ArraySlice<UInt8>) -> WallTime? {
        let base = text.startIndex
        func number(_ from: Int, _ count: Int) -> Int64 {
            text[(base + from)..<(base + from + count)].reduce(0) { $0 * 10 + Int64($1) - 48 }
        }
        guard text.count == 24, text[base + 10] == 0x54, text[base + 23] == 0x5A else { return nil }
        let (year, month, day) = (number(0, 4), number(5, 2), number(8, 2))
        guard year >= 1970, (1...12).contains(month) else { return nil }
        // Days from civil, counted from March.
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let days =
            era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        let seconds = (number(11, 2) * 60 + number(14, 2)) * 60 + number(17, 2)
        return WallTime(milliseconds: (days * 86_400 + seconds) * 1000 + number(20, 3))
    }
}
