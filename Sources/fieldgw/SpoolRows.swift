import Base
import Spool

/// Records of a journal and verdicts about its files as lines.
enum SpoolRows {
    static func text(_ item: SegmentReader.Item) -> String {
        let record = item.record
        let folder = record.subfolder.isEmpty ? "events" : "events/\(record.subfolder)"
        return
            "\(record.seq)  \(record.at.wall.timestamp)\(record.clockTrusted ? "" : " unsynced")  "
            + "\(item.settled ? "settled" : "waiting")  \(record.device)  \(folder)  "
            + Notice.printable(record.body)
    }

    /// `payload` is what the bridge gets, without `ts` and `seq`.
    static func json(_ item: SegmentReader.Item) -> String {
        let record = item.record
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("seq", record.seq)
            writer.member("ts", record.at.wall)
            if !record.clockTrusted { writer.member("clock", "unsynced") }
            writer.member("device", record.device.text)
            writer.member("subfolder", record.subfolder)
            writer.member("settled", item.settled)
            writer.key("payload")
            writer.object { $0.raw(record.body) }
        }
        return writer.text
    }

    static let csvHeader = "seq,ts,clock,device,subfolder,state,point,value,bad"

    /// A row for each value and each bad point of a reading; of other records one with the payload.
    static func csv(_ item: SegmentReader.Item) -> String {
        let record = item.record
        let start = [
            "\(record.seq)", record.at.wall.timestamp, record.clockTrusted ? "" : "unsynced",
            record.device.text,
            quoted(record.subfolder), item.settled ? "settled" : "waiting",
        ].joined(separator: ",")
        let payload = Array("{".utf8) + record.body + Array("}".utf8)
        guard record.kind == .reading, let json = try? JSONReader.parse(payload) else {
            return start + ",," + quoted(String(decoding: payload, as: UTF8.self)) + ","
        }
        var rows: [String] = []
        for value in json["values"]?.members ?? [] {
            rows.append("\(start),\(quoted(value.name.string)),\(quoted(plain(value.value))),")
        }
        for bad in json["bad"]?.members ?? [] {
            rows.append(
                "\(start),\(quoted(bad.name.string)),,\(quoted(bad.value.string?.string ?? ""))")
        }
        return rows.joined(separator: "\n")
    }

    private static func plain(_ value: JSON) -> String {
        switch value.kind {
        case .null: return ""
        case .bool(let flag): return flag ? "true" : "false"
        case .number(let text): return text
        case .string(let text): return text.string
        case .array, .object:
            return (value.members ?? []).map { "\($0.name)=\(plain($0.value))" }.joined(
                separator: " ")
                + (value.array ?? []).map(plain).joined(separator: " ")
        }
    }

    /// A field by RFC 4180.
    private static func quoted(_ text: String) -> String {
        guard text.utf8.contains(where: { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }) else {
            return text
        }
        var out = "\""
        for scalar in text.unicodeScalars {
            if scalar == "\"" { out += "\"" }
            out.unicodeScalars.append(scalar)
        }
        return out + "\""
    }

    // MARK: - Verdicts

    static func verdict(_ reader: SegmentReader, _ file: SpoolFolder.File) -> String {
        var words: [String] = []
        if reader.isHeaderDamaged { words.append("header damaged, its copy is good") }
        if reader.damagedPages > 0 { words.append("\(reader.damagedPages) settled page damaged") }
        for each in reader.damage {
            let told = each.lost == 0 ? "told already" : Plural.text(each.lost, "record") + " lost"
            words.append(
                "damaged from byte \(each.range.lowerBound) to \(each.range.upperBound): \(told)")
        }
        if file.missing > 0 {
            words.append(Plural.text(file.missing, "record") + " at its end lost")
        }
        if reader.torn { words.append("torn end") }
        if reader.unknown > 0 {
            words.append(Plural.text(reader.unknown, "record") + " of unknown type")
        }
        let verdict = words.isEmpty ? "good" : words.joined(separator: "; ")
        return
            "\(file.name)  \(Plural.text(reader.items.count, "record")), \(reader.waiting) waiting  \(verdict)"
    }

    static func verdictJSON(_ reader: SegmentReader, _ file: SpoolFolder.File) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("file", file.name)
            writer.member("records", reader.items.count)
            writer.member("waiting", reader.waiting)
            writer.member("lost", reader.damage.reduce(file.missing) { $0 + $1.lost })
            writer.member("torn", reader.torn)
            writer.member("headerDamaged", reader.isHeaderDamaged)
            writer.member("pagesDamaged", reader.damagedPages)
            writer.key("damage")
            writer.array { writer in
                for each in reader.damage {
                    writer.object { writer in
                        writer.member("from", each.range.lowerBound)
                        writer.member("to", each.range.upperBound)
                        writer.member("lost", each.lost)
                    }
                }
            }
        }
        return writer.text
    }
}
