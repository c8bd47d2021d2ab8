import Base
import Drivers
import Line
import Simulators

/// A serial line with its units: the tty at this end, byte times and faults at the other.
struct SimulatedLine {
    enum State { case closed, opening, open }

    var bus: BusSimulator
    var state = State.closed
    /// Opening fails until then: the adapter is unplugged.
    var missingUntil = Instant.zero
    /// Grows with every open and close: what belongs to an earlier one is void.
    var attempt = 0
    /// What lies in the tty because the gateway does not look at the line.
    var unread: [UInt8] = []
    /// A request that goes out at its time if nothing lies in the tty by then.
    var scheduled: (number: Int, bytes: [UInt8], due: Instant)?
    var schedules = 0
    /// Reads that the line carries out by itself.
    var train: ReadTrain?
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

    mutating func close() {
        attempt += 1
        state = .closed
        unread = []
        scheduled = nil
        train = nil
        bus.disconnect()
    }
}
