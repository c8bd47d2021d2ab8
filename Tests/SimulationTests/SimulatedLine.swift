import Base
import Line
import Simulators
import TestKit

/// A serial line with its units: the tty at this end, byte times and faults at the other.
struct SimulatedLine {
    enum State { case closed, opening, open }

    var bus: BusSimulator
    var state = State.closed
    /// As the gateway wants it.
    var settings: LineSettings?
    /// Opening fails until then: the adapter is unplugged.
    var missingUntil = Instant.zero
    /// Grows with every open and close: what belongs to an earlier one is void.
    var attempt = 0
    /// This end of the line, and its carrier; nil while it is not open.
    var tty: CarriedLine?
    /// When the carrier is woken next; a wake-up of another number is void.
    private(set) var wake: (number: Int, due: Instant?) = (0, nil)
    /// Bytes arrive in order, however long the adapter keeps them.
    private var lastArrival = Instant.zero

    init(_ description: BusDescription, seed: UInt64) {
        bus = BusSimulator(description, seed: seed)
    }

    /// When a chunk that has crossed the wire now is read: a USB adapter collects for up to 2 ms.
    mutating func arrival(at now: Instant, _ random: inout RandomSource) -> Instant {
        lastArrival = max(lastArrival, now + .seconds(fraction: random.uniform(0, 0.002)))
        return lastArrival
    }

    /// The time at which the carrier wants to be woken, if that is another one than before.
    mutating func takeWake() -> Instant? {
        guard tty?.due != wake.due else { return nil }
        wake = (wake.number + 1, tty?.due)
        return wake.due
    }

    /// A wake-up has come. False: it is void.
    mutating func isWoken(_ number: Int) -> Bool {
        guard tty != nil, number == wake.number else { return false }
        wake.due = nil
        return true
    }

    mutating func close() {
        attempt += 1
        state = .closed
        tty = nil
        wake = (wake.number + 1, nil)
        bus.disconnect()
    }
}
