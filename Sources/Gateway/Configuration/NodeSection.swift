import Adapter
import Base
import Drivers

extension ConfigurationReader {
    mutating func readNodes(_ field: Field, of port: PortContext) -> [Configuration.Node] {
        guard let cursor = ObjectCursor(field, "\"nodes\"", problems) else { return [] }
        if cursor.fields.isEmpty {
            problems.warning(field.place, "port \"\(port.name)\" has no nodes: nothing will be read")
        }
        if port.driver == .uart, cursor.fields.count > 255 {
            problems.error(field.place, "a UART port has at most 255 nodes, not \(cursor.fields.count)")
        }
        var nodes: [Configuration.Node] = []
        for (index, member) in cursor.fields.enumerated() {
            if let node = readNode(member, of: port, index: index) { nodes.append(node) }
        }
        return nodes
    }

    private mutating func readNode(
        _ field: Field, of port: PortContext, index: Int
    ) -> Configuration.Node? {
        let device = deviceID(field.name, at: field.keyPlace, "the device ID")
        guard var cursor = ObjectCursor(field, "node \"\(Notice.printable(field.name))\"", problems) else {
            return nil
        }
        let pointsKey = port.driver == .uart ? "fields" : "points"
        let profileName = cursor.string("profile")
        let profile = cursor.take("profile").flatMap { loadProfile($0, driver: port.driver) }
        if let profile { cursor.inherit(profile, except: [pointsKey]) }

        let unit = port.driver == .uart ? UnitID(index + 1) : readUnit(&cursor)
        let share = port.driver == .uart ? false : cursor.bool("share", default: false)
        let every = cursor.duration("every", in: Self.intervals) ?? port.every
        let timeout = cursor.duration("responseTimeout", in: .milliseconds(1)...(.seconds(60)))
        let turnaround = cursor.duration("turnaround", in: .zero...(.seconds(10)))
        let privateKey = cursor.located("privateKey").map { keep($0, .privateKey) }
        var maxRegisters = 125
        var maxBits = 2000
        var noMerge = false
        var uart: UARTProtocol?
        if port.driver == .uart {
            uart = readUART(&cursor)
        } else {
            maxRegisters = cursor.integer("maxRegisters", in: 1...125) ?? maxRegisters
            maxBits = cursor.integer("maxBits", in: 1...2000) ?? maxBits
            noMerge = cursor.bool("noMerge", default: false)
        }
        let context = NodeContext(driver: port.driver, every: every, maxRegisters: maxRegisters, uart: uart)
        let points = readPoints(pointsKey, &cursor, profile: profile, in: context)
        if points == nil, !cursor.has("profile") || profile != nil {
            _ = cursor.require(pointsKey)
        }
        cursor.finish()
        guard let device, let unit else { return nil }
        return Configuration.Node(
            device: device, place: field.keyPlace, unit: unit, share: share, every: every,
            profile: profileName, points: points ?? [], maxRegisters: maxRegisters, maxBits: maxBits,
            noMerge: noMerge, turnaround: turnaround, responseTimeout: timeout, privateKey: privateKey,
            uart: uart)
    }

    /// 1–247; 248–255 are reserved and 0 is broadcast (MODBUS over Serial Line V1.02, section 2.2).
    private func readUnit(_ cursor: inout ObjectCursor) -> UnitID? {
        guard let field = cursor.require("unit") else { return nil }
        guard field.json.integer == 0 else {
            guard let value = cursor.integer(of: field, in: 1...255), let unit = UnitID(value) else {
                return nil
            }
            if unit.isReserved {
                problems.warning(
                    field.place, "unit \(unit) is reserved (248 to 255); few devices answer there")
            }
            return unit
        }
        problems.error(field.place, "unit 0 is broadcast and never answers; units are 1 to 247")
        return nil
    }

    /// A profile's members, to stand under a node's own. Reported once where a node names it.
    private mutating func loadProfile(
        _ field: Field, driver: Configuration.Port.Driver
    ) -> ObjectCursor? {
        guard let name = field.json.string, !name.isEmpty else { return nil }
        if profiles[name] == nil {
            switch loader(name) {
            case .success(let file): profiles[name] = .some(parse(file.bytes, file: file.path))
            case .failure(let failure):
                profiles[name] = .some(nil)
                problems.error(field.place, "profile \"\(Notice.printable(name))\" \(failure.message)")
            }
        }
        guard let root = profiles[name] ?? nil, var cursor = ObjectCursor(root, "the profile", problems)
        else {
            return nil
        }
        for key in ["name", "description", "manual"] { _ = cursor.string(key) }
        if let wanted = cursor.string("driver"), wanted != driver.rawValue {
            problems.error(
                field.place,
                "profile \"\(name)\" is for driver \"\(wanted)\", this port has \"\(driver.rawValue)\"")
        }
        for key in ["unit", "share", "profile", "privateKey"] {
            if let wrong = cursor.take(key) {
                problems.error(wrong.keyPlace, "\"\(key)\" belongs to a node, not to a profile")
            }
        }
        let own: Set = ["name", "description", "manual", "driver", "unit", "share", "profile", "privateKey"]
        cursor.remove { own.contains($0.name) }
        return cursor
    }
}
