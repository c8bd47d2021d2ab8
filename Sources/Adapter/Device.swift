import Base

/// One bound device: its compiled points and what is known about each.
struct Device: Sendable {
    /// State of one point after its last readings.
    struct PointState: Sendable {
        var json: [UInt8] = []
        var number: Double?
        var at: Moment?
        var bad: ReadFailure?
        /// Time of the reading that was last published, for dead bands; nil makes the next good
        /// value pass.
        var sentAt: Instant?
        /// Registers of the last good value, the first in the highest place.
        var raw: UInt64 = 0
        /// Number that was last published, for dead bands.
        var sentNumber: Double?
        /// JSON text that was last published, for dead bands.
        var sentJSON: [UInt8] = []

        /// Looked up once: it is done for every value.
        mutating func become(_ text: ArraySlice<UInt8>, _ number: Double?, at moment: Moment) {
            if json.count == text.count {
                for (index, byte) in text.enumerated() { json[index] = byte }
            } else {
                json.removeAll(keepingCapacity: true)
                json.append(contentsOf: text)
            }
            self.number = number
            at = moment
            bad = nil
        }
    }

    let binding: Binding
    private let decoders: [Decoder]
    /// `"name":` ready to be copied.
    private let keys: [[UInt8]]
    private let factors: [Int?]
    /// Per point the one that tells its sign.
    private let signs: [Int?]
    private let isHidden: [Bool]
    private let hasPriority: [Bool]
    private let filters: [Filter?]
    var states: [PointState]
    private var badText: [UInt8] = []
    private var sizeGuess = 64

    init(_ binding: Binding) {
        self.binding = binding
        let points = binding.points
        decoders = points.map(Decoder.init)
        keys = points.map { point in
            var key: [UInt8] = []
            JSONWriter.append(point.name.string, to: &key)
            return key + [0x3A]
        }
        let places = Dictionary(
            points.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        factors = points.map { point in point.scaleFrom.flatMap { places[$0] } }
        signs = points.map { point in point.coding.negativeIf.flatMap { places[$0.point] } }
        isHidden = points.map(\.hidden)
        hasPriority = points.map(\.priority)
        filters = points.map(Filter.init)
        states = points.map { _ in PointState() }
    }

    /// Takes over what `old` knows of points of the same name and meaning.
    init(_ binding: Binding, inheriting old: Device?) {
        if let old, old.binding == binding {
            self = old
            return
        }
        self.init(binding)
        guard let old else { return }
        let places = Dictionary(
            old.binding.points.enumerated().map { ($1.name, $0) },
            uniquingKeysWith: { first, _ in first })
        for (index, point) in binding.points.enumerated() {
            guard let place = places[point.name],
                old.binding.points[place].hasSameMeaning(as: point)
            else { continue }
            states[index] = old.states[place]
        }
    }

    func place(of name: ByteString) -> Int? { binding.points.firstIndex { $0.name == name } }

    var lastValues: [LastValue] {
        states.indices.filter { binding.points[$0].isRead }.map { index in
            let (point, state) = (binding.points[index], states[index])
            var value = LastValue(
                name: point.name, units: point.units, at: state.at, bad: state.bad)
            guard state.at != nil else { return value }
            value.json = String(decoding: state.json, as: UTF8.self)
            value.registers = decoders[index].registers(of: state.raw)
            return value
        }
    }

    var health: (good: Int, bad: Int) {
        states.reduce(into: (0, 0)) { count, state in
            if state.bad != nil { count.1 += 1 } else if state.at != nil { count.0 += 1 }
        }
    }

    /// Nil when every point is withheld by its dead band, or none was asked for.
    mutating func receive(_ reading: Reading, _ points: [Int]) -> Telemetry? {
        var body: [UInt8] = []
        body.reserveCapacity(sizeGuess)
        body.append(contentsOf: #""values":{"#.utf8)
        badText.removeAll(keepingCapacity: true)
        var good = 0
        var bad = 0
        var priority = false
        var goodAt: Moment?
        var badAt: Moment?
        var source = PointSource()
        for point in points {
            let decoder = decoders[point]
            var at: Moment?
            var verdict = Verdict.bad(.format)
            let start = body.count
            if good > 0 { body.append(0x2C) }
            body.append(contentsOf: keys[point])
            let text = body.count
            if source.finds(decoder, in: reading) {
                verdict = decode(point, decoder, source, reading, into: &body)
                at = source.at
                if case .bad = verdict, reading.isPartial, isSignUnread(point, reading) {
                    body.removeLast(body.count - start)
                    continue
                }
                if goodAt.map({ $0.instant < source.at.instant }) ?? true { goodAt = source.at }
            } else if let failure = source.failure {
                verdict = .bad(failure.word)
                at = failure.at
            } else if reading.isPartial {
                body.removeLast(body.count - start)
                continue
            }
            if case .bad(let word) = verdict {
                body.removeLast(body.count - start)
                fail(point, word)
                guard !isHidden[point] else { continue }
                tell(point, word)
                bad += 1
                if let at, badAt.map({ $0.instant < at.instant }) ?? true { badAt = at }
                priority = priority || hasPriority[point]
            } else if let at,
                keep(point, verdict, body[text...], raw: source.raw(of: decoder), at: at),
                !isHidden[point]
            {
                good += 1
                priority = priority || hasPriority[point]
            } else {
                body.removeLast(body.count - start)
            }
        }
        guard good > 0 || bad > 0, let at = goodAt ?? badAt ?? reading.parts.last?.at else {
            return nil
        }
        body.append(0x7D)
        if bad > 0 {
            body.append(contentsOf: #","bad":{"#.utf8)
            body.append(contentsOf: badText)
            body.append(0x7D)
        }
        sizeGuess = max(sizeGuess, min(body.count + 16, 65536))
        return Telemetry(
            device: binding.device, body: body, at: at, priority: priority, good: good, bad: bad)
    }

    private func decode(
        _ point: Int, _ decoder: Decoder, _ source: PointSource, _ reading: Reading,
        into out: inout [UInt8]
    ) -> Verdict {
        var factor = Factor()
        if decoder.usesScaleFactor {
            switch scaleFactor(of: point) {
            case .success(let value): factor.exponent = value
            case .failure(let word): return .bad(word)
            }
        }
        if let match = decoder.signMatch {
            switch sign(of: point, match, reading) {
            case .success(let value): factor.isNegative = value
            case .failure(let word): return .bad(word)
            }
        }
        return decoder.decode(
            source.bytes, at: decoder.position(from: source.address, size: source.bytes.count),
            factor: factor, into: &out)
    }

    /// Whether the point that tells the sign says "negative" in the same reading: an older word of
    /// it would turn a value around.
    private func sign(
        of point: Int, _ match: PointMatch, _ reading: Reading
    ) -> Result<Bool, ReadFailure> {
        guard let index = signs[point] else { return .failure(.invalid) }
        let decoder = decoders[index]
        var source = PointSource()
        guard source.finds(decoder, in: reading) else {
            return .failure(source.failure?.word ?? .format)
        }
        var scratch: [UInt8] = []
        let place = decoder.position(from: source.address, size: source.bytes.count)
        switch decoder.decode(source.bytes, at: place, factor: Factor(), into: &scratch) {
        case .number(let number): return .success(match.holds(for: number))
        case .other: return .failure(.invalid)
        case .bad(let word): return .failure(word)
        }
    }

    /// Whether a partial reading has nothing of the point that tells the sign.
    private func isSignUnread(_ point: Int, _ reading: Reading) -> Bool {
        guard let index = signs[point] else { return false }
        return !reading.parts.contains { decoders[index].touches($0) }
    }

    /// The power of ten of another point: −10 to 10 (SunSpec Device Information Model, sunssf).
    /// One that is read in another interval stays known when a later read of it fails; one that the
    /// device itself calls invalid does not.
    func scaleFactor(of point: Int) -> Result<Int, ReadFailure> {
        guard let source = factors[point] else { return .failure(.invalid) }
        if let word = states[source].bad {
            let isOfSameRead = binding.points[source].interval == binding.points[point].interval
            let isItsOwnWord = word == .invalid || word == .range || word == .format
            guard !isOfSameRead, !isItsOwnWord, states[source].at != nil else {
                return .failure(word)
            }
        }
        guard let number = states[source].number, let value = Int(exactly: number), abs(value) <= 10
        else {
            return .failure(.invalid)
        }
        return .success(value)
    }

    func decode(_ part: ReadPart, _ point: Int) -> Result<[UInt8], ReadFailure> {
        switch part.result {
        case .failure(let word): return .failure(word)
        case .success:
            let reading = Reading(binding.address, every: .zero, [part])
            var source = PointSource()
            guard source.finds(decoders[point], in: reading) else { return .failure(.format) }
            var out: [UInt8] = []
            if case .bad(let word) = decode(point, decoders[point], source, reading, into: &out) {
                return .failure(word)
            }
            return .success(out)
        }
    }

    private mutating func fail(_ point: Int, _ word: ReadFailure) {
        states[point].bad = word
        states[point].sentAt = nil
    }

    private mutating func tell(_ point: Int, _ word: ReadFailure) {
        if !badText.isEmpty { badText.append(0x2C) }
        badText.append(contentsOf: keys[point])
        badText.append(0x22)
        badText.append(contentsOf: word.word.utf8)
        badText.append(0x22)
    }

    /// Remembers a good value and says whether it is to be published.
    private mutating func keep(
        _ point: Int, _ verdict: Verdict, _ json: ArraySlice<UInt8>, raw: UInt64, at: Moment
    ) -> Bool {
        var number: Double?
        if case .number(let value) = verdict { number = value }
        states[point].become(json, number, at: at)
        states[point].raw = raw
        guard let filter = filters[point] else { return true }
        guard filter.passes(states[point], at: at.instant) else { return false }
        states[point].sentAt = at.instant
        states[point].sentNumber = number
        states[point].sentJSON.removeAll(keepingCapacity: true)
        states[point].sentJSON.append(contentsOf: json)
        return true
    }
}

/// The dead band or change rule of a point.
struct Filter: Sendable {
    let deadband: Double?
    /// A cycle that comes a little early counts for its heartbeat, or every jitter cost an
    /// interval.
    let heartbeat: Duration?

    init?(_ point: Point) {
        guard point.deadband != nil || point.onChange else { return nil }
        deadband = point.deadband
        heartbeat = point.heartbeat.map { $0 - min(point.interval, $0) / 16 }
    }

    /// More than the dead band away from what was last published, as OPC UA counts it (Part 4,
    /// DataChangeFilter); another text where there is no number; or the heartbeat's time is over.
    func passes(_ state: Device.PointState, at now: Instant) -> Bool {
        guard let sentAt = state.sentAt else { return true }
        if let heartbeat, now - sentAt >= heartbeat { return true }
        if let deadband, let number = state.number, let sent = state.sentNumber {
            return (number - sent).magnitude > deadband
        }
        return state.json != state.sentJSON
    }
}

extension Decoder {
    private static let registersMost = 4

    /// Registers of the point, if they are so few that they are shown; else 0.
    private var registerCount: Int {
        guard table != .frame, !table.isBits else { return 0 }
        let all = isScattered ? coding.registers.count : count
        return all <= Self.registersMost ? all : 0
    }

    /// Registers of the point as one number, the first in the highest place, from bytes that begin
    /// at address `start`.
    func raw(_ bytes: [UInt8], from start: Int) -> UInt64 {
        let (first, size) = (position(from: start, size: bytes.count), 2 * registerCount)
        guard size > 0, first >= 0, first + size <= bytes.count else { return 0 }
        return bytes[first..<(first + size)].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The same one by one; nil for points that are no registers, or many.
    func registers(of raw: UInt64) -> [UInt16]? {
        guard registerCount > 0 else { return nil }
        return (1...registerCount).map {
            UInt16(truncatingIfNeeded: raw >> (16 * UInt64(registerCount - $0)))
        }
    }

    func isCovered(by part: ReadPart) -> Bool {
        if table == .frame { return part.table == .frame }
        return part.table == table && part.address <= address
            && address + count <= part.address + part.count
    }

    func touches(_ part: ReadPart) -> Bool {
        if table == .frame { return part.table == .frame }
        return part.table == table && part.address < address + count
            && address < part.address + part.count
    }

    /// Where the point starts in the bytes of a part: a bit number or a byte number.
    func position(from start: Int, size: Int) -> Int {
        if table == .frame { return address < 0 ? size + address : address - start }
        return table.isBits ? address - start : (address - start) * 2
    }
}
