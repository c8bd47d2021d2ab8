import Base
import Platform
import Simulators

/// Orders that an operator types to the bridge emulator.
final class BridgeOrders {
    private static let lineMax = 300 << 10

    private let shell: BridgeShell
    private var pending: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: 4096)
    private var watch: EventLoop.Watch?

    init(_ shell: BridgeShell) { self.shell = shell }

    /// Standard input, if there is one to wait for; a file or /dev/null is not.
    func listen(on loop: SimulatorLoop) throws {
        watch = try? loop.events.watch(0, .read) { [self] _ in receive(loop.events) }
    }

    private func receive(_ events: EventLoop) {
        let count = StandardInput.read(into: &buffer)
        guard count > 0 else {
            if let watch { events.remove(watch) }
            watch = nil
            return
        }
        pending.append(contentsOf: buffer[..<count])
        while let end = pending.firstIndex(of: 0x0A) {
            let line = String(decoding: pending[..<end], as: UTF8.self)
            do { try shell.obey(line) } catch { Console.complain(error.message) }
            pending.removeSubrange(...end)
        }
        if pending.count > Self.lineMax { pending = [] }
    }
}
