import Base
import Platform
import Simulators

/// A simulated line on a pseudo-terminal.
final class BusShell: TimedShell {
    let path: String
    private(set) var bus: BusSimulator
    private let terminal: PseudoTerminal
    private var watch: EventLoop.Watch?
    private var buffer = [UInt8](repeating: 0, count: 4096)

    init(_ description: BusDescription, seed: UInt64, on loop: SimulatorLoop) throws {
        bus = BusSimulator(description, seed: seed)
        terminal = try PseudoTerminal()
        path = terminal.path
        watch = try loop.events.watch(terminal.master.number, .read) { [unowned self] _ in receive()
        }
        loop.add(self)
    }

    /// A look at or a change of the units while they run.
    func change(_ body: (inout BusSimulator) -> Void) {
        body(&bus)
        send()
    }

    var deadline: Instant? { bus.deadline?.due }
    var isPunctual: Bool { true }

    func timeout() {
        bus.timeout(at: Clock.instant)
        send()
    }

    private func receive() {
        guard case .bytes(let count) = SerialPort.read(terminal.master, into: &buffer) else {
            return
        }
        // A client that was killed must not lock others out of a line that is never closed.
        terminal.forgetExclusive()
        bus.receive(buffer[..<count], at: Clock.instant)
        send()
    }

    private func send() {
        while case .transmit(let bytes)? = bus.next() {
            // The terminal holds far more than a frame; what it does not take is lost, as on a
            // wire.
            _ = SerialPort.write(terminal.master, bytes[...])
        }
    }
}
