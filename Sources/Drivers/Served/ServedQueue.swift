import Base
import Modbus

/// Requests of other masters that wait for a line, with the line time that they may take and the
/// values that need none. Clients take turns; requests of one client to one unit keep their order.
struct ServedQueue: Sendable {
    struct Job: Sendable {
        let request: ServedRequest
        /// Not begun by then, it is answered with exception 6.
        let expires: Instant
        /// Times that its answer turned out to be of another request.
        var refusals = 0
        /// Line time that it has taken.
        var lineTime = Duration.zero
    }

    /// An answer that may still turn out to be of another request.
    private struct Doubtful: Sendable {
        let job: Job
        let response: Response
        let at: Instant
    }

    /// Time that a request waits for the line; most clients have given up by then.
    static let patience = Duration.seconds(2)
    /// Requests that wait at most, of all clients together.
    static let waitingMax = 1024
    /// Silences of a unit in a row after which a request to it is refused while there is no budget
    /// for another one.
    private static let silencesMost = 3

    private var settings: ServeSettings?
    /// In turn; the client that was served last is the last.
    private var clients: [(id: ConnectionID, jobs: [Job])] = []
    private var current: Job?
    private var doubtful: [Doubtful] = []
    private var allowance: LineAllowance
    private(set) var cache: ReadCache
    /// Requests in a row that a unit has not answered.
    private var silences: [UnitID: Int] = [:]
    private var replies: [ServedReply] = []
    /// Places of units that were written, until they are read again.
    private var written: [(unit: UnitID, table: Table, address: Int, count: Int)] = []

    init(_ settings: ServeSettings?) {
        self.settings = settings
        allowance = LineAllowance(share: settings?.budget ?? 0)
        cache = ReadCache(maxAge: settings?.maxAge ?? .zero)
    }

    var isOn: Bool { settings != nil }
    /// No request waits for the line.
    var isEmpty: Bool { clients.isEmpty }
    var hasDoubt: Bool { !doubtful.isEmpty }

    /// Other settings: what waits stays, unless there are none any more.
    mutating func adopt(_ new: ServeSettings?) {
        guard new != settings else { return }
        if new == nil { closeAll() }
        if new?.budget != settings?.budget { allowance = LineAllowance(share: new?.budget ?? 0) }
        if new?.maxAge != settings?.maxAge { cache = ReadCache(maxAge: new?.maxAge ?? .zero) }
        settings = new
    }

    // MARK: requests

    mutating func add(_ request: ServedRequest, at now: Instant) {
        let count = clients.reduce(0) { $0 + $1.jobs.count }
        let job = Job(request: request, expires: now + Self.patience)
        guard count < Self.waitingMax else { return refuse(job, .serverDeviceBusy, .busy) }
        put(job, first: false)
    }

    private mutating func put(_ job: Job, first: Bool) {
        let client = job.request.client
        if let place = clients.firstIndex(where: { $0.id == client }) {
            clients[place].jobs.insert(job, at: first ? 0 : clients[place].jobs.count)
        } else {
            clients.append((client, [job]))
        }
    }

    /// The client has gone: nobody waits for its answers.
    mutating func forget(_ client: ConnectionID) { clients.removeAll { $0.id == client } }

    /// When the budget lets a request go; at or before `now` means now.
    func opens(at now: Instant) -> Instant { allowance.opens(at: now) }

    /// The next requests of every client, one for each unit, in their turn.
    var candidates: [Job] {
        clients.flatMap { client in
            var units: Set<UnitID> = []
            return client.jobs.filter { units.insert($0.request.unit).inserted }
        }
    }

    /// When the next request has waited for too long.
    var nextExpiry: Instant {
        clients.lazy.flatMap(\.jobs).map(\.expires).min() ?? .distantFuture
    }

    mutating func expire(at now: Instant) {
        guard nextExpiry <= now else { return }
        for index in clients.indices {
            let late = clients[index].jobs.filter { $0.expires <= now }
            clients[index].jobs.removeAll { $0.expires <= now }
            for job in late {
                let isSilent = isSilent(job.request.unit)
                refuse(
                    job, isSilent ? .gatewayTargetFailedToRespond : .serverDeviceBusy,
                    isSilent ? .silent : .busy)
            }
        }
        clients.removeAll { $0.jobs.isEmpty }
    }

    /// The request goes out; its client is the last in turn.
    mutating func begin(_ id: UInt64) {
        guard let place = clients.firstIndex(where: { $0.jobs.contains { $0.request.id == id } }),
            let index = clients[place].jobs.firstIndex(where: { $0.request.id == id })
        else { return }
        var client = clients.remove(at: place)
        current = client.jobs.remove(at: index)
        if !client.jobs.isEmpty { clients.append(client) }
    }

    mutating func spend(_ time: Duration, at now: Instant) {
        allowance.spend(time, at: now)
        current?.lineTime += time
    }

    // MARK: units

    /// The unit did not answer the last request of a client.
    func isSilent(_ unit: UnitID) -> Bool { (silences[unit] ?? 0) > 0 }

    /// The unit did not answer several requests of clients.
    func isGivenUp(_ unit: UnitID) -> Bool { (silences[unit] ?? 0) >= Self.silencesMost }

    mutating func heard(_ unit: UnitID) { silences[unit] = nil }

    // MARK: answers

    /// The answer to the request on the line, or to the one whose answer was in doubt.
    private mutating func reply(
        _ job: Job, _ pdu: [UInt8], _ source: ServedReply.Source
    ) {
        replies.append(
            ServedReply(id: job.request.id, pdu: pdu, source: source, lineTime: job.lineTime))
    }

    mutating func answer(_ request: ServedRequest, cached pdu: [UInt8]) {
        replies.append(ServedReply(id: request.id, pdu: pdu, source: .cache))
    }

    mutating func refuse(
        _ request: ServedRequest, _ code: ExceptionCode, _ source: ServedReply.Source
    ) {
        refuse(Job(request: request, expires: .zero), code, source)
    }

    private mutating func refuse(
        _ job: Job, _ code: ExceptionCode, _ source: ServedReply.Source
    ) {
        reply(job, job.request.request.refused(code), source)
    }

    /// The unit has answered. An answer that is not certain waits.
    mutating func answered(_ response: Response, isCertain: Bool, at now: Instant) {
        guard let job = current else { return }
        current = nil
        heard(job.request.unit)
        guard isCertain else {
            doubtful.append(Doubtful(job: job, response: response, at: now))
            return
        }
        finish(job, response, at: now)
    }

    private mutating func finish(_ job: Job, _ response: Response, at now: Instant) {
        let (unit, request) = (job.request.unit, job.request.request)
        if case .read(_, let data) = response,
            case .read(let function, let address, let count) = request,
            let table = Table.read(by: function)
        {
            cache.note(unit, table, Int(address), Int(count), data, now)
        }
        if case .exception = response {
        } else if let place = request.written, written.count < 256 {
            written.append((unit, place.table, place.address, place.count))
        }
        reply(job, response.pdu, .line)
    }

    /// A write to all units is out.
    mutating func broadcast() {
        guard let job = current else { return }
        current = nil
        reply(job, job.request.request.acknowledgement, .line)
    }

    /// The unit was silent, or its answer was damaged.
    mutating func failed(isSilence: Bool) {
        guard let job = current else { return }
        current = nil
        if isSilence { silences[job.request.unit, default: 0] += 1 }
        refuse(job, .gatewayTargetFailedToRespond, .silent)
    }

    /// The unit's fence got no answer: its first waiting request has failed.
    mutating func failFirst(of unit: UnitID) {
        guard let job = candidates.first(where: { $0.request.unit == unit }) else { return }
        silences[unit, default: 0] += 1
        begin(job.request.id)
        current = nil
        refuse(job, .gatewayTargetFailedToRespond, .silent)
    }

    /// The line is closed or lent: whatever waits is answered, and nothing that was read holds.
    mutating func closeAll() {
        let waiting = [current].compactMap { $0 } + doubtful.map(\.job) + clients.flatMap(\.jobs)
        current = nil
        (doubtful, clients, written) = ([], [], [])
        cache.removeAll()
        for job in waiting { refuse(job, .gatewayPathUnavailable, .closed) }
    }

    mutating func nextReply() -> ServedReply? { replies.isEmpty ? nil : replies.removeFirst() }

    // MARK: doubts

    func isInDoubt(_ unit: UnitID) -> Bool { doubtful.contains { $0.job.request.unit == unit } }

    var unitsInDoubt: Set<UnitID> { Set(doubtful.map(\.job.request.unit)) }

    mutating func release(_ isCertain: (UnitID, Instant) -> Bool) {
        let sure = doubtful.filter { isCertain($0.job.request.unit, $0.at) }
        guard !sure.isEmpty else { return }
        doubtful.removeAll { isCertain($0.job.request.unit, $0.at) }
        for one in sure { finish(one.job, one.response, at: one.at) }
    }

    /// Answers of the unit that are refuted belong to other requests: reads are repeated.
    mutating func refute(_ unit: UnitID, retries: Int, _ isRefuted: (Instant) -> Bool) {
        let refuted = doubtful.filter { $0.job.request.unit == unit && isRefuted($0.at) }
        doubtful.removeAll { $0.job.request.unit == unit && isRefuted($0.at) }
        for one in refuted {
            var job = one.job
            job.refusals += 1
            if job.request.request.isRead, job.refusals <= retries {
                put(job, first: true)
            } else {
                refuse(job, .gatewayTargetFailedToRespond, .silent)
            }
        }
    }

    // MARK: values

    mutating func note(_ reading: Reading) { cache.note(reading) }

    /// A request goes out at `now`, or its exchange has ended then.
    mutating func note(_ request: Request, to unit: UnitID, at now: Instant) {
        if cache.isOn, !request.isRead { cache.wrote(unit, at: now) }
    }

    /// Places that clients have written since the last call.
    mutating func takeWritten(
        _ isReady: (UnitID, Table, Int, Int) -> Bool
    ) {
        guard !written.isEmpty else { return }
        written.removeAll { isReady($0.unit, $0.table, $0.address, $0.count) }
    }
}
