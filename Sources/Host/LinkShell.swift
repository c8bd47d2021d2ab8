import Base
import Gateway
import Platform

/// The way to the bridge: made by the network helper, read and written by the loop.
final class LinkShell {
    /// The session's window bounds what is in flight; this bounds a bridge that stops reading.
    private static let unsentMax = 8 << 20
    /// A broker may put every PUBACK into a TLS record of its own: many records are one turn's
    /// work. Records without data count several times (`Link.work`).
    private static let workPerTurn = 1024
    private static let bytesPerTurn = 64 << 10
    private static let writesPerTurn = 16

    private let loop: EventLoop
    private let worker: Worker
    private let mailbox: Mailbox<HelperMessage>
    private var context: TLSContext?
    private let deliver: (LinkEvent) -> Void
    private var link: Link?
    private var watch: EventLoop.Watch?
    private var interest = EventLoop.Interest.read
    private var unsent: [UInt8] = []
    private var unsentStart = 0
    /// Something waits to be written, or the socket is waited for: else a turn of the loop has
    /// nothing to do here.
    private var needsFlush = false
    private var attempt = 0
    /// Ends the attempt under way when something is posted.
    private var interrupt: Mailbox<Bool>?

    init(
        loop: EventLoop, mailbox: Mailbox<HelperMessage>, context: TLSContext?,
        deliver: @escaping (LinkEvent) -> Void
    ) throws {
        self.loop = loop
        self.mailbox = mailbox
        self.context = context
        self.deliver = deliver
        worker = try Worker("fgw-net", stackBytes: 512 << 10)
    }

    /// True while decrypted bytes wait inside the TLS library, which no descriptor reports.
    var hasPending: Bool { link?.hasPending ?? false }

    /// Since when the helper has been in one call.
    var helperBusySince: Instant? { worker.busySince }

    /// For the next connection.
    func use(_ context: TLSContext?) { self.context = context }

    func connect(_ target: LinkTarget) {
        close(orderly: false)
        let (attempt, mailbox, context) = (attempt, mailbox, context)
        let interrupt = try? Mailbox<Bool>()
        self.interrupt = interrupt
        worker.submit {
            switch Connector.connect(
                target, context: context, interruptedBy: interrupt?.descriptor ?? -1)
            {
            case .success(let link): mailbox.post(.linkUp(attempt: attempt, link))
            case .failure(let failure): mailbox.post(.linkFailed(attempt: attempt, failure))
            }
        }
    }

    func up(_ link: Link, attempt: Int) {
        guard attempt == self.attempt else { return link.close(orderly: false) }
        do {
            watch = try loop.watch(link.descriptor, .read) { [unowned self] ready in
                self.ready(ready)
            }
            interest = .read
            self.link = link
            deliver(.up)
        } catch {
            link.close(orderly: false)
            deliver(.failed(LinkFailure(.other, "the connection cannot be watched: \(error)")))
        }
    }

    func failed(_ failure: LinkFailure, attempt: Int) {
        if attempt == self.attempt { deliver(.failed(failure)) }
    }

    func send(_ bytes: [UInt8]) {
        guard link != nil else { return }
        guard unsent.count - unsentStart + bytes.count <= Self.unsentMax else {
            return lose(LinkFailure(.closed, "the bridge takes no more bytes"))
        }
        // Mostly it is all there is, and is written as it is.
        if unsent.isEmpty { unsent = bytes } else { unsent.append(contentsOf: bytes) }
        needsFlush = true
    }

    /// Writes what `send` collected: once a turn, so that small packets share TLS records.
    func flush() {
        guard needsFlush else { return }
        var turns = 0
        while unsentStart < unsent.count, let link {
            guard turns < Self.writesPerTurn else { return wait(.write) }
            turns += 1
            switch link.write(unsent[unsentStart...]) {
            case .wrote(let count): unsentStart += count
            case .wouldBlock(let wants): return wait(wants)
            case .closed: return lose(LinkFailure(.closed, "the bridge closed the connection"))
            case .failed(let failure): return lose(failure)
            }
        }
        unsent = []
        unsentStart = 0
        wait(.read)
        needsFlush = interest != .read
    }

    /// The socket takes no more for now. What has left is forgotten from time to time: a bridge
    /// that is always a little behind would have us keep everything that it ever got.
    private func wait(_ wants: Link.Wants) {
        if unsentStart > max(64 << 10, unsent.count / 2) {
            unsent.removeFirst(unsentStart)
            unsentStart = 0
        }
        change(to: wants == .write || link?.readWantsWrite == true ? .both : .read)
    }

    /// Closes the descriptor. The last packets go out first, as far as the socket takes them at
    /// once.
    func disconnect() {
        flush()
        close(orderly: true)
    }

    func readPending() { receive() }

    private func ready(_ ready: EventLoop.Ready) {
        if ready.isReadable || ready.isHungUp || link?.readWantsWrite == true { receive() }
        if ready.isWritable { flush() }
    }

    /// All that is there goes on in one piece: every machine is asked once a turn, not once a
    /// record.
    private func receive() {
        var bytes: [UInt8] = []
        var end: LinkFailure?
        let workMax = (link?.work ?? 0) + Self.workPerTurn
        reading: for _ in 0..<Self.workPerTurn {
            guard let link, bytes.count < Self.bytesPerTurn, link.work < workMax else { break }
            switch link.read() {
            case .bytes(let more):
                if bytes.isEmpty { bytes = more } else { bytes.append(contentsOf: more) }
                // If more has come to the descriptor, the next turn hears of it.
                if !link.hasPending { break reading }
            case .wouldBlock(let wants):
                if wants == .write { change(to: .both) }
                break reading
            case .closed:
                end = LinkFailure(.closed, "the bridge closed the connection")
                break reading
            case .failed(let failure):
                end = failure
                break reading
            }
        }
        let attempt = attempt
        if !bytes.isEmpty { deliver(.received(bytes)) }
        if let end, attempt == self.attempt { lose(end) }
    }

    private func change(to wanted: EventLoop.Interest) {
        guard let watch, wanted != interest else { return }
        try? loop.change(watch, wanted)
        interest = wanted
        needsFlush = true
    }

    private func lose(_ failure: LinkFailure) {
        close(orderly: false)
        deliver(.closed(failure))
    }

    private func close(orderly: Bool) {
        attempt += 1
        interrupt?.post(true)
        interrupt = nil
        if let watch { loop.remove(watch) }
        watch = nil
        link?.close(orderly: orderly)
        link = nil
        unsent = []
        unsentStart = 0
        needsFlush = false
    }
}
