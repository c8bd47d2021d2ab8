import Base
import Line
import Platform

/// One line: its descriptor on the loop, its lane of the helpers for everything that can block
/// (open, set, connect, close), and the carrier that says what is done with it.
package final class LineShell {
    /// At most 64 KiB a turn: a babbling line cannot keep the loop from the others.
    private static let readsPerTurn = 16

    let name: PortName
    private let loop: EventLoop
    /// Helpers for serial ports, and for connections: one that hangs keeps none of the other kind.
    private let helpers: WorkerPool
    private let network: WorkerPool
    private let lane: Int
    private let mailbox: Mailbox<HelperMessage>
    private var descriptor: OwnedFD?
    /// Filled by the helper that opens the line; nil unless its answer is awaited.
    private var awaited: DescriptorParcel?
    private var watch: EventLoop.Watch?
    private var interest = LineCarrier.Interest.read
    private var attempt: Int
    private var settings: LineSettings?
    private var access = LineAccess.terminal
    /// Names along the links of the path, the node at their end included: "ttyUSB0".
    private var nodes: Set<String> = []
    private var buffer = [UInt8](repeating: 0, count: SerialPort.readMax)
    private let deliver: (LineEvent) -> Void
    /// Nil unless the line is open.
    private var carrier: LineCarrier?

    /// - Parameters:
    ///   - generation: another one for every shell of a name, so that answers for an earlier one
    ///     find nobody.
    ///   - network: for connections; nil: the same helpers.
    package init(
        _ name: PortName, generation: Int = 0, loop: EventLoop, helpers: WorkerPool,
        network: WorkerPool? = nil, mailbox: Mailbox<HelperMessage>,
        deliver: @escaping (LineEvent) -> Void
    ) {
        self.name = name
        lane = generation
        self.helpers = helpers
        self.network = network ?? helpers
        attempt = generation << 32
        self.loop = loop
        self.mailbox = mailbox
        self.deliver = deliver
    }

    package func open(_ settings: LineSettings) {
        release(telling: false)
        self.settings = settings
        access = LineAccess(settings)
        let parcel = DescriptorParcel()
        awaited = parcel
        let (name, attempt, mailbox) = (name, attempt, mailbox)
        workers.submit(lane) {
            do throws(LineFailure) {
                let line = try LineAccess.open(settings)
                let facts = line.facts
                parcel.put(line.intoDescriptor())
                mailbox.post(.lineOpened(name, attempt: attempt, parcel, facts))
            } catch {
                mailbox.post(.lineFailed(name, attempt: attempt, error))
            }
        }
    }

    /// The helper's answer. One that belongs to an attempt given up since is closed and forgotten.
    package func opened(_ parcel: DescriptorParcel, _ facts: LineFacts, attempt: Int) {
        guard attempt == self.attempt, let settings, let taken = parcel.take() else { return }
        awaited = nil
        do {
            watch = try loop.watch(taken.number, .read) { [unowned self] in ready($0) }
            interest = .read
            carrier = LineCarrier(settings, errors: access.errors(taken))
            descriptor = consume taken
            nodes = facts.isNetwork ? [] : Self.nodes(of: facts.path)
            deliver(.opened(facts))
        } catch {
            deliver(.failed(LineFailure(.other, "\(facts.path) cannot be watched: \(error)")))
        }
    }

    private static func nodes(of path: String) -> Set<String> {
        Set(
            FileSystem.linkChain(path).compactMap {
                $0.split(separator: "/").last.map(String.init)
            })
    }

    private var workers: WorkerPool { access == .connection ? network : helpers }

    package func failed(_ failure: LineFailure, attempt: Int) {
        guard attempt == self.attempt else { return }
        awaited = nil
        // A connection that could not be made again.
        guard carrier == nil else { return lose(failure) }
        deliver(.failed(failure))
    }

    /// Closes the line; `closed` is reported when another program can have it.
    package func close() { release(telling: true) }

    /// Gives up the attempt under way. Closing can wait in the driver for 30 s, so the helper does
    /// it.
    /// - Parameter telling: whether the end of the closing is reported. A line that is opened again
    ///   in the same call is not one that another program can have.
    private func release(telling: Bool) {
        attempt += 1
        carrier?.end()
        drain()
        carrier = nil
        if let watch { loop.remove(watch) }
        watch = nil
        // A line that an attempt has just opened is locked by it.
        var held = awaited.take()
        if let open = descriptor.take() { held = DescriptorParcel(open) }
        guard held != nil || telling else { return }
        let parcel = held
        let (name, attempt, mailbox, access) = (name, attempt, mailbox, access)
        workers.submit(lane) {
            if let descriptor = parcel?.take() { access.close(descriptor) }
            if telling { mailbox.post(.lineClosed(name, attempt: attempt)) }
        }
    }

    /// The node is gone from the system: the line is let go at once, so that the kernel can give
    /// its name to whatever is plugged in next.
    func unplugged(_ node: String) {
        guard carrier != nil, nodes.contains(node) else { return }
        lose(LineFailure(.lost, "/dev/\(node) was unplugged"))
    }

    /// The helper has closed what this attempt had open.
    package func closed(attempt: Int) {
        if attempt == self.attempt { deliver(.closed) }
    }

    /// Exchanges of a burst under way are told before the loss.
    private func lose(_ failure: LineFailure) {
        carryOut(.recall)
        // Telling them may have brought a request, and with it the same loss.
        guard carrier != nil else { return }
        close()
        deliver(.lost(failure))
    }

    // MARK: a connection

    /// The line was lost, or the other end has closed a connection that is made again.
    private func hungUp(_ failure: LineFailure) {
        let isClosed = access == .connection && failure.kind == .lost
        guard isClosed, carrier?.connectionEnded() == true else { return lose(failure) }
        drain()
    }

    /// Closes the connection and makes it again, which nobody is told of.
    private func renew() {
        guard let settings else { return }
        attempt += 1
        if let watch { loop.remove(watch) }
        watch = nil
        interest = .none
        if let open = descriptor.take() { access.close(open) }
        let parcel = DescriptorParcel()
        awaited = parcel
        let (name, attempt, mailbox) = (name, attempt, mailbox)
        workers.submit(lane) {
            do throws(LineFailure) {
                parcel.put(try LineAccess.reopen(settings))
                mailbox.post(.lineRenewed(name, attempt: attempt, parcel))
            } catch {
                mailbox.post(.lineFailed(name, attempt: attempt, error))
            }
        }
    }

    /// The helper's answer to `renew`.
    package func renewed(_ parcel: DescriptorParcel, attempt: Int) {
        guard attempt == self.attempt, carrier != nil, let taken = parcel.take() else { return }
        awaited = nil
        do {
            watch = try loop.watch(taken.number, .read) { [unowned self] in ready($0) }
            interest = .read
            descriptor = consume taken
            carrier?.renewed()
            drain()
        } catch {
            lose(LineFailure(.other, "the connection cannot be watched: \(error)"))
        }
    }

    /// Since when the helper has been in one call.
    var helperBusySince: Instant? { workers.busySince(lane) }

    // MARK: the carrier

    package func carryOut(_ command: LineCommand) {
        guard carrier != nil else { return }
        carrier?.carryOut(command, at: Clock.instant)
        drain()
    }

    /// When a scheduled request goes out, if microseconds count.
    var sendingDue: Instant? { carrier?.wait.sending }

    /// When `timeout` must be called; nil: not at all.
    package var deadline: Instant? { carrier?.wait.due }

    package func timeout(at now: Instant) {
        guard let due = carrier?.wait.due, due <= now else { return }
        carrier?.timeout(at: now)
        drain()
    }

    /// Call before the loop waits: it is not woken for every piece of a frame. Once a turn, because
    /// a line that is looked at by the clock alone then costs no call at all.
    package func settleInterest() {
        guard let watch, let wanted = carrier?.wait.interest, wanted != interest else { return }
        let readiness: EventLoop.Interest =
            switch wanted {
            case .none: .none
            case .read: .read
            case .both: .both
            }
        try? loop.change(watch, readiness)
        interest = wanted
    }

    private func drain() {
        while let action = carrier?.next() { carryOut(action) }
    }

    private func carryOut(_ action: LineCarrier.Action) {
        switch action {
        case .report(let event): deliver(event)
        case .fail(let failure): lose(failure)
        case .look:
            receive(isHungUp: false)
            carrier?.looked(at: Clock.instant)
        case .write: write()
        case .renew: renew()
        case .discardInput where access == .connection: discardReceived()
        default:
            // The descriptor cannot be copied: it is asked where it stands.
            switch descriptor {
            case .some(let open): carryOut(action, on: open)
            case .none: break
            }
        }
    }

    private func carryOut(_ action: LineCarrier.Action, on open: borrowing OwnedFD) {
        switch action {
        case .discardInput: SerialPort.discardInput(open)
        case .drive(let on): SerialPort.setRTS(open, on)
        case .askSent: carrier?.hasSent(access.hasSentAll(open), at: Clock.instant)
        case .askQueued: carrier?.queued(access.outputPending(open), at: Clock.instant)
        case .askErrors: carrier?.counted(access.errors(open))
        case .look, .write, .report, .fail, .renew: break
        }
    }

    private func write() {
        var sent = 0
        while let rest = carrier?.unsent[sent...], !rest.isEmpty {
            let transfer: Transfer
            switch descriptor {
            case .some(let open): transfer = access.write(open, rest)
            case .none: return
            }
            switch transfer {
            case .bytes(let count): sent += count
            case .wouldBlock:
                carrier?.wrote(sent, at: Clock.instant)
                return settleInterest()
            case .hungUp(let failure): return hungUp(failure)
            }
        }
        carrier?.wrote(sent, at: Clock.instant)
        if interest == .both { settleInterest() }
    }

    // MARK: receiving

    private func ready(_ ready: EventLoop.Ready) {
        if ready.isReadable || ready.isHungUp { receive(isHungUp: ready.isHungUp) }
        guard ready.isWritable else { return }
        carrier?.becameWritable()
        drain()
    }

    private func receive(isHungUp: Bool) {
        for _ in 0..<Self.readsPerTurn {
            let transfer: Transfer
            switch descriptor {
            case .some(let open): transfer = access.read(open, into: &buffer)
            case .none: return
            }
            switch transfer {
            case .bytes(let count):
                carrier?.received(buffer[..<count], at: Clock.instant)
                drain()
                if count < buffer.count, !isHungUp { return }
            case .wouldBlock:
                // A hang-up is reported until the watch ends: waiting for the read to say so would
                // spin.
                if isHungUp {
                    lose(LineFailure(.lost, "the line hung up: the adapter is unplugged or gone"))
                }
                return
            case .hungUp(let failure): return hungUp(failure)
            }
        }
    }

    /// A connection has no call for it: the bytes are read.
    private func discardReceived() {
        for _ in 0..<Self.readsPerTurn {
            let transfer: Transfer
            switch descriptor {
            case .some(let open): transfer = access.read(open, into: &buffer)
            case .none: return
            }
            // An end is found by the next read.
            guard case .bytes(let count) = transfer else { return }
            carrier?.discarded(buffer[..<count])
        }
    }
}
