import Base

/// One bound device: its compiled points and what is known about each.
struct Device: Sendable {
    /// What the last readings left behind, per point.
    struct PointState: Sendable {
        var json: [UInt8] = []
        var number: Double?
        var at: Moment?
        var bad: ReadFailure?
        /// What was last published, for dead bands; nil makes the next good value pass.
        var sentAt: Instant?
        var sentNumber: Double?
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
        let places = Dictionary(points.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        factors = points.map { point in point.scaleFrom.flatMap { places[$0] } }
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
            old.binding.points.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        for (index, point) in binding.points.enumerated() {
            guard let place = places[point.name], old.binding.points[place].hasSameMeaning(as: point) else { continue }
            states[index] = old.states[place]
        }
    }

    func place(of name: ByteString) -> Int? { binding.points.firstIndex { $0.name == name } }

    var lastValues: [LastValue] {
        zip(binding.points, states).map { point, state in
            let json = state.at == nil ? nil : String(decoding: state.json, as: UTF8.self)
            return LastValue(name: point.name, units: point.units, json: json, at: state.at, bad: state.bad)
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
        var source = Source()
        for point in points {
            let decoder = decoders[point]
            var at: Moment?
            var verdict = Verdict.bad(.format)
            let start = body.count
            if good > 0 { body.append(0x2C) }
            body.append(contentsOf: keys[point])
            let text = body.count
            if source.holds(decoder) || source.take(decoder, from: reading) {
                verdict = decode(point, decoder, source.bytes, from: source.address, into: &body)
                at = source.at
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
            } else if let at, keep(point, verdict, body[text...], at: at), !isHidden[point] {
                good += 1
                priority = priority || hasPriority[point]
            } else {
                body.removeLast(body.count - start)
            }
        }
        guard good > 0 || bad > 0, let at = goodAt ?? badAt ?? reading.parts.last?.at else { return nil }
        body.append(0x7D)
        if bad > 0 {
            body.append(contentsOf: #","bad":{"#.utf8)
            body.append(contentsOf: badText)
            body.append(0x7D)
        }
        sizeGuess = max(sizeGuess, min(body.count + 16, 65536))
        return Telemetry(device: binding.device, body: body, at: at, priority: priority, good: good, bad: bad)
    }

    /// The good part that held the point before: mostly it holds the next one too.
    private struct Source {
        private var table = Table.frame
        private(set) var address = 0
        private var end = Int.min
        private(set) var bytes: [UInt8] = []
        private(set) var at = Moment(.zero, WallTime(milliseconds: 0))
        /// Why there is none for the point that was looked for.
        private(set) var failure: (word: ReadFailure, at: Moment)?

        /// False for points of frames, of which nothing is read in advance.
        func holds(_ decoder: Decoder) -> Bool {
            address <= decoder.address && decoder.address + decoder.count <= end && table == decoder.table
        }

        /// Finds the part that holds the whole point; false if there is none, because of what the parts that touch
        /// it, or else any part, failed with. A good part counts more than a failed one.
        mutating func take(_ decoder: Decoder, from reading: Reading) -> Bool {
            var touching: (word: ReadFailure, at: Moment)?
            var other: (word: ReadFailure, at: Moment)?
            for part in reading.parts {
                switch part.result {
                case .success(let found):
                    guard decoder.isCovered(by: part) else { continue }
                    (table, address, bytes, at) = (part.table, part.address, found, part.at)
                    end = table == .frame ? .min : part.address + part.count
                    return true
                case .failure(let word):
                    if decoder.touches(part) { touching = (word, part.at) } else { other = (word, part.at) }
                }
            }
            failure = touching ?? (reading.isPartial ? nil : other)
            return false
        }
    }

    private func decode(
        _ point: Int, _ decoder: Decoder, _ bytes: [UInt8], from start: Int, into out: inout [UInt8]
    ) -> Verdict {
        var factor = 0
        if decoder.usesScaleFactor {
            switch scaleFactor(of: point) {
            case .success(let value): factor = value
            case .failure(let word): return .bad(word)
            }
        }
        return decoder.decode(
            bytes, at: decoder.position(from: start, size: bytes.count), factor: factor, into: &out)
    }

    /// The power of ten of another point: −10 to 10 (SunSpec Device Information Model, sunssf).
    /// One that is read in another interval stays known when a later read of it fails; one that the
    /// device itself calls invalid does not.
    func scaleFactor(of point: Int) -> Result<Int, ReadFailure> {
        guard let source = factors[point] else { return .failure(.invalid) }
        if let word = states[source].bad {
            let isOfSameRead = binding.points[source].interval == binding.points[point].interval
            let isItsOwnWord = word == .invalid || word == .range || word == .format
            guard !isOfSameRead, !isItsOwnWord, states[source].at != nil else { return .failure(word) }
        }
        guard let number = states[source].number, let value = Int(exactly: number), abs(value) <= 10 else {
            return .failure(.invalid)
        }
        return .success(value)
    }

    func decode(_ part: ReadPart, _ point: Int) -> Result<[UInt8], ReadFailure> {
        switch part.result {
        case .failure(let word): return .failure(word)
        case .success(let bytes):
            guard decoders[point].isCovered(by: part) else { return .failure(.format) }
            var out: [UInt8] = []
            if case .bad(let word) = decode(point, decoders[point], bytes, from: part.address, into: &out) {
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
    private mutating func keep(_ point: Int, _ verdict: Verdict, _ json: ArraySlice<UInt8>, at: Moment)
        -> Bool
    {
        var number: Double?
        if case .number(let value) = verdict { number = value }
        states[point].become(json, number, at: at)
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
    /// A cycle that comes a little early counts for its heartbeat, or every jitter cost an interval.
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
    func isCovered(by part: ReadPart) -> Bool {
        if table == .frame { return part.table == .frame }
        return part.table == table && part.address <= address && address + count <= part.address + part.count
    }

    func touches(_ part: ReadPart) -> Bool {
        if table == .frame { return part.table == .frame }
        return part.table == table && part.address < address + count && address < part.address + part.count
    }

    /// Where the point starts in the bytes of a part: a bit number or a byte number.
    func position(from start: Int, size: Int) -> Int {
        if table == .frame { return address < 0 ? size + address : address - start }
        return table.isBits ? address - start : (address - start) * 2
    }
}
