import Base
import Platform

/// The lines of another program's output, each also written to a log file.
final class LineSplitter {
    private static let pendingMax = 64 << 10

    private let descriptor: OwnedFD?
    private let events: EventLoop
    private var watch: EventLoop.Watch?
    private var pending: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: 4096)
    private let log: String
    private var logged: [UInt8] = []
    private let hear: (String) -> Void

    init(
        _ descriptor: consuming OwnedFD?, on loop: SimulatorLoop, log: String,
        hear: @escaping (String) -> Void
    ) throws {
        self.descriptor = descriptor
        self.log = log
        self.hear = hear
        events = loop.events
        switch self.descriptor {
        case .some(let open):
            watch = try events.watch(open.number, .read) { [unowned self] _ in receive() }
        case .none: break
        }
    }

    /// Takes what is there; true while there may be more.
    @discardableResult
    func receive() -> Bool {
        let transfer: Transfer
        switch descriptor {
        case .some(let open): transfer = SerialPort.read(open, into: &buffer)
        case .none: return false
        }
        guard case .bytes(let count) = transfer else {
            if case .hungUp = transfer { end() }
            return false
        }
        logged.append(contentsOf: buffer[..<count])
        pending.append(contentsOf: buffer[..<count])
        while let line = pending.firstIndex(of: 0x0A) {
            hear(String(decoding: pending[..<line], as: UTF8.self))
            pending.removeSubrange(...line)
        }
        if pending.count > Self.pendingMax { pending = [] }
        return true
    }

    private func end() {
        if let watch { events.remove(watch) }
        watch = nil
        save()
    }

    /// Writes the log file as far as it has come.
    func save() { try? FileSystem.replace(log, logged) }
}
