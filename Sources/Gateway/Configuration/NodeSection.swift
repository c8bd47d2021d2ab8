import Adapter
import Base
import Drivers

extension ConfigurationReader {
    mutating func readNodes(_ field: Field, of port: PortContext) -> [Configuration.Node] {
        guard let cursor = ObjectCursor(field, "\"nodes\"", problems) else { return [] }
        if cursor.fields.isEmpty, !problems.hasDroppedNodes {
            problems.warning(
                field.place, "port \"\(port.name)\" has no nodes: nothing will be read")
        }
        if port.driver == .uart, cursor.fields.count > 255 {
            problems.error(
                field.place, "a UART port has at most 255 nodes, not \(cursor.fields.count)")
        }
        var nodes: [Configuration.Node] = []
        var places: Set<FilePlace> = []
        for (index, member) in cursor.fields.enumerated()
        where pointsRead <= ServiceLimits.pointsMax {
            let isRepeat = !places.insert(member.keyPlace).inserted
            guard
                let node = problems.repeating(
                    isRepeat, { readNode(member, of: port, index: index) })
            else { continue }
            nodes.append(node)
            count(node)
        }
        return nodes
    }

    mutating func readNode(
        _ field: Field, of port: PortContext, index: Int
    ) -> Configuration.Node? {
        let device = deviceID(field.name, at: field.keyPlace, "the device ID")
        guard var cursor = ObjectCursor(field, "node \"\(Notice.printable(field.name))\"", problems)
        else {
            return nil
        }
        let pointsKey: ByteString = port.driver == .uart ? "fields" : "points"
        let reference = cursor.take("profile").flatMap {
            ProfileParameterReader(problems: problems).reference($0)
        }
        let profileName = reference?.name
        let profile = reference.flatMap { loadProfile($0, driver: port.driver) }
        if let profile { cursor.inherit(profile, except: [pointsKey]) }

        let unit = port.driver == .uart ? UnitID(index + 1) : readUnit(&cursor, on: port)
        let share = cursor.bool("share", default: false)
        let every = cursor.duration("every", in: Self.intervals) ?? port.every
        let timeout = readTimeout(&cursor, port)
        let turnaround = cursor.duration("turnaround", in: .zero...(.seconds(10)))
        let privateKey = cursor.take("privateKey").flatMap { key($0, .privateKey, cursor) }
        var context = NodeContext(driver: port.driver, every: every)
        var (maxBits, noMerge, delay) = (2000, false, Duration.zero)
        var manners = UnitManners()
        if port.driver == .uart {
            let key = readKey(&cursor)
            context.key = key
            context.split = commonSplit(cursor, profile)
            context.uart = readUART(&cursor, key)
        } else {
            context.maxRegisters =
                cursor.integer("maxRegisters", in: 1...125) ?? context.maxRegisters
            context.base = cursor.integer("base", in: 0...65_535) ?? 0
            maxBits = cursor.integer("maxBits", in: 1...2000) ?? maxBits
            noMerge = cursor.bool("noMerge", default: false)
            delay = cursor.duration("delay", in: .zero...(.seconds(1))) ?? .zero
            manners = readManners(&cursor)
            context.ranges = readRanges(&cursor, base: context.base)
        }
        let identify = readIdentify(&cursor, driver: port.driver, profile: profileName)
        let points = problems.quietly(reference != nil && profile == nil) {
            readPoints(pointsKey, &cursor, profile: profile, in: context)
        }
        if port.driver == .uart { readUARTAddress(&cursor, &context) }
        if points == nil, !cursor.has("profile") || profile != nil {
            _ = cursor.require(pointsKey)
        }
        var binding = Binding(
            device: device ?? Self.nobody,
            address: Address(port: port.name, unit: unit ?? Self.anyUnit),
            points: points ?? [])
        if port.driver == .modbusRTU {
            binding.actions = readActions(pointsKey, cursor, profile: profile)
            binding.setup = readSetup(&cursor, binding, base: context.base)
        }
        checkSafeValues(binding, at: field.keyPlace)
        cursor.finish()
        guard let device, let unit else { return nil }
        var node = Configuration.Node(
            device: device, place: field.keyPlace, unit: unit, share: share, every: every,
            profile: profileName, points: points ?? [], actions: binding.actions,
            setup: binding.setup, identify: identify,
            maxRegisters: context.maxRegisters, maxBits: maxBits, noMerge: noMerge,
            ranges: context.ranges,
            turnaround: turnaround, responseTimeout: timeout, privateKey: privateKey, delay: delay,
            uart: context.uart)
        node.manners = manners
        return node
    }

    private func readTimeout(_ cursor: inout ObjectCursor, _ port: PortContext) -> Duration? {
        let timeout = cursor.duration("responseTimeout", in: .milliseconds(1)...(.seconds(60)))
        port.checks?.checkTimeout(
            cursor.take("responseTimeout"), timeout, isModbus: port.driver == .modbusRTU)
        return timeout
    }

    private enum Acknowledgement: String, CaseIterable { case strict, lenient }

    /// `answersAs: 0` and `acknowledge: "lenient"`: units that do not keep to the standard.
    private func readManners(_ cursor: inout ObjectCursor) -> UnitManners {
        let answersAs = cursor.integer("answersAs", in: 0...255)
        let acknowledgement = cursor.choice("acknowledge", default: Acknowledgement.strict)
        return UnitManners(
            answersAs: answersAs.map { UInt8($0) }, isLenient: acknowledgement == .lenient)
    }

    /// `true` is what the profile says; a profile alone checks nothing, because what it knows may
    /// be a voltage that is not always there.
    private mutating func readIdentify(
        _ cursor: inout ObjectCursor, driver: Configuration.Port.Driver, profile: ByteString?
    ) -> [Fingerprint] {
        guard let field = cursor.take("identify") else { return [] }
        guard driver == .modbusRTU else {
            problems.error(
                field.keyPlace,
                "\"identify\" is for Modbus units; here \"address\" tells whose frame it is")
            return []
        }
        if field.json.bool == false { return [] }
        guard field.json.bool == true else {
            return cursor.items(of: field).flatMap { readIdentity($0) }
        }
        let found = profile.flatMap { shelf.fingerprints[$0] } ?? []
        if found.isEmpty {
            problems.error(field.place, "the profile does not say how its device is recognised")
        }
        return found
    }

    /// Reads the match that tells this node's frames from its neighbours'. Its items are cut like
    /// those of the node's fields.
    private func readUARTAddress(_ cursor: inout ObjectCursor, _ context: inout NodeContext) {
        guard let field = cursor.take("address") else { return }
        let address = readMatch(
            field, frame: context.uart?.frame, split: context.split, relations: [.equals, .ends],
            context.key)
        context.uart?.address = address
    }

    /// Where the first field that says so is cut; at commas if none does.
    private func commonSplit(_ node: ObjectCursor, _ profile: ObjectCursor?) -> ItemSplit {
        for owner in [node, profile].compactMap({ $0 }) {
            let fields = owner.fields.first { $0.name == "fields" }?.json.members ?? []
            let members = fields.flatMap { $0.value.members ?? [] }
            let word = members.first { $0.name == "split" }?.value.string
            if let split = word.flatMap({ ItemSplit(word: $0) }) { return split }
        }
        return .mark([0x2C])
    }

    /// 1–247; 248–255 are reserved and 0 is broadcast (MODBUS over Serial Line V1.02, section 2.2).
    /// A device that speaks Modbus TCP by itself is 255, or 0 (Messaging on TCP/IP Implementation
    /// Guide V1.0b, section 4.4.2.1).
    private func readUnit(_ cursor: inout ObjectCursor, on port: PortContext) -> UnitID? {
        let isBroadcast = cursor.bool("broadcast", default: false)
        guard let field = cursor.require("unit") else { return nil }
        if isBroadcast {
            if field.json.integer == 0 { return .broadcast }
            problems.error(field.place, "\"broadcast\" goes with unit 0, which all units listen to")
            return nil
        }
        guard field.json.integer == 0 else {
            guard let value = cursor.integer(of: field, in: 1...255), let unit = UnitID(value)
            else {
                return nil
            }
            if unit.isReserved, !(port.isModbusTCP && value == 255) {
                problems.warning(
                    field.place, "unit \(unit) is reserved (248 to 255); few devices answer there")
            }
            return unit
        }
        if port.isModbusTCP { return .zero }
        problems.error(
            field.place,
            "unit 0 is broadcast and never answers; units are 1 to 247. "
                + "For points that are written to all units at once say broadcast: true")
        return nil
    }

    // MARK: what one request may span

    /// `ranges: { holding: [[0, 99], [200, 299]], coil: [0, 15] }`: first and last address of what
    /// one request may span, counted like the addresses of the node's points. Tables that are not
    /// named are readable everywhere.
    func readRanges(_ cursor: inout ObjectCursor, base: Int) -> [Table: [ClosedRange<Int>]] {
        guard var tables = cursor.object("ranges") else { return [:] }
        var ranges: [Table: [ClosedRange<Int>]] = [:]
        for table in [Table.coil, .discrete, .input, .holding] {
            guard let field = tables.take(ByteString(table.rawValue)) else { continue }
            let items = tables.items(of: field)
            // One pair may stand without its outer brackets.
            let pairs = items.first?.json.array == nil ? [field] : items
            let found = pairs.compactMap { readRange($0, tables) }
            if found.count == pairs.count {
                ranges[table] = found.map { $0.lowerBound + base...$0.upperBound + base }
            }
        }
        tables.finish()
        return ranges
    }

    private func readRange(_ field: Field, _ tables: ObjectCursor) -> ClosedRange<Int>? {
        let ends = tables.items(of: field)
        guard field.json.array != nil, ends.count == 2 else {
            problems.error(
                field.place,
                "a range is first and last address, such as [0, 99], not \(field.json.describe)")
            return nil
        }
        guard let first = tables.integer(of: ends[0], in: 0...65_535),
            let last = tables.integer(of: ends[1], in: 0...65_535)
        else { return nil }
        guard first <= last else {
            problems.error(field.place, "the range [\(first), \(last)] ends before it begins")
            return nil
        }
        return first...last
    }

    /// A point that no range holds would be asked for in vain.
    func checkReadable(
        _ table: Table, _ address: Int, _ count: Int, at field: Field, _ what: String,
        _ ranges: [Table: [ClosedRange<Int>]]
    ) {
        guard let allowed = ranges[table] else { return }
        let last = address + count - 1
        if allowed.contains(where: { $0.lowerBound <= address && last <= $0.upperBound }) { return }
        let list = allowed.map { "[\($0.lowerBound), \($0.upperBound)]" }.joined(separator: ", ")
        let place = count == 1 ? "\(address) is" : "\(address) to \(last) are"
        problems.error(
            field.place,
            "\(what): \(table.rawValue) \(place) not inside one of the node's ranges \(list)")
    }
}
