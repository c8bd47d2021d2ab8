import Base
import Modbus

/// By which requests the order of a unit's replies can be proven: those of its plan, function 8,
/// and reads of one item. What it has not answered to is not tried again before it answers late to
/// it.
struct FenceMeans: Sendable {
    enum Kind: Hashable, Sendable { case echo, planned, part, table(FunctionCode), again }

    private var works: Set<Kind> = []
    private var ignored: Set<Kind> = []
    /// Asked without an answer; an answer to anything else tells that it is ignored.
    private var open: Set<Kind> = []
    /// Whether the unit answers function 8 with its data, and not with an exception.
    private(set) var echoes = false
    private var nonce: UInt16

    init(seed: UInt16) { nonce = seed }

    /// Its replies to function 8 tell their requests, as far as is known.
    var mayEcho: Bool { echoes || !works.contains(.echo) }

    func isKnown(_ kind: Kind) -> Bool {
        works.contains(kind) || kind == .planned || kind == .again
    }

    /// The requests that may serve, best first.
    /// - Parameters:
    ///   - blocked: what is to be asked behind it.
    ///   - planned: the unit's reads.
    ///   - allowsEcho: a request that comes back cannot pass for its reply.
    func candidates(
        for blocked: Request, planned: [PlannedRead], allowsEcho: Bool
    ) -> [(kind: Kind, request: Request)] {
        var all: [(kind: Kind, request: Request)] = []
        func add(_ kind: Kind, _ request: Request) {
            if !ignored.contains(kind) { all.append((kind, request)) }
        }
        if allowsEcho {
            add(.echo, .diagnose(.returnQueryData, nonce))
        }
        guard case .read(let function, let address, let count) = blocked else {
            return all + planned.map { (.planned, $0.request) }
        }
        if count > (function.readsBits ? 8 : 1) {
            add(.part, .read(function, address: address, count: 1))
        }
        for read in planned { all.append((.planned, read.request)) }
        for other in [
            FunctionCode.readInputRegisters, .readHoldingRegisters, .readCoils, .readDiscreteInputs,
        ]
        where other != function {
            add(.table(other), .read(other, address: address, count: 1))
        }
        return all
    }

    /// - Parameter kind: what was answered; nil: an ordinary request.
    mutating func answered(_ kind: Kind?, isException: Bool) {
        if let kind {
            works.insert(kind)
            if kind == .echo { echoes = !isException }
        }
        guard !open.isEmpty else { return }
        if let kind { open.remove(kind) }
        ignored.formUnion(open)
        open.removeAll()
    }

    /// No two requests of function 8 have the same data.
    mutating func asked(_ kind: Kind) { if kind == .echo { nonce = nonce &+ 1 } }

    mutating func silent(_ kind: Kind) {
        if !isKnown(kind) { open.insert(kind) }
    }

    /// Whether the unit may be asked so: not again before it has answered something else.
    func isOpen(_ kind: Kind) -> Bool { open.contains(kind) }

    /// A late reply came to it.
    mutating func answeredLate(_ function: FunctionCode) {
        let kind: Kind = function == .diagnostics ? .echo : .table(function)
        ignored.remove(kind)
        open.remove(kind)
    }
}
