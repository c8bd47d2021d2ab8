import Base
import Drivers

/// How each unit did in each minute of the last hour, from what its port has counted.
struct MinuteStrips: Sendable {
    static let minutes = 60

    /// One minute of a unit; the raw value is what documents say.
    enum Cell: UInt8, Sendable { case unasked, good, late, bad, silent }

    private struct Strip: Sendable {
        var cells: [Cell] = []
        var before: UnitStatistics
    }

    private var units: [Address: Strip] = [:]
    /// Exchanges without a good reply in each minute, by port.
    private var failures: [PortName: [Int]] = [:]
    private(set) var due = Instant.zero

    /// Call when `due` has come.
    /// - Parameter ports: the counters of every port, as they are now.
    mutating func note(_ ports: [(name: PortName, statistics: PortStatistics)], at now: Instant) {
        let isFirst = due == .zero
        due = now + .seconds(60)
        var kept: [Address: Strip] = [:]
        var sums: [PortName: [Int]] = [:]
        for port in ports {
            var sum = 0
            for unit in port.statistics.units {
                let address = Address(port: port.name, unit: unit.unit)
                var strip = units[address] ?? Strip(before: unit)
                if units[address] != nil {
                    strip.cells.append(Self.cell(unit, since: strip.before))
                    if strip.cells.count > Self.minutes { strip.cells.removeFirst() }
                    sum += Self.failures(of: unit) - Self.failures(of: strip.before)
                    strip.before = unit
                }
                kept[address] = strip
            }
            guard !isFirst else { continue }
            sums[port.name] = Array(((failures[port.name] ?? []) + [sum]).suffix(Self.minutes))
        }
        (units, failures) = (kept, sums)
    }

    private static func failures(of unit: UnitStatistics) -> Int {
        unit.timeouts + unit.checksumErrors + unit.exceptions
    }

    private static func cell(_ unit: UnitStatistics, since before: UnitStatistics) -> Cell {
        let replies = unit.replies - before.replies
        if failures(of: unit) > failures(of: before) { return replies > 0 ? .bad : .silent }
        if unit.late > before.late || unit.lateReplies > before.lateReplies { return .late }
        return replies > 0 ? .good : .unasked
    }

    /// The last hour, oldest first, one digit a minute; minutes before the start are not asked.
    func text(of address: Address) -> String {
        let cells = units[address]?.cells ?? []
        let missing = [Cell](repeating: .unasked, count: Self.minutes - cells.count)
        return String(decoding: (missing + cells).map { 0x30 + $0.rawValue }, as: UTF8.self)
    }

    /// Failures in each minute of the last hour, oldest first.
    func failures(of port: PortName) -> [Int] {
        let known = failures[port] ?? []
        return [Int](repeating: 0, count: Self.minutes - known.count) + known
    }
}
