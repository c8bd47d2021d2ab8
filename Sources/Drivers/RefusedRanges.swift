import Base

/// Ranges that units refused with exception 2 and that are read in pieces for a day: what of it
/// outlives the process, as a small JSON document.
///
/// `{"refused":[{"unit":1,"plan":"9AF0…","table":"holding","address":0,"count":40,"until":1764111600000}]}`;
/// `plan` is the fingerprint of what was asked of the unit, `until` in milliseconds since 1970.
package struct RefusedRanges: Hashable, Sendable {
    package struct Entry: Hashable, Sendable {
        package var unit: UnitID
        package var plan: UInt64
        package var table: Table
        package var address: Int
        package var count: Int
        package var until: WallTime

        package init(
            unit: UnitID, plan: UInt64, table: Table, address: Int, count: Int, until: WallTime
        ) {
            self.unit = unit
            self.plan = plan
            self.table = table
            self.address = address
            self.count = count
            self.until = until
        }
    }

    /// Entries of one port; more are not kept.
    package static let limit = 1000

    package private(set) var entries: [Entry] = []

    package init() {}

    package mutating func append(_ entry: Entry) {
        if entries.count < Self.limit { entries.append(entry) }
    }

    package var document: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.key("refused")
            writer.array { writer in
                for entry in entries {
                    writer.object { writer in
                        writer.member("unit", entry.unit.value)
                        writer.member("plan", String(entry.plan, radix: 16))
                        writer.member("table", entry.table.rawValue)
                        writer.member("address", entry.address)
                        writer.member("count", entry.count)
                        writer.member("until", entry.until.milliseconds)
                    }
                }
            }
        }
        return writer.bytes
    }

    /// Reads a document. An entry that cannot be understood is left out: it is learned again.
    package init(_ document: [UInt8]) {
        guard let json = try? JSONReader.parse(document), let items = json["refused"]?.array else {
            return
        }
        for item in items {
            guard
                let unit = item["unit"]?.integer.flatMap({ Int(exactly: $0) }).flatMap({
                    $0 == 0 ? .zero : UnitID($0)
                }),
                let plan = item["plan"]?.string.flatMap({ UInt64($0.string, radix: 16) }),
                let table = item["table"]?.string.flatMap({ Table(word: $0) }),
                let address = item["address"]?.integer.flatMap({ Int(exactly: $0) }),
                let count = item["count"]?.integer.flatMap({ Int(exactly: $0) }),
                let until = item["until"]?.integer
            else { continue }
            append(
                Entry(
                    unit: unit, plan: plan, table: table, address: address, count: count,
                    until: WallTime(milliseconds: until)))
        }
    }
}

extension ModbusDriver {
    /// Takes over what an earlier run has learned. What has expired, or is about a unit that is
    /// asked for something else now, is forgotten; a clock that is wrong cannot keep an entry for
    /// longer than its day.
    package mutating func restore(_ document: [UInt8], at now: Moment) {
        for entry in RefusedRanges(document).entries {
            guard let unit = units.firstIndex(where: { $0.address.unit == entry.unit }),
                units[unit].planner.node.fingerprint == entry.plan
            else { continue }
            let rest = min(entry.until - now.wall, LineUnit.splitMemory)
            guard rest > .zero else { continue }
            units[unit].restoreSplit(
                entry.table, entry.address, entry.count, until: now.instant + rest)
        }
    }

    mutating func rememberSplit(_ read: PlannedRead, _ unit: Int, at now: Moment) {
        units[unit].rememberSplit(read, at: now.instant)
        var all = RefusedRanges()
        for unit in units + former.all {
            for (table, address, count, until) in unit.activeSplits(at: now.instant) {
                all.append(
                    RefusedRanges.Entry(
                        unit: unit.address.unit, plan: unit.planner.node.fingerprint, table: table,
                        address: address, count: count, until: now.wall + (until - now.instant)))
            }
        }
        emit(.learned(all.document))
    }
}
