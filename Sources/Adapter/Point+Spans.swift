import Base

/// The spans that must be read for a point.
extension Point {
    /// Items of its table from `address` to its last one: bits, registers or frame bytes; 0 for a
    /// text field in a frame, which may stand anywhere in it.
    package var count: Int {
        if table.isBits { return 1 }
        if table == .frame { return text == nil ? type.width ?? length : 0 }
        if let last = coding.registers.max() { return last - address + 1 }
        return text == nil ? type.width.map { ($0 + 1) / 2 } ?? length : length
    }

    /// Whether it has a value beside those that are written.
    package var isRead: Bool { writable?.isOnly != true }

    /// All from its first to its last item.
    package var span: Span { Span(table, address, count, every: interval) }

    /// The items that it is read from: one span, or one for every run of registers.
    package var spans: [Span] {
        var spans: [Span] = []
        for register in Set(coding.registers).sorted() {
            if let last = spans.last, last.end == register {
                spans[spans.count - 1].count += 1
            } else {
                spans.append(Span(table, register, 1, every: interval))
            }
        }
        return spans.isEmpty ? [span] : spans
    }

    /// Whether it has one of `count` items from `start` on.
    package func touches(_ start: Int, _ count: Int) -> Bool {
        spans.contains { $0.address < start + count && start < $0.end }
    }
}

extension Collection where Element == Point {
    /// The spans that must be read for these points of one node. A point whose sign stands in
    /// another one needs that one whenever it is read itself.
    package var spans: [Span] {
        filter(\.isRead).flatMap { point in
            let sign = point.coding.negativeIf.flatMap { match in first { $0.name == match.point } }
            guard let sign else { return point.spans }
            return point.spans
                + sign.spans.map { Span($0.table, $0.address, $0.count, every: point.interval) }
        }
    }
}
