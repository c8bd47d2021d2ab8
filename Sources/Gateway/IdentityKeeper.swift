import Base
import Drivers

/// Whether the unit at an address is still the one that the configuration means (`identify` on a
/// node). Until it has been recognised its readings are kept back, so that a meter that was
/// exchanged gives none to the wrong device.
///
/// | state | becomes |
/// |---|---|
/// | unknown | asking, at the next reading |
/// | asking | known; strange; unknown if the answers did not come |
/// | known | asking after `validity`; unknown when the unit misses a reply or goes offline |
/// | strange | asking again, at the next reading after `pause` |
struct IdentityKeeper: Sendable {
    /// A unit that never misses a reply is asked again after this.
    static let validity = Duration.seconds(600)
    /// Between two questions to a stranger.
    static let pause = Duration.seconds(30)
    /// Readings kept back until the answers are there.
    static let heldMax = 16

    enum Output: Sendable {
        case submit(Order)
        case release(Reading)
        /// The unit is recognised, or a stranger answers: what to say about the latter.
        case changed(Address, strange: String?)
        /// The firmware that is known of the unit has changed.
        case firmware(Address)
    }

    private enum State: Sendable {
        case unknown
        case asking(until: Instant)
        case known(until: Instant)
        case strange(until: Instant)
    }

    private struct Watch: Sendable {
        var fingerprints: [Fingerprint]
        var state = State.unknown
        /// Why it was last a stranger; kept while it is asked again.
        var strange: String?
        /// The one reading that says so has been published.
        var isTold = false
        var held: [Reading] = []
        /// By the id of the order on its way: which fingerprint it is for.
        var open: [UInt64: Int] = [:]
        var complaints: [String] = []
        var isUndecided = false
        /// Firmware according to the answers so far.
        var heardFirmware: String?
        /// Firmware that is believed, once the unit is recognised.
        var firmware: String?
    }

    /// An answer can be so long under way, its retries and the polls before it included.
    private static let patience = Duration.seconds(30)

    /// Commands count their orders from 1; ours have this bit.
    private static let idBit: UInt64 = 1 << 62

    private var watches: [Address: Watch] = [:]
    private var lastID = Self.idBit
    private var outputs: [Output] = []

    init(_ ports: [Configuration.Port]) { rebind(ports) }

    /// Other nodes; what is known of those that stay, stays.
    mutating func rebind(_ ports: [Configuration.Port]) {
        var wanted: [Address: [Fingerprint]] = [:]
        for port in ports {
            for node in port.nodes where !node.identify.isEmpty {
                wanted[Address(port: port.name, unit: node.unit), default: []] += node.identify
            }
        }
        for (address, watch) in watches where wanted[address] != watch.fingerprints {
            release(address, refused: true)
            watches[address] = nil
        }
        for (address, fingerprints) in wanted where watches[address] == nil {
            watches[address] = Watch(fingerprints: fingerprints)
        }
    }

    var isEmpty: Bool { watches.isEmpty }
    var hasOutputs: Bool { !outputs.isEmpty }

    mutating func next() -> Output? { outputs.isEmpty ? nil : outputs.removeFirst() }

    /// Word that `status` shows; nil where nothing is watched.
    func word(_ address: Address) -> String? {
        guard let watch = watches[address] else { return nil }
        if let strange = watch.strange { return strange }
        if case .known = watch.state { return "recognised" }
        return "not recognised yet"
    }

    func strange(_ address: Address) -> String? { watches[address]?.strange }

    /// The revision that the unit tells by function 43/14, or what it tells by 17; nil while it is
    /// not recognised.
    func firmware(_ address: Address) -> String? { watches[address]?.firmware }

    /// Whether something may be written there.
    func mayWrite(_ address: Address) -> Bool {
        guard let watch = watches[address] else { return true }
        if case .asking = watch.state { return watch.strange == nil && watch.held.isEmpty }
        if case .known = watch.state { return true }
        return false
    }

    /// The unit was silent: whoever answers next is asked who it is.
    mutating func suspect(_ address: Address) {
        guard watches[address] != nil, watches[address]?.strange == nil else { return }
        if case .known = watches[address]?.state { watches[address]?.state = .unknown }
    }

    /// A reading that is to go on; nil: it is kept back, or refused for good.
    mutating func receive(_ reading: Reading, at now: Moment) -> Reading? {
        let address = reading.address
        guard watches[address] != nil else { return reading }
        let isHeard = reading.parts.contains {
            if case .success = $0.result { true } else { false }
        }
        if reading.parts.contains(where: { Self.isSilence($0.result) }) { suspect(address) }
        // Nothing was read, so nothing can be mistaken.
        guard isHeard else { return reading }
        switch watches[address]?.state {
        case .known(let until) where now.instant < until: return reading
        case .strange(let until) where now.instant < until: return nil
        case .asking(let until) where now.instant < until:
            hold(reading)
            return nil
        default:
            hold(reading)
            ask(address, at: now)
            return nil
        }
    }

    private mutating func hold(_ reading: Reading) {
        guard let count = watches[reading.address]?.held.count else { return }
        if count >= Self.heldMax { watches[reading.address]?.held.removeFirst() }
        watches[reading.address]?.held.append(reading)
    }

    private static func isSilence(_ result: Result<[UInt8], ReadFailure>) -> Bool {
        guard case .failure(let failure) = result else { return false }
        return failure == .timeout || failure == .offline || failure == .port
    }

    // MARK: asking

    private mutating func ask(_ address: Address, at now: Moment) {
        guard var watch = watches[address] else { return }
        watch.open = [:]
        watch.complaints = []
        watch.isUndecided = false
        watch.heardFirmware = nil
        for (index, fingerprint) in watch.fingerprints.enumerated() {
            lastID += 1
            watch.open[lastID] = index
            var order = Order(
                id: lastID, address: address, table: .frame, start: 0,
                data: .custom(function: 17, []),
                expires: now.instant + Self.patience)
            switch fingerprint {
            case .value(let point, _):
                order.table = point.table
                order.start = point.address
                order.data = .nothing(count: point.count)
            case .identification: order.data = .custom(function: 43, [14, 1, 0])
            case .serverID: break
            }
            outputs.append(.submit(order))
        }
        watch.state = .asking(until: now.instant + Self.patience * 2)
        watches[address] = watch
    }

    /// False if it belongs to somebody else.
    mutating func receive(_ outcome: Outcome) -> Bool {
        guard outcome.id & Self.idBit != 0,
            let address = watches.first(where: { $0.value.open[outcome.id] != nil })?.key,
            let index = watches[address]?.open.removeValue(forKey: outcome.id),
            let fingerprint = watches[address]?.fingerprints[index]
        else { return false }
        switch outcome.result {
        case .success(let part?):
            if let complaint = fingerprint.complaint(about: part) {
                watches[address]?.complaints.append(complaint)
            }
            if let identity = fingerprint.identity(in: part),
                let revision = identity.revision ?? identity.server
            {
                watches[address]?.heardFirmware = revision
            }
        case .failure(.read(.exception(let code))):
            watches[address]?.complaints.append(
                "it answers the question who it is with exception \(code)")
        case .success(nil), .failure: watches[address]?.isUndecided = true
        }
        if watches[address]?.open.isEmpty == true { decide(address, at: outcome.at.instant) }
        return true
    }

    private mutating func decide(_ address: Address, at now: Instant) {
        guard var watch = watches[address] else { return }
        let known = watch.firmware
        defer { if watches[address]?.firmware != known { outputs.append(.firmware(address)) } }
        if let complaint = watch.complaints.first {
            let isNews = watch.strange != complaint
            watch.strange = complaint
            watch.firmware = nil
            watch.state = .strange(until: now + Self.pause)
            watches[address] = watch
            release(address, refused: true)
            if isNews { outputs.append(.changed(address, strange: complaint)) }
        } else if watch.isUndecided {
            // Silent again: what it said before could be anybody's.
            watch.state = .unknown
            watches[address] = watch
            release(address, refused: true)
        } else {
            let wasStrange = watch.strange != nil
            watch.strange = nil
            watch.firmware = watch.heardFirmware
            watch.isTold = false
            watch.state = .known(until: now + Self.validity)
            watches[address] = watch
            if wasStrange { outputs.append(.changed(address, strange: nil)) }
            release(address, refused: false)
        }
    }

    /// Releases the held readings with their values. With `refused` it releases one at most, with
    /// the reason why there are no values. The failure is reported once and not at every cycle.
    private mutating func release(_ address: Address, refused: Bool) {
        let held = watches[address]?.held ?? []
        watches[address]?.held = []
        for reading in held {
            guard refused else {
                outputs.append(.release(reading))
                continue
            }
            if watches[address]?.isTold == true { continue }
            watches[address]?.isTold = true
            var empty = reading
            for index in empty.parts.indices { empty.parts[index].result = .failure(.identity) }
            outputs.append(.release(empty))
        }
    }
}

extension Fingerprint {
    /// Identity in the answer to function 43/14 or 17; nil where neither was asked or nothing came.
    func identity(in part: ReadPart) -> DeviceIdentity? {
        guard case .success(let data) = part.result else { return nil }
        var identity = DeviceIdentity()
        switch self {
        case .identification: identity.take(identification: data)
        case .serverID: identity.take(serverID: data)
        case .value: return nil
        }
        return identity
    }

    /// Why what the unit answered is not what is expected; nil if it is.
    func complaint(about part: ReadPart) -> String? {
        switch self {
        case .value(let point, _):
            guard !accepts(part) else { return nil }
            let bytes = (try? part.result.get()) ?? []
            return
                "another device answers: \(point.table.rawValue) \(point.address) is \(Hex.encode(bytes)) in hexadecimal"
        case .identification, .serverID:
            guard let identity = identity(in: part) else { return "it does not say who it is" }
            let isRight =
                switch self {
                case .serverID: accepts(serverID: identity.serverBytes)
                default: accepts(vendor: identity.vendor ?? "", product: identity.product ?? "")
                }
            if isRight { return nil }
            return
                "another device answers: it says \"\(Notice.printable(identity.isEmpty ? "nothing" : identity.text))\""
        }
    }
}
