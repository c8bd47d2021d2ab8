import Base

/// One client's connection: its frames, and its requests that wait for an answer.
struct ServerConnection: Sendable {
    /// Parts of a request that its reply repeats.
    struct Waiting: Sendable {
        let transaction: UInt16
        let unit: UInt8
    }

    /// Silence after which a frame on RTU over TCP is over.
    static let rtuSilence = Duration.milliseconds(50)
    /// Bytes that a client of RTU over TCP may send ahead.
    static let aheadMax = 4096

    private let framing: TCPFraming
    private var tcp = MBAPDecoder()
    private var rtu = RequestDecoder()
    /// On RTU over TCP, bytes behind the request that waits: the next ones have no ids, so each is
    /// answered before the next is read.
    private var ahead: [UInt8] = []
    private(set) var waiting: [UInt64: Waiting] = [:]
    /// Bytes that were sent since the client took everything.
    var unsent = 0
    /// Time of the last request or answer.
    var usedAt: Instant
    /// Since when a frame has been incomplete; nil while none is.
    private(set) var begunAt: Instant?
    private var silenceDue: Instant?

    init(_ framing: TCPFraming, at now: Instant) {
        self.framing = framing
        usedAt = now
    }

    var isIdle: Bool { waiting.isEmpty }

    /// When a frame of RTU over TCP is over.
    var silenceEnds: Instant? { waiting.isEmpty ? silenceDue : nil }

    /// False: more than a client may send ahead.
    mutating func receive(_ bytes: ArraySlice<UInt8>, at now: Instant) -> Bool {
        guard framing == .rtuOverTCP else {
            tcp.receive(bytes)
            return true
        }
        guard ahead.count + bytes.count <= Self.aheadMax else { return false }
        ahead += bytes
        silenceDue = now + Self.rtuSilence
        return true
    }

    /// The next request; nil: more bytes are needed, or an answer.
    mutating func next(at now: Instant) throws(MBAPDecoder.Fault) -> MBAPFrame? {
        guard framing == .rtuOverTCP else {
            let frame = try tcp.next()
            noteBegun(tcp.pending > 0, at: now)
            return frame
        }
        guard waiting.isEmpty else { return nil }
        let frame = cut()
        noteBegun(rtu.pending > 0, at: now)
        return frame.map { MBAPFrame(transaction: 0, unit: $0.unit, pdu: $0.pdu) }
    }

    /// Feeds at most one frame's length at a time, because the decoder holds no more than two.
    private mutating func cut() -> RequestFrame? {
        repeat {
            let chunk = ahead.prefix(Limits.adu)
            ahead.removeFirst(chunk.count)
            if let frame = try? rtu.receive(chunk) { return frame }
        } while !ahead.isEmpty
        return nil
    }

    /// RTU over TCP fell silent: a frame whose length only silence tells is whole.
    mutating func silence() -> MBAPFrame? {
        silenceDue = nil
        begunAt = nil
        let frame = try? rtu.silence()
        return frame.map { MBAPFrame(transaction: 0, unit: $0.unit, pdu: $0.pdu) }
    }

    private mutating func noteBegun(_ isBegun: Bool, at now: Instant) {
        begunAt = isBegun ? begunAt ?? now : nil
    }

    mutating func wait(_ number: UInt64, _ frame: MBAPFrame) {
        waiting[number] = Waiting(transaction: frame.transaction, unit: frame.unit)
    }

    /// The bytes of an answer; nil: the request is not waiting.
    mutating func answer(_ number: UInt64, _ pdu: [UInt8]) -> [UInt8]? {
        guard let request = waiting.removeValue(forKey: number) else { return nil }
        return frame(request.transaction, request.unit, pdu)
    }

    func frame(_ transaction: UInt16, _ unit: UInt8, _ pdu: [UInt8]) -> [UInt8] {
        switch framing {
        case .modbusTCP: MBAPFrame(transaction: transaction, unit: unit, pdu: pdu).bytes
        case .rtuOverTCP: RTUFrame.encode(unit: unit, pdu)
        }
    }

    /// A broadcast on RTU over TCP is answered by nobody.
    func isSilent(_ unit: UInt8) -> Bool { framing == .rtuOverTCP && unit == 0 }
}
