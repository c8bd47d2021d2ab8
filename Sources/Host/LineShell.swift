import Base
import Gateway
import Platform

/// One serial line: its descriptor on the loop, its helper thread for everything that can block
/// (open, set, close), and what the driver would not take yet.
final class LineShell {
    /// More than this waiting to be written means that the line does not move at all.
    private static let unsentMax = 16 << 10
    /// At most 64 KiB a turn: a babbling line cannot keep the loop from the others.
    private static let readsPerTurn = 16

    let name: PortName
    private let loop: EventLoop
    private let worker: Worker
    private let mailbox: Mailbox<HelperMessage>
    private var descriptor: OwnedFD?
    private var watch: EventLoop.Watch?
    private var unsent: [UInt8] = []
    private var attempt = 0
    private var buffer = [UInt8](repeating: 0, count: SerialPort.readMax)
    private let deliver: (LineEvent) -> Void

    init(
        _ name: PortName, loop: EventLoop, mailbox: Mailbox<HelperMessage>,
        deliver: @escaping (LineEvent) -> Void
    ) throws {
        self.name = name
        self.loop = loop
        self.mailbox = mailbox
        self.deliver = deliver
        worker = try Worker("fgw-port", stackBytes: 256 << 10)
    }

    func open(_ settings: LineSettings) {
        close()
        let (name, attempt, mailbox) = (name, attempt, mailbox)
        worker.submit {
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
            watch = try loop.watch(taken.number, .read) { [unowned self] ready in self.ready(ready) }
            descriptor = consume taken
            deliver(.opened(facts))
        } catch {
            deliver(.failed(LineFailure(.other, "\(facts.path) cannot be watched: \(error)")))
        }
    }

    func failed(_ failure: LineFailure, attempt: Int) {
        if attempt == self.attempt { deliver(.failed(failure)) }
    }

    /// Closing can wait in the driver for 30 s, so the helper does it.
    func close() {
        attempt += 1
        unsent = []
        if let watch { loop.remove(watch) }
        watch = nil
        guard let descriptor = descriptor.take() else { return }
        let parcel = DescriptorParcel(descriptor)
        worker.submit {
            if let descriptor = parcel.take() { SerialPort.close(descriptor) }
        }
    }

    func transmit(_ bytes: [UInt8]) {
        guard descriptor != nil else { return }
        guard unsent.count + bytes.count <= Self.unsentMax else {
            lose(LineFailure(.lost, "the line takes no more bytes: is the adapter stuck?"))
            return
        }
        unsent.append(contentsOf: bytes)
        flush()
    }

    func discardInput() {
        switch descriptor {
        case .some(let open): SerialPort.discardInput(open)
        case .none: break
        }
    }

    private func ready(_ ready: EventLoop.Ready) {
        if ready.isReadable || ready.isHungUp { receive() }
        if ready.isWritable, watch != nil { flush() }
    }

    private func receive() {
        for _ in 0..<Self.readsPerTurn {
            let transfer: Transfer
            switch descriptor {
            case .some(let open): transfer = SerialPort.read(open, into: &buffer)
            case .none: return
            }
            switch transfer {
            case .bytes(let count):
                deliver(.received(Array(buffer[..<count])))
                if count < buffer.count { return }
            case .wouldBlock: return
            case .hungUp(let failure): return lose(failure)
            }
        }
    }

    private func flush() {
        while !unsent.isEmpty {
            let transfer: Transfer
            switch descriptor {
            case .some(let open): transfer = SerialPort.write(open, unsent[...])
            case .none: return
            }
            switch transfer {
            case .bytes(let count): unsent.removeFirst(count)
            case .wouldBlock:
                change(to: [.read, .write])
                return
            case .hungUp(let failure): return lose(failure)
            }
        }
        change(to: .read)
    }

    private var interest = EventLoop.Interest.read

    private func change(to wanted: EventLoop.Interest) {
        guard let watch, wanted != interest else { return }
        try? loop.change(watch, wanted)
        interest = wanted
    }

    private func lose(_ failure: LineFailure) {
        close()
        deliver(.lost(failure))
    }
}
