import Base
import Modbus

/// Turns spans into requests with the least wire time.
///
/// For one unit, table and interval the spans are sorted by address and contained ones dropped, so
/// that starts and ends both rise. Then there is always a cheapest set of requests each of which
/// serves a run of neighbours: if two requests served interleaved spans, the one further left could
/// take over. Dynamic programming over the runs finds it: a run over a hole costs the hole's bytes,
/// two requests cost the overhead twice. A span is never split.
///
/// A run that takes too long, has too many items or leaves the unit's readable ranges is no
/// candidate; what holds for a run holds for every longer one, so the search ends there.
struct ReadPlanner {
    let cost: WireCost
    let node: NodePlan
    /// No merged request may take longer than this, so that it does not block others for long.
    let exchangeLimit: Duration

    /// One cycle per interval, fastest first.
    func cycles() -> [CyclePlan] {
        var cycles: [CyclePlan] = []
        let groups = Dictionary(grouping: node.spans) {
            max($0.interval, NodePlan.shortestInterval)
        }
        for (interval, spans) in groups.sorted(by: { $0.key < $1.key }) {
            var cycle = CyclePlan(interval: interval)
            var own: [Span] = []
            for span in spans {
                if !isReadable(span) {
                    cycle.unreadable.append(span)
                } else if !borrow(span, for: &cycle, from: &cycles) {
                    own.append(span)
                }
            }
            for table in Table.allCases where table != .frame {
                cycle.reads += cover(own.filter { $0.table == table }, interval)
            }
            cycles.append(cycle)
        }
        return cycles
    }

    func isReadable(_ span: Span) -> Bool {
        guard span.table != .frame, span.address >= 0, span.count >= 1 else { return false }
        let protocolLimit = span.table.isBits ? Limits.readBits : Limits.readRegisters
        return span.count <= protocolLimit && span.address <= Limits.addresses - span.count
    }

    private func borrow(
        _ span: Span, for cycle: inout CyclePlan, from faster: inout [CyclePlan]
    ) -> Bool {
        for index in faster.indices {
            guard let read = faster[index].reads.firstIndex(where: { $0.covers(span) }) else {
                continue
            }
            faster[index].reads[read].spans.append(span)
            if let known = cycle.borrowed.firstIndex(where: { $0.cycle == index }) {
                cycle.borrowed[known].spans.append(span)
            } else {
                cycle.borrowed.append(.init(cycle: index, spans: [span]))
            }
            return true
        }
        return false
    }

    /// The cheapest requests for spans of one table.
    func cover(_ spans: [Span], _ interval: Duration) -> [PlannedRead] {
        let leaders = Self.leaders(of: spans)
        guard let table = leaders.first?.table else { return [] }
        let most = node.limit(of: table)
        let longest = exchangeLimit.nanoseconds
        var best = [Int64](repeating: 0, count: leaders.count + 1)
        var start = [Int](repeating: 0, count: leaders.count + 1)
        for end in 1...leaders.count {
            best[end] = .max
            for first in stride(from: end - 1, through: 0, by: -1) {
                let count = leaders[end - 1].end - leaders[first].address
                let price = cost.nanoseconds(table, count)
                if first < end - 1,
                    node.noMerge || count > most || price > longest
                        || !node.isReadable(table, leaders[first].address..<leaders[end - 1].end)
                {
                    break
                }
                if best[first] + price <= best[end] {
                    best[end] = best[first] + price
                    start[end] = first
                }
            }
        }
        var reads: [PlannedRead] = []
        var end = leaders.count
        while end > 0 {
            let address = leaders[start[end]].address
            reads.append(read(table, address, leaders[end - 1].end - address, interval))
            end = start[end]
        }
        reads.reverse()
        assign(spans, to: &reads)
        return reads
    }

    /// The two smaller requests that replace one which the unit refused because of an address: cut
    /// at the hole nearest to the middle, or in the middle if there is none. Empty for a single
    /// span.
    func pieces(of refused: PlannedRead) -> [PlannedRead] {
        let leaders = Self.leaders(of: refused.spans)
        guard leaders.count > 1 else { return [] }
        let middle = leaders.count / 2
        let holes = (1..<leaders.count).filter { leaders[$0].address > leaders[$0 - 1].end }
        let cut = holes.min { abs($0 - middle) < abs($1 - middle) } ?? middle
        var reads = [leaders[..<cut], leaders[cut...]].map { half in
            let address = half[half.startIndex].address
            return read(
                refused.table, address, half[half.endIndex - 1].end - address, refused.interval)
        }
        assign(refused.spans, to: &reads)
        return reads
    }

    /// A read whose answer was not that of its request, once more.
    func again(_ part: ReadPart) -> PlannedRead {
        read(part.table, part.address, part.count, node.shortest)
    }

    private func read(
        _ table: Table, _ address: Int, _ count: Int, _ interval: Duration
    ) -> PlannedRead {
        PlannedRead(
            unit: node.unit, table: table, address: address, count: count, interval: interval,
            wireTime: cost.time(table, count), spans: [])
    }

    private func assign(_ spans: [Span], to reads: inout [PlannedRead]) {
        for span in spans {
            if let index = reads.firstIndex(where: { $0.covers(span) }) {
                reads[index].spans.append(span)
            }
        }
    }

    /// Sorted by address, without those that lie inside another.
    static func leaders(of spans: [Span]) -> [Span] {
        let sorted = spans.sorted { ($0.address, $1.end) < ($1.address, $0.end) }
        var leaders: [Span] = []
        for span in sorted where leaders.last.map({ span.end > $0.end }) ?? true {
            leaders.append(span)
        }
        return leaders
    }
}
