import Base

/// Commands for one device: checked against the allow-list as a whole, then counted, then made
/// orders.
extension Device {
    private enum Target {
        case point(Int)
        case action(Int)
    }

    /// The orders that carry out `writes`, in their order; neighbours that are written together are
    /// one. Nothing counts against a rate unless all of them are allowed.
    func steps(
        _ writes: [(name: ByteString, value: JSON)], firstID: UInt64, expires: Instant,
        at now: Moment,
        _ budgets: inout WriteBudgets
    ) throws(WriteRefusal) -> [WriteStep] {
        var steps: [WriteStep] = []
        var isTogether: [Bool] = []
        var counted: [ByteString] = []
        for (name, value) in writes {
            let target = try target(name)
            let rule = rule(of: target)
            if WriteBudgets.counts(rule) {
                try budgets.check(
                    rule, WriteBudgets.Key(device: binding.device, point: name), at: now.instant)
                counted.append(name)
            }
            steps.append(
                WriteStep(
                    try order(target, value, id: firstID + UInt64(steps.count), expires: expires),
                    [name]))
            isTogether.append(rule.isTogether)
        }
        for name in counted {
            budgets.count(WriteBudgets.Key(device: binding.device, point: name), at: now.instant)
        }
        return WriteStep.joined(steps, isTogether)
    }

    private func rule(of target: Target) -> WriteRule {
        switch target {
        case .point(let index): binding.points[index].writable ?? WriteRule()
        case .action(let index): binding.actions[index].rule
        }
    }

    /// The allow-list entry of a point or action; nil if it cannot be written.
    func rule(_ name: ByteString) -> WriteRule? { (try? target(name)).map { rule(of: $0) } }

    /// The order that a rule of the configuration asks for: the rule itself allows it.
    func order(
        setting name: ByteString, to value: JSON, id: UInt64, expires: Instant
    ) throws(WriteRefusal) -> Order {
        guard let index = place(of: name) else { throw unknown(name) }
        return try order(.point(index), value, id: id, expires: expires)
    }

    private func unknown(_ name: ByteString) -> WriteRefusal {
        let known =
            binding.points.filter { $0.writable != nil }.map(\.name) + binding.actions.map(\.name)
        return WriteRefusal(
            .unknownPoint,
            "\(binding.device) has no point \(Notice.printable(name))\(Suggestion.clause(for: name, in: known))"
        )
    }

    private func target(_ name: ByteString) throws(WriteRefusal) -> Target {
        if let index = place(of: name) {
            guard binding.points[index].writable != nil else {
                throw WriteRefusal(.notWritable, "\(name) is not writable")
            }
            return .point(index)
        }
        guard let index = binding.actions.firstIndex(where: { $0.name == name }) else {
            throw unknown(name)
        }
        return .action(index)
    }

    private func order(
        _ target: Target, _ value: JSON, id: UInt64, expires: Instant
    ) throws(WriteRefusal) -> Order {
        switch target {
        case .action(let index):
            let action = binding.actions[index]
            return Order(
                id: id, address: binding.address, table: .frame, start: 0,
                data: .custom(function: action.function, try action.data(for: value)),
                readBack: false,
                expires: expires)
        case .point(let index):
            let point = binding.points[index]
            let data = try Encoder(point).encode(value, factor: try factor(of: index))
            let rule = point.writable ?? WriteRule()
            return Order(
                id: id, address: binding.address, table: point.table, start: point.address,
                data: data,
                function: rule.function, readBack: rule.readBack, compare: rule.compare,
                expires: expires)
        }
    }

    private func factor(of index: Int) throws(WriteRefusal) -> Int {
        guard binding.points[index].scaleFrom != nil else { return 0 }
        guard case .success(let known) = scaleFactor(of: index) else {
            throw WriteRefusal(
                .scaleFactor,
                "the scale factor of \(binding.points[index].name) has not been read yet")
        }
        return known
    }

    // MARK: read-back

    /// The value that an order writes, as it would be read: JSON text.
    func written(_ order: Order, _ point: Int) -> Result<[UInt8], ReadFailure> {
        let bytes: [UInt8]
        switch order.data {
        case .registers(let values): bytes = values.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
        case .bits(let values): bytes = values.packed
        case .masked(_, let values): bytes = values.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
        case .custom, .nothing: return .failure(.format)
        }
        let part = ReadPart(
            order.table, order.start, order.data.count, .success(bytes),
            at: Moment(.zero, WallTime(milliseconds: 0)))
        return decode(part, point)
    }

    /// Whether what was read back is what was written: bit for bit, as the same value (a text
    /// padded in another way), or as a number within the point's tolerance.
    func confirms(_ part: ReadPart, _ order: Order, _ point: Int) -> Bool {
        guard case .success(let bytes) = part.result else { return false }
        if order.isConfirmed(by: bytes) { return true }
        if case .masked = order.data, binding.points[point].type == .bits { return false }
        guard case .success(let wanted) = written(order, point),
            case .success(let found) = decode(part, point)
        else {
            return false
        }
        if wanted == found { return true }
        guard let a = number(wanted), let b = number(found) else { return false }
        // The tolerance itself is within it, whatever binary fractions make of it.
        let slack = (binding.points[point].writable?.tolerance ?? 0) * (1 + 1e-9)
        return (a - b).magnitude <= slack
    }

    /// A number in quotes counts as well.
    private func number(_ json: [UInt8]) -> Double? {
        Double(String(decoding: json.filter { $0 != 0x22 }, as: UTF8.self))
    }
}
