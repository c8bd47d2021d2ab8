import Adapter
import Base
import Drivers

/// Settings that the points of a node take from it.
struct NodeContext {
    var driver: Configuration.Port.Driver
    var every: Duration
    var maxRegisters = 125
    /// Added to every address of the node.
    var base = 0
    var uart: UARTProtocol?
    /// Addresses that one request may span, by table.
    var ranges: [Table: [ClosedRange<Int>]] = [:]
    /// How the items of the node's frames are cut where a field does not say.
    var split = ItemSplit.mark([0x2C])
    var key: ConfigurationReader.NodeKey?

    init(driver: Configuration.Port.Driver, every: Duration) {
        self.driver = driver
        self.every = every
    }
}

/// Where a point is: the part that differs between Modbus and a UART frame.
struct PointSite {
    var table: Table
    var address: Int
    var type: ValueType
    var text: TextField?
    var length = 1
    var rules = FrameRules()
    var coding = Coding()
}

/// A point and those of its members that name other points.
struct ReadPoint {
    var point: Point
    var place: FilePlace
    var scaleFrom: Field?
    var negativeIf: Field?
}

extension ConfigurationReader {
    /// A node's own points over those of its profile, key by key. `null` (or `false`) in place of a
    /// point takes away the profile's.
    func readPoints(
        _ key: ByteString, _ node: inout ObjectCursor, profile: ObjectCursor?,
        in context: NodeContext
    ) -> [Point]? {
        let own = node.take(key)
        var inherited = profile
        let under = inherited?.take(key).flatMap { ObjectCursor($0, "\"\(key)\"", problems) }
        guard own != nil || under != nil else { return nil }
        let over = own.flatMap { ObjectCursor($0, "\"\(key)\"", problems) }

        var points: [ReadPoint] = []
        // Points that are there and could not be read: what names one of them is no mistake.
        var failed: Set<ByteString> = []
        let inheritedFields = under?.fields ?? []
        let overrides = Dictionary((over?.fields ?? []).map { ($0.name, $0) }) { first, _ in first }
        for field in inheritedFields {
            let override = overrides[field.name]
            if let override, Self.takesAway(override) { continue }
            if Self.isAction(override ?? field) { continue }
            if let point = readPoint(
                override ?? field, under: override == nil ? nil : field, in: context)
            {
                points.append(point)
            } else {
                failed.insert(field.name)
            }
        }
        let known = Set(inheritedFields.map(\.name))
        for field in over?.fields ?? [] where !known.contains(field.name) {
            if Self.takesAway(field) {
                let guess = Suggestion.clause(for: field.name, in: inheritedFields.map(\.name))
                problems.error(
                    field.keyPlace,
                    "there is no point \"\(Notice.printable(field.name))\" in a profile to take away\(guess)"
                )
                continue
            }
            if Self.isAction(field) { continue }
            if let point = readPoint(field, under: nil, in: context) {
                points.append(point)
            } else {
                failed.insert(field.name)
            }
        }
        if (over?.fields ?? []).isEmpty, inheritedFields.isEmpty, let own {
            problems.error(own.place, "\(node.what) has no \(key)")
        }
        problems.quietly(!failed.isEmpty) {
            checkScales(points)
            resolveSigns(&points)
        }
        PointChecks(problems: problems).checkOverlaps(points)
        return points.map { $0.point }
    }

    private static func takesAway(_ field: Field) -> Bool {
        field.json.isNull || field.json.bool == false
    }

    private func readPoint(
        _ field: Field, under profile: Field?, in context: NodeContext
    ) -> ReadPoint? {
        if let complaint = Self.pointNameProblem(field.name) {
            problems.error(field.keyPlace, "the point name \(complaint)")
        }
        guard
            var cursor = ObjectCursor(field, "point \"\(Notice.printable(field.name))\"", problems)
        else {
            return nil
        }
        if let profile, let under = ObjectCursor(profile, "point", problems) {
            // A new place replaces the old one, whichever words either is written in.
            let places: Set<ByteString> = [
                "coil", "discrete", "input", "holding", "registers", "table", "at", "index",
                "template",
            ]
            let moved = cursor.fields.contains { places.contains($0.name) }
            cursor.inherit(under, except: moved ? places : [])
        }
        let site =
            context.driver == .uart
            ? readFrameSite(&cursor, in: context) : readRegisterSite(&cursor, in: context)
        // Of a type or a place that could not be made out nothing more can be said.
        let (point, negativeIf) = problems.quietly(site == nil || hasUnknownType(cursor)) {
            let point = readMeaning(&cursor, field.name, site, in: context)
            PointChecks(problems: problems).checkWriteLimits(point, cursor)
            return (point, readNegativeIf(&cursor, point, in: context))
        }
        let scaleFrom = cursor.take("scaleFrom")
        cursor.finish()
        return site == nil
            ? nil
            : ReadPoint(
                point: point, place: field.keyPlace, scaleFrom: scaleFrom, negativeIf: negativeIf)
    }

    /// Whether the type is a word that resembles none.
    private func hasUnknownType(_ cursor: ObjectCursor) -> Bool {
        // It has been told by now.
        guard problems.hasErrors, let field = cursor.fields.first(where: { $0.name == "type" })
        else { return false }
        guard let text = field.json.string else { return true }
        let meant: ValueType? = ValueType(word: text) ?? ObjectCursor.meant(by: text)
        return meant == nil
    }

    /// `{ point, equals }`; the other forms are those of a frame and are read with its place.
    private func readNegativeIf(
        _ cursor: inout ObjectCursor, _ point: Point, in context: NodeContext
    ) -> Field? {
        guard let field = cursor.take("negativeIf") else { return nil }
        guard point.type.isNumber else {
            problems.error(
                field.keyPlace, "\"negativeIf\" has no meaning for \(point.type.rawValue)")
            return nil
        }
        if Self.namesPoint(field) {
            if point.writable != nil || point.safe != nil {
                problems.error(
                    field.keyPlace, "a point whose sign is in another one cannot be written")
            }
            return field
        }
        if context.driver != .uart {
            problems.error(
                field.place,
                "\"negativeIf\" names a point of this node: { point: \"direction\", equals: 1 }")
        }
        return nil
    }

    /// Point names become JSON keys and what commands name.
    static func pointNameProblem(_ name: ByteString) -> String? {
        if name.isEmpty { return "is empty" }
        if name.count > 128 { return "is longer than 128 bytes" }
        let printable = name.utf8.allSatisfy { $0 >= 32 && $0 != 0x7F && $0 != 0x22 && $0 != 0x5C }
        return printable
            ? nil : "\"\(Notice.printable(name))\" has a control character, a quote or a backslash"
    }

    /// Everything but the place: how the raw value becomes a value and what of it is published.
    private func readMeaning(
        _ cursor: inout ObjectCursor, _ name: ByteString, _ site: PointSite?,
        in context: NodeContext
    ) -> Point {
        let site = site ?? PointSite(table: .holding, address: 0, type: .uint16)
        var point = Point(
            name: name, table: site.table, address: site.address, type: site.type,
            length: site.length,
            coding: site.coding, text: site.text, rules: site.rules)
        point.order = readOrder(&cursor, site)
        point.byte = readByte(&cursor, site)
        point.bits = readBits(&cursor, &point)
        point.map = readMap(&cursor, site)
        point.invalid = readInvalid(&cursor, site)
        readNumbers(&cursor, &point)
        point.units = cursor.string("units")
        point.interval = cursor.duration("every", in: Self.intervals) ?? context.every
        point.priority = cursor.bool("priority", default: false)
        point.hidden = cursor.bool("hidden", default: false)
        point.onChange = cursor.bool("onChange", default: false)
        point.heartbeat = cursor.duration("heartbeat", in: .seconds(1)...(.seconds(30 * 86_400)))
        if point.heartbeat != nil, point.deadband == nil, !point.onChange,
            let field = cursor.take("heartbeat")
        {
            problems.warning(
                field.keyPlace, "\"heartbeat\" does nothing without \"deadband\" or \"onChange\"")
        }
        point.writable = readWritable(&cursor, point)
        readWriteOnly(&cursor, &point)
        point.safe = readSafe(&cursor, point)
        return point
    }

    /// `scaleFrom` must name another number of the same node that is not scaled itself.
    private func checkScales(_ points: [ReadPoint]) {
        let named = Dictionary(points.map { ($0.point.name, $0.point) }) { first, _ in first }
        for each in points {
            let point = each.point
            guard let field = each.scaleFrom, let name = field.json.string else { continue }
            guard let source = named[name] else {
                let guess = Suggestion.clause(for: name, in: points.map { $0.point.name })
                problems.error(
                    field.place,
                    "\"scaleFrom\" names \"\(Notice.printable(name))\", and this node has no such point"
                        + guess)
                continue
            }
            if !source.isRead {
                problems.error(
                    field.place, "\"scaleFrom\": \"\(name)\" is written only and never read")
            } else if name == point.name {
                problems.error(field.place, "\"scaleFrom\" names the point itself")
            } else if !source.type.isNumber || source.type.isFloat || source.type.hasExponent {
                problems.error(
                    field.place,
                    "\"scaleFrom\": \"\(name)\" must be an integer type, not \(source.type.rawValue)"
                )
            } else if source.scaleFrom != nil {
                problems.error(field.place, "\"scaleFrom\": \"\(name)\" has a \"scaleFrom\" itself")
            }
        }
    }
}
