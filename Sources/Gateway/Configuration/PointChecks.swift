import Adapter
import Base

/// Points of a node that are possible one by one and probably not meant as they are.
struct PointChecks {
    let problems: Problems

    /// Warns of points that read the same registers as different types. Each is told once.
    func checkOverlaps(_ points: [ReadPoint]) {
        let sorted = points.indices.sorted {
            (points[$0].point.address, $0) < (points[$1].point.address, $1)
        }
        // Points that reach beyond the beginning of the one that is looked at.
        var open: [Int] = []
        var found: [(later: Int, earlier: Int)] = []
        for index in sorted {
            let point = points[index].point
            open.removeAll { points[$0].point.span.end <= point.address }
            if let other = open.first(where: { points[$0].point.contradicts(point) }) {
                found.append((max(index, other), min(index, other)))
            }
            // Values are at most some registers long: more than a few at one place are repeats.
            if open.count < 64 { open.append(index) }
        }
        for (later, earlier) in found {
            let (point, other) = (points[later].point, points[earlier].point)
            problems.warning(
                points[later].place,
                "point \"\(point.name)\" (\(describe(point))) reads registers of point "
                    + "\"\(other.name)\" (\(describe(other))): one of the two is probably wrong")
        }
    }

    private func describe(_ point: Point) -> String {
        let last = point.span.end - 1
        let place = last == point.address ? "\(last)" : "\(point.address) to \(last)"
        return "\(point.table.rawValue) \(place), \(point.type.rawValue)"
    }

    /// Warns of limits for writing that the registers cannot hold.
    func checkWriteLimits(_ point: Point, _ cursor: ObjectCursor) {
        guard let rule = point.writable, let bounds = point.bounds,
            let field = cursor.fields.first(where: { $0.name == "writable" }),
            field.json.members != nil,
            var object = ObjectCursor(field, "\"writable\"", problems)
        else { return }
        let holds =
            "a \(point.type.rawValue)\(point.scale == 1 ? "" : " of this scale") holds "
            + "\(show(bounds.lowerBound)) to \(show(bounds.upperBound))"
        if let least = rule.min, least > bounds.upperBound, let field = object.take("min") {
            problems.error(
                field.place, "\"min\" is \(show(least)), and \(holds): nothing could be written")
            return
        }
        if let most = rule.max, most < bounds.lowerBound, let field = object.take("max") {
            problems.error(
                field.place, "\"max\" is \(show(most)), and \(holds): nothing could be written")
            return
        }
        for (key, value) in [("min", rule.min), ("max", rule.max)] as [(ByteString, Double?)] {
            guard let value, !bounds.contains(value), let field = object.take(key) else { continue }
            problems.warning(
                field.place, "\"\(key)\" is \(show(value)), and \(holds): more is refused")
        }
        if let wrong = rule.values?.first(where: { !bounds.contains($0) }),
            let field = object.take("values")
        {
            problems.warning(
                field.place, "\"values\" has \(show(wrong)), and \(holds): it is refused")
        }
    }

    private func show(_ value: Double) -> String { JSONWriter.number(value) }
}
