import Base

/// Writes by address, as a person at the machine makes them: what the points at that place say
/// about them.
extension Adapter {
    /// The point that begins at this place; nil if none does.
    package func point(at address: Address, _ table: Table, _ start: Int) -> Point? {
        for device in devices(at: address) {
            let points = binding(of: device)?.points ?? []
            if let point = points.first(where: { $0.table == table && $0.address == start }) {
                return point
            }
        }
        return nil
    }

    /// Why a point at this place is against the data: it is not writable, only a part of it would
    /// be written, or its rule does not allow the value. Nil if none is; where no point is,
    /// everything is allowed.
    package func refusal(
        of data: Order.Data, at address: Address, _ table: Table, _ start: Int
    ) -> WriteRefusal? {
        for device in devices(at: address) {
            for point in binding(of: device)?.points ?? [] where point.table == table {
                guard point.touches(start, data.count) else { continue }
                if let refusal = refusal(of: data, from: start, point, of: device) {
                    return refusal
                }
            }
        }
        return nil
    }

    /// Counts the write against the budgets of the points that it is to, if they have any.
    /// - Parameter isForced: whatever is left of them.
    /// - Returns: what is used up now, to be kept over a restart.
    package mutating func countWrite(
        of data: Order.Data, at address: Address, _ table: Table, _ start: Int, isForced: Bool,
        at now: Instant
    ) throws(WriteRefusal) -> [(key: WriteBudgets.Key, spent: WriteBudgets.Spent)] {
        var counted: [WriteBudgets.Key] = []
        for device in devices(at: address) {
            for point in binding(of: device)?.points ?? [] where point.table == table {
                guard point.touches(start, data.count), let rule = point.writable,
                    WriteBudgets.counts(rule)
                else { continue }
                let key = WriteBudgets.Key(device: device, point: point.name)
                if !isForced { try budgets.check(rule, key, at: now) }
                counted.append(key)
            }
        }
        return counted.map { key in
            budgets.count(key, at: now)
            return (key, budgets.spent(key))
        }
    }

    private func refusal(
        of data: Order.Data, from start: Int, _ point: Point, of device: DeviceID
    ) -> WriteRefusal? {
        guard point.writable != nil else {
            return WriteRefusal(
                .notWritable,
                "\(point.name) of \(device) is not writable: its point has no `writable`")
        }
        guard start <= point.address, point.address + point.count <= start + data.count else {
            return WriteRefusal(
                .resolution, "this would write only a part of \(point.name) of \(device)")
        }
        let bytes: [UInt8]
        switch data {
        case .registers(let words): bytes = words.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
        case .bits(let flags): bytes = flags.packed
        case .masked, .custom, .nothing: return nil
        }
        let moment = Moment(.zero, WallTime(milliseconds: 0))
        let part = ReadPart(point.table, start, data.count, .success(bytes), at: moment)
        guard case .success(let text) = decode(part, of: device, point: point.name),
            let value = try? JSONReader.parse(text)
        else { return WriteRefusal(.range, "\(point.name) of \(device) would read as no value") }
        // What may be written is what can be encoded.
        do throws(WriteRefusal) {
            _ = try order(
                setting: point.name, of: device, to: value, id: 0, expires: .distantFuture)
        } catch {
            return WriteRefusal(error.kind, "\(error.message) (device \(device))")
        }
        return nil
    }
}

extension [Bool] {
    /// Eight a byte, the first one in bit 0, as coils stand in a frame.
    var packed: [UInt8] {
        stride(from: 0, to: count, by: 8).map { first in
            self[first..<Swift.min(first + 8, count)].enumerated().reduce(0) {
                $0 | ($1.element ? 1 << $1.offset : 0)
            }
        }
    }
}
