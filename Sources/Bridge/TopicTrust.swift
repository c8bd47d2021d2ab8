import Base

/// A purpose that topics of a plain broker have. The broker may forbid each by itself, and MQTT
/// 3.1.1 lets it do so by closing the connection.
package enum TopicKind: Hashable, Sendable {
    case telemetry
    /// Telemetry in a subfolder: health, gaps, alarms, command results.
    case report(ByteString)
    case state, latest, availability, attach, detach
    /// Subscriptions.
    case config, commands, set

    /// Whether the rest is worth something without it.
    var mayBeLeftOut: Bool {
        switch self {
        case .telemetry, .attach, .detach: false
        default: true
        }
    }

    /// The setting that turns it off.
    var setting: String {
        switch self {
        case .telemetry: "telemetryTopic: false"
        case .report(let subfolder): "topics: { \(Notice.printable(subfolder)): false }"
        case .state: "stateTopic: false"
        case .latest: "publish: { latestTopic: false }"
        case .availability: "availabilityTopic: false"
        case .attach, .detach: "attachMessages: false"
        case .config: "configTopic: false"
        case .commands: "commandTopic: false"
        case .set: "setTopic: false"
        }
    }
}

/// Kinds of topics and sizes of messages that a plain broker takes, as far as its answers and its
/// closes tell.
///
/// A kind is proven by its first answer. A close with kinds unanswered that are not proven makes
/// them doubted. While any is doubted, one unproven kind at a time is on the wire. A doubted kind
/// that is alone among the unproven at the next close is forbidden: it is left out, and tried again
/// on the first connection after an hour. Telemetry is never left out.
struct TopicTrust: Sendable {
    static let retryAfter = Duration.seconds(3600)
    /// Batches are not made smaller than this, in bytes.
    static let batchBytesMin = 1024

    /// A packet without an answer at a close.
    struct Packet: Hashable, Sendable {
        var kind: TopicKind
        /// As messages name it: "SUBSCRIBE to plant/x".
        var words: String
    }

    enum Verdict: Hashable, Sendable {
        /// No kind of topic explains the close.
        case none
        /// One of these does; which one shows when they go out one by one.
        case doubted
        case forbidden(Packet)
    }

    private var proven: Set<TopicKind> = []
    /// The same of telemetry: most answers are to that.
    private var provesTelemetry = false
    private var doubted: Set<TopicKind> = []
    private var forbidden: [TopicKind: (packet: Packet, retry: Instant)] = [:]
    /// The one unproven kind on the wire, while any is doubted.
    private var probe: TopicKind?
    /// The largest payload that was acknowledged, in bytes.
    private var provenBytes = 0
    /// Largest payload of a message with several records, in bytes; nil: nothing is known.
    private(set) var batchBytesMax: Int?

    /// Whether kinds that are not proven go out one by one.
    var isCareful: Bool { !doubted.isEmpty }

    func isProven(_ kind: TopicKind) -> Bool { proven.contains(kind) }

    func isForbidden(_ kind: TopicKind) -> Bool { forbidden[kind] != nil }

    /// Words for what is left out, sorted.
    var left: [String] { forbidden.values.map(\.packet.words).sorted() }

    /// Whether a message of this kind may leave now.
    func mayBegin(_ kind: TopicKind) -> Bool {
        guard !doubted.isEmpty || !forbidden.isEmpty else { return true }
        if forbidden[kind] != nil { return false }
        return doubted.isEmpty || proven.contains(kind) || (probe ?? kind) == kind
    }

    mutating func began(_ kind: TopicKind) {
        if !doubted.isEmpty, !proven.contains(kind) { probe = kind }
    }

    mutating func answered(_ kind: TopicKind, bytes: Int = 0) {
        provenBytes = max(provenBytes, bytes)
        if kind == .telemetry, provesTelemetry { return }
        if kind == .telemetry { provesTelemetry = true }
        if probe == kind { probe = nil }
        guard proven.insert(kind).inserted else { return }
        doubted.remove(kind)
    }

    /// Before anything leaves on a new connection.
    mutating func connected(at now: Instant) {
        probe = nil
        for (kind, entry) in forbidden where entry.retry <= now {
            forbidden[kind] = nil
            doubted.insert(kind)
        }
    }

    /// The broker closed while these had no answer.
    mutating func closed(_ packets: [Packet], at now: Instant) -> Verdict {
        probe = nil
        let unproven = packets.filter { $0.kind.mayBeLeftOut && !proven.contains($0.kind) }
        guard let first = unproven.first else { return .none }
        let kinds = Set(unproven.map(\.kind))
        if kinds.count == 1, doubted.contains(first.kind) {
            doubted.remove(first.kind)
            forbidden[first.kind] = (first, now + Self.retryAfter)
            return .forbidden(first)
        }
        guard !kinds.isSubset(of: doubted) else { return .none }
        doubted.formUnion(kinds)
        return .doubted
    }

    /// The broker closed while a message with several records had no answer. The new bound of such
    /// messages if its size may be the reason; nil if it is not.
    mutating func closed(batch bytes: Int) -> Int? {
        guard bytes > provenBytes, bytes > Self.batchBytesMin else { return nil }
        let bound = max(Self.batchBytesMin, min(bytes, batchBytesMax ?? bytes) / 2)
        batchBytesMax = bound
        return bound
    }
}
