/// Condition on a place in a frame, under which the frame is this node's, or a value is valid or
/// negative.
package struct FrameMatch: Hashable, Sendable {
    package enum Place: Hashable, Sendable {
        /// As many bytes as the value has; an offset below 0 counts from the frame's end.
        case bytes(at: Int)
        case item(Int, ItemSplit)
    }

    package enum Relation: Hashable, Sendable {
        case equals
        /// The item ends with the value: "GGA" in "$GPGGA" and "$GNGGA".
        case ends
        case differs
    }

    package var place: Place
    package var relation: Relation
    /// One of them is enough; `differs` means from all.
    package var values: [[UInt8]]

    package init(_ place: Place, _ relation: Relation, _ values: [[UInt8]]) {
        self.place = place
        self.relation = relation
        self.values = values
    }

    /// Nil when the frame has no such place.
    package func holds(for frame: [UInt8]) -> Bool? {
        var isThere = false
        for value in values {
            guard let found = find(in: frame, count: value.count) else { continue }
            isThere = true
            let isSame =
                relation == .ends ? found.suffix(value.count) == value[...] : found == value[...]
            if isSame { return relation != .differs }
        }
        return isThere ? relation == .differs : nil
    }

    private func find(in frame: [UInt8], count: Int) -> ArraySlice<UInt8>? {
        switch place {
        case .item(let index, let split): return split.item(index, of: frame[...])
        case .bytes(let at):
            let start = at < 0 ? frame.count + at : at
            guard start >= 0, start <= frame.count, count <= frame.count - start else { return nil }
            return frame[start..<(start + count)]
        }
    }
}
