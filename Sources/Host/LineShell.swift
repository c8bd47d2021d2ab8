import Base
import Drivers
import Line
import Gateway
import Platform

/// One serial line: its descriptor on the loop, its lane of the port helpers for everything that
/// can block (open, set, close), what the driver would not take yet, and RTS if this program has to
/// drive it.
final class LineShell {
    /// More than this waiting to be written means that the line does not move at all.
    private static let unsentMax = 16 << 10
    /// At most 64 KiB a turn: a babbling line cannot keep the loop from the others.
    private static let readsPerTurn = 16
    /// The UART's counters are read this often, beside a transmission.
    private static let errorsInterval = Duration.seconds(1)
    /// Up to here an exchange takes so long that what waking up is late does not count.
    private static let leisurelyBaud = 9600
    /// A scheduled request that goes out so late has its driver's clock wrong by too much.
    private static let lateMax = Duration.microseconds(100)

    let name: PortName
    private let loop: EventLoop
    private let helpers: WorkerPool
    private let lane: Int
    private let mailbox: Mailbox<HelperMessage>
    private var descriptor: OwnedFD?
    private var watch: EventLoop.Watch?
    private var interest = EventLoop.Interest.read
    private var unsent: [UInt8] = []
    private var attempt: Int
    /// Names along the links of the path, the node at their end included: "ttyUSB0".
    private var nodes: Set<String> = []
    private var buffer = [UInt8](repeating: 0, count: SerialPort.readMax)
    /// Answers before when a frame that is coming in cannot be whole, if that is known.
    private let deliver: (LineEvent) -> Instant?
    /// Until then the line is not looked at: what comes are pieces of a frame.
    private var restDue: Instant?

    /// A request that goes out at its time if nobody speaks before.
    private struct Scheduled {
        var bytes: [UInt8]
        var due: Instant
        /// Before it the reply cannot be whole, if that is known.
        var rest: Instant?
    }
    private var scheduled: Scheduled?
    /// Reads that are carried out here; until it is over nobody else hears of the line. What it
    /// wants next stands beside it, because a train in a property is copied for every question.
    private var train: ReadTrain?
    private var hasTrain = false
    /// When its next request leaves.
    private var departure: Instant?
    private var isHurried = false
    private var stall = StallWatch()
    /// Counts of the UART when it was last asked; nil where it does not count.
    private var errors: LineErrors?
    private var errorsDue = Instant.zero
    /// Nil unless this program drives RTS.
    private var direction: DirectionSwitch?

    /// - Parameter generation: another one for every shell of a name, so that answers for an
    ///   earlier one find nobody.
    init(
        _ name: PortName, generation: Int = 0, loop: EventLoop, helpers: WorkerPool,
        mailbox: Mailbox<HelperMessage>,
        deliver: @escaping (LineEvent) -> Instant?
    ) {
        self.name = name
        lane = generation
        self.helpers = helpers
        attempt = generation << 32
        self.loop = loop
        self.mailbox = mailbox
        self.deliver = deliver
    }

    func open(_ settings: LineSettings) {
        close()
        isHurried = settings.baud > Self.leisurelyBaud
        if let rs485 = settings.rs485, rs485.rts == .software {
            direction = DirectionSwitch(settings, rs485)
        }
        let (name, attempt, mailbox) = (name, attempt, mailbox)
        helpers.submit(lane) {
            do throws(LineFailure) {
                let line = try SerialPort.open(settings)
                let facts = line.facts
                let parcel = DescriptorParcel(line.intoDescriptor())
                mailbox.post(.lineOpened(name, attempt: attempt, parcel, facts))
            } catch {
                mailbox.post(.lineFailed(name, attempt: attempt, error))
            }
        }
    }

    /// The helper's answer. One that belongs to an attempt given up since is closed and forgotten.
    func opened(_ parcel: DescriptorParcel, _ facts: LineFacts, attempt: Int) {
        guard attempt == self.attempt, let taken = parcel.take() else { return }
        do {
            watch = try loop.watch(taken.number, .read) { [unowned self] ready in self.ready(ready)
            }
            interest = .read
            errors = SerialPort.errors(taken)
            descriptor = consume taken
            nodes = Set(
                FileSystem.linkChain(facts.path).compactMap {
                    $0.split(separator: "/").last.map(String.init)
                })
            _ = deliver(.opened(facts))
        } catch {
            _ = deliver(.failed(LineFailure(.other, "\(facts.path) cannot be watched: \(error)")))
        }
    }

    func failed(_ failure: LineFailure, attempt: Int) {
        if attempt == self.attempt { _ = deliver(.failed(failure)) }
    }

    /// Closing can wait in the driver for 30 s, so the helper does it.
    func close() {
        attempt += 1
        unsent = []
        stall = StallWatch()
        restDue = nil
        unschedule()
        if direction != nil { drive(false) }
        direction = nil
        if let watch { loop.remove(watch) }
        watch = nil
        var held: DescriptorParcel?
        if let open = descriptor.take() { held = DescriptorParcel(open) }
        let parcel = held
        let (name, attempt, mailbox) = (name, attempt, mailbox)
        helpers.submit(lane) {
            if let descriptor = parcel?.take() { SerialPort.close(descriptor) }
            mailbox.post(.lineClosed(name, attempt: attempt))
        }
    }

    /// The node is gone from the system: the line is let go at once, so that the kernel can give
    /// its name to whatever is plugged in next.
    func unplugged(_ node: String) {
        guard descriptor != nil, nodes.contains(node) else { return }
        lose(LineFailure(.lost, "/dev/\(node) was unplugged"))
    }

    /// The helper has closed what this attempt had open.
    func closed(attempt: Int) {
        if attempt == self.attempt { _ = deliver(.closed) }
    }

    // MARK: sending

    /// - Parameter rest: before it the reply cannot be whole, if that is known.
    func transmit(_ bytes: [UInt8], lookingAwayUntil rest: Instant? = nil) {
        guard watch != nil else { return }
        restDue = rest
        write(bytes, at: Clock.instant)
    }

    /// As `transmit`, later: what comes before that time is told as `intruded`, and the request
    /// does not go out.
    func schedule(_ bytes: [UInt8], at due: Instant, lookingAwayUntil rest: Instant?) {
        guard watch != nil else { return }
        restDue = nil
        scheduled = Scheduled(bytes: bytes, due: due, rest: rest)
    }

    func unschedule() {
        scheduled = nil
        train = nil
        hasTrain = false
        departure = nil
    }

    /// Carried out until something is not as it should be.
    func run(_ train: ReadTrain) {
        guard watch != nil else { return }
        self.train = train
        hasTrain = true
        take(train.step)
    }

    private func take(_ step: ReadTrain.Step) {
        departure = nil
        restDue = nil
        switch step {
        case .send(let due): departure = due
        case .look(let due): restDue = due
        case .end: endTrain()
        }
    }

    /// The train ends with what is under way.
    func endTrain() {
        guard let log = train?.log, let unclaimed = train?.unclaimed else { return }
        unschedule()
        let rest = deliver(.carried(log, unclaimed))
        if scheduled == nil, !hasTrain { restDue = rest.flatMap { $0 > Clock.instant ? $0 : nil } }
    }

    private func sendNext() {
        receive(isHungUp: false)
        let now = Clock.instant
        guard let due = departure, due <= now, let frame = train?.next,
            let step = train?.sent(at: now)
        else { return }
        take(step)
        write(frame, at: now)
    }

    /// When a scheduled request goes out, if microseconds count: every one is line time that nobody
    /// uses.
    var sendingDue: Instant? { isHurried ? scheduled?.due ?? departure : nil }

    private func sendScheduled() {
        receive(isHungUp: false)
        let now = Clock.instant
        guard let request = scheduled, request.due <= now else { return }
        scheduled = nil
        let late = now - request.due
        restDue = request.rest.map { $0 + late }
        write(request.bytes, at: now)
        if late > Self.lateMax, watch != nil { restDue = deliver(.sentLate(late)) }
    }

    private func write(_ bytes: [UInt8], at now: Instant) {
        takeErrors(at: now)
        guard unsent.count + bytes.count <= Self.unsentMax, !stall.keepsBytes({ pending }, at: now)
        else {
            lose(
                LineFailure(
                    .lost,
                    "the line sends nothing any more: the adapter is stuck, or something holds it"))
            return
        }
        unsent.append(contentsOf: bytes)
        guard direction != nil else { return flush() }
        for step in direction?.send(bytes.count, at: now) ?? [] { take(step, at: now) }
    }

    func discardInput() {
        switch descriptor {
        case .some(let open): SerialPort.discardInput(open)
        case .none: break
        }
    }

    /// Since when the helper has been in one call.
    var helperBusySince: Instant? { helpers.busySince(lane) }

    /// When `timeout` must be called; nil: not at all.
    var deadline: Instant? {
        var earliest = Instant.distantFuture
        if let due = stall.due { earliest = due }
        if let restDue { earliest = min(earliest, restDue) }
        if let due = scheduled?.due ?? departure { earliest = min(earliest, due) }
        if let due = direction?.deadline { earliest = min(earliest, due) }
        return earliest == .distantFuture ? nil : earliest
    }

    func timeout(at now: Instant) {
        if let due = scheduled?.due, due <= now { sendScheduled() }
        if let due = departure, due <= now { sendNext() }
        if let due = restDue, due <= now {
            restDue = nil
            receive(isHungUp: false)
            if hasTrain, restDue == nil, departure == nil { carry([]) }
        }
        if let step = direction?.timeout(at: now) { take(step, at: now) }
        if let due = stall.due, due <= now {
            lose(
                LineFailure(
                    .lost,
                    "the line takes no bytes any more: the adapter is stuck, or something holds it")
            )
        }
    }

    private func take(_ step: DirectionSwitch.Step, at now: Instant) {
        switch step {
        case .write: flush()
        case .drive(let on): drive(on)
        case .ask:
            var isEmpty: Bool?
            switch descriptor {
            case .some(let open): isEmpty = SerialPort.hasSentAll(open)
            case .none: return
            }
            if !unsent.isEmpty { isEmpty = false }
            if let next = direction?.answered(isEmpty, at: now) { take(next, at: now) }
        }
    }

    /// A transmitter that stays on would jam the bus for everybody.
    private func drive(_ on: Bool) {
        switch descriptor {
        case .some(let open): SerialPort.setRTS(open, on)
        case .none: break
        }
    }

    private func flush() {
        var sent = 0
        while sent < unsent.count {
            let transfer: Transfer
            switch descriptor {
            case .some(let open): transfer = SerialPort.write(open, unsent[sent...])
            case .none: return
            }
            switch transfer {
            case .bytes(let count): sent += count
            case .wouldBlock:
                unsent.removeFirst(sent)
                stall.refused(hasMoved: sent > 0, at: Clock.instant)
                return settleInterest()
            case .hungUp(let failure): return lose(failure)
            }
        }
        unsent.removeAll(keepingCapacity: true)
        stall.tookAll()
        if interest.includesWrite { settleInterest() }
    }

    /// Call before the loop waits: it is not woken for every piece of a frame. Once a turn, because
    /// a line that is looked at by the clock alone then costs no call at all.
    func settleInterest() {
        let wanted: EventLoop.Interest =
            !unsent.isEmpty
            ? .both
            : restDue == nil && scheduled == nil && !hasTrain ? .read : .none
        guard let watch, wanted != interest else { return }
        try? loop.change(watch, wanted)
        interest = wanted
    }

    private var pending: Int {
        switch descriptor {
        case .some(let open): SerialPort.outputPending(open) ?? 0
        case .none: 0
        }
    }

    private func takeErrors(at now: Instant) {
        guard let known = errors, errorsDue <= now else { return }
        errorsDue = now + Self.errorsInterval
        switch descriptor {
        case .some(let open): errors = SerialPort.errors(open)
        case .none: return
        }
        let added = (errors ?? known) - known
        if added != LineErrors() { _ = deliver(.errors(added)) }
    }

    // MARK: receiving

    private func ready(_ ready: EventLoop.Ready) {
        if ready.isReadable || ready.isHungUp { receive(isHungUp: ready.isHungUp) }
        if ready.isWritable, watch != nil { flush() }
    }

    private func receive(isHungUp: Bool) {
        for _ in 0..<Self.readsPerTurn {
            let transfer: Transfer
            switch descriptor {
            case .some(let open): transfer = SerialPort.read(open, into: &buffer)
            case .none: return
            }
            switch transfer {
            case .bytes(let count):
                stall.heard()
                if hasTrain { carry(buffer[..<count]) } else { hear(Array(buffer[..<count])) }
                if count < buffer.count, !isHungUp { return }
            case .wouldBlock:
                // A hang-up is reported until the watch ends: waiting for the read to say so would
                // spin.
                if isHungUp {
                    lose(LineFailure(.lost, "the line hung up: the adapter is unplugged or gone"))
                }
                return
            case .hungUp(let failure): return lose(failure)
            }
        }
    }

    private func hear(_ bytes: [UInt8]) {
        let rest = scheduled.take() == nil ? deliver(.received(bytes)) : deliver(.intruded(bytes))
        if !hasTrain { restDue = scheduled == nil ? rest : nil }
    }

    private func carry(_ bytes: ArraySlice<UInt8>) {
        if let step = train?.received(bytes, at: Clock.instant) { take(step) } else { endTrain() }
    }

    private func lose(_ failure: LineFailure) {
        endTrain()
        close()
        _ = deliver(.lost(failure))
    }
}
