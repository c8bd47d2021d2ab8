import Base

/// The ids of the commands that came lately, with their results, so that a command that comes twice
/// (QoS 1 may repeat it, also over a restart) is executed once and answered twice with the same words.
struct CommandMemory: Sendable {
    static let perDevice = 1024
    /// Ids and results of all devices together; a device that is over it forgets its own oldest.
    static let bytesMax = 8 << 20
    /// The newest of a device's go into its document, which outlives the process.
    static let documentMax = 224 << 10
    /// For each id beside its text.
    private static let overhead = 64

    enum State: Sendable, Equatable {
        case underWay
        case done(body: [UInt8])
    }

    struct Key: Hashable, Sendable {
        var device: DeviceID
        var id: String
    }

    /// The result after a restart of a command that was under way at the end: nobody knows.
    static let interrupted = "the gateway was restarted while this command was under way; "
        + "it may or may not have been carried out, and it is not repeated"

    private struct Ring: Sendable {
        var ids: [String] = []
        var start = 0
    }

    private var states: [Key: State] = [:]
    private var rings: [DeviceID: Ring] = [:]
    private(set) var bytes = 0
    /// Devices whose document has changed.
    private var changed: Set<DeviceID> = []

    subscript(key: Key) -> State? { states[key] }

    mutating func remember(_ key: Key, _ state: State) {
        changed.insert(key.device)
        if let old = states.updateValue(state, forKey: key) {
            bytes += Self.size(key, state) - Self.size(key, old)
            return
        }
        bytes += Self.size(key, state)
        rings[key.device, default: Ring()].ids.append(key.id)
        while let ring = rings[key.device], ring.ids.count - ring.start > 1,
            ring.ids.count - ring.start > Self.perDevice || bytes > Self.bytesMax
        { forgetOldest(of: key.device) }
    }

    private mutating func forgetOldest(of device: DeviceID) {
        guard var ring = rings.removeValue(forKey: device) else { return }
        let key = Key(device: device, id: ring.ids[ring.start])
        if let old = states.removeValue(forKey: key) { bytes -= Self.size(key, old) }
        ring.start += 1
        if ring.start > Self.perDevice {
            ring.ids.removeFirst(ring.start)
            ring.start = 0
        }
        rings[device] = ring
    }

    private static func size(_ key: Key, _ state: State) -> Int {
        var size = overhead + key.id.utf8.count
        if case .done(let body) = state { size += body.count }
        return size
    }

    // MARK: over a restart

    mutating func takeChanged() -> [DeviceID] {
        guard !changed.isEmpty else { return [] }
        defer { changed.removeAll() }
        return changed.sorted()
    }

    /// `[["c-1","…result…"],["c-2",null],…]`, oldest first; null was under way.
    func document(of device: DeviceID) -> [UInt8] {
        guard let ring = rings[device] else { return Array("[]".utf8) }
        var room = Self.documentMax
        var first = ring.ids.count
        while first > ring.start, let state = states[Key(device: device, id: ring.ids[first - 1])] {
            // Quotation marks and backslashes double; results hold few others that need an escape.
            room -= 2 * Self.size(Key(device: device, id: ring.ids[first - 1]), state)
            guard room >= 0 else { break }
            first -= 1
        }
        var writer = JSONWriter()
        writer.array { writer in
            for id in ring.ids[first...] {
                writer.array { writer in
                    writer.string(id)
                    if case .done(let body)? = states[Key(device: device, id: id)] {
                        writer.string(String(decoding: body, as: UTF8.self))
                    } else {
                        writer.null()
                    }
                }
            }
        }
        return writer.bytes
    }

    /// What an earlier run remembered of a device.
    mutating func restore(_ document: [UInt8], of device: DeviceID) {
        guard let rows = try? JSONReader.parse(document).array else { return }
        for row in rows.suffix(Self.perDevice) {
            guard let cells = row.array, cells.count == 2, let id = cells[0].string,
                (1...Command.identifierBytesMax).contains(id.utf8.count)
            else { continue }
            let key = Key(device: device, id: id)
            guard states[key] == nil else { continue }
            let body = cells[1].string.map { Array($0.utf8) }
                ?? CommandResult.body(id: id, origin: .bridge, values: [], error: Self.interrupted)
            remember(key, .done(body: body))
        }
    }
}
