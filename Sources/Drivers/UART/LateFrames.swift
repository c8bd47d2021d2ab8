import Base

/// Replies that may still come from nodes that were silent when they were asked, and who must not
/// be asked meanwhile: a node whose frames look the same and carry no other address. Its own frames
/// look the same too.
///
/// The pause is ten response timeouts, and more than twice the worst lateness seen; it ends with
/// the late frame.
struct LateFrames: Sendable {
    private struct Awaited: Sendable {
        let node: Address
        let format: UARTProtocol
        let sentUntil: Instant
        let until: Instant
        var cutter: FrameCutter
    }

    private var awaited: [Awaited] = []
    private var worstLateness = Duration.zero
    /// The latest frame, for nodes of the same form: its copy must not pass for the reply of the
    /// next.
    private var latest: (node: Address, at: Instant)?
    private static let copyMost = Duration.milliseconds(25)

    /// A request was not answered, or not soundly.
    /// - Parameter end: when it was out.
    mutating func missed(
        _ node: Address, _ format: UARTProtocol, timeout: Duration, sentUntil end: Instant,
        character: Duration,
        at now: Instant
    ) {
        awaited.removeAll { $0.until <= now || $0.node == node }
        let pause = max(timeout * ReplyFence.patience, worstLateness * 2 + timeout)
        let cutter = FrameCutter(
            format.frame, format.checksum, character: character, isSynced: true, at: now)
        awaited.append(
            Awaited(node: node, format: format, sentUntil: end, until: end + pause, cutter: cutter))
    }

    mutating func answered(_ node: Address, at now: Instant) { latest = (node, now) }

    /// When a node may be asked.
    func release(of node: Address, _ format: UARTProtocol) -> Instant {
        var free = Instant.zero
        for one in awaited where Self.areAlike(one.format, format) { free = max(free, one.until) }
        if let latest, latest.node != node, format.address == nil {
            free = max(free, latest.at + Self.copyMost)
        }
        return free
    }

    private static func areAlike(_ one: UARTProtocol, _ other: UARTProtocol) -> Bool {
        guard one.frame == other.frame else { return false }
        guard let address = one.address, let wanted = other.address else { return true }
        return address == wanted
    }

    /// Bytes that no exchange of this form waits for.
    /// - Returns: the nodes whose late frames they end.
    mutating func hear(_ bytes: ArraySlice<UInt8>, at now: Instant) -> [Address] {
        guard !awaited.isEmpty else { return [] }
        awaited.removeAll { $0.until <= now }
        var nodes: [Address] = []
        for index in awaited.indices {
            _ = awaited[index].cutter.hear(at: now)
            var chunk = bytes
            while let verdict = awaited[index].cutter.next(&chunk) {
                guard case .frame(let frame) = verdict,
                    awaited[index].format.address.map({ $0.holds(for: frame) == true }) ?? true
                else { continue }
                worstLateness = max(worstLateness, now - awaited[index].sentUntil)
                nodes.append(awaited[index].node)
            }
        }
        awaited.removeAll { nodes.contains($0.node) }
        return nodes
    }
}
