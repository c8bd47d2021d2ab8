import Base
import Line

/// Interface between a port and its driver, for any protocol on the line.
package protocol LineDriver: Sendable {
    mutating func receive(_ input: LineInput, at now: Moment)
    /// Another plan, between two exchanges. What does not differ goes on as if nothing had
    /// happened: phases, runs, orders under way, health, what was learned and counted. False: it is
    /// no plan for this driver.
    mutating func adopt(_ settings: LineDriverSettings, at now: Moment) -> Bool
    /// Begins no more work until `adopt`; what is only scheduled is cancelled. False: it was
    /// held before.
    mutating func hold(at now: Moment) -> Bool
    /// Takes one order; its `Outcome` follows in every case.
    mutating func submit(_ order: Order, at now: Moment)
    /// Takes a request of another master; its `ServedReply` follows in every case.
    mutating func serve(_ request: ServedRequest, at now: Moment)
    /// The other master has gone: nobody waits for its answers.
    mutating func forget(_ client: ConnectionID)
    /// Call when `deadline.due` has come.
    mutating func timeout(at now: Moment)
    /// Drain until nil after every other call.
    mutating func next() -> LineOutput?
    var deadline: (due: Instant, reason: LineTimer)? { get }
    /// A request is out and its reply neither here nor given up.
    func isExchanging(at now: Instant) -> Bool
    /// Everything that was counted; units in the order of the settings.
    var statistics: PortStatistics { get }
}

/// Things that a driver is told of its line. Those of the carrier are as in `LineEvent`.
package enum LineInput: Sendable {
    /// The line is there: asking or listening begins.
    indirect case opened(LineFacts)
    /// The line is gone: everybody is told once, then there is silence until it is back.
    case closed
    /// The line is lent to another program: nothing is said about the units until it is opened
    /// again.
    case lent
    case received([UInt8])
    /// The scheduled request did not go out: these bytes came before its time, or, if there are
    /// none, nothing is sent any more.
    case intruded([UInt8])
    case sentLate(Duration)
    indirect case carried([ReadBurst.Exchange], [UInt8])
    /// Errors that the UART has counted since the last time.
    indirect case errors(LineErrors)
    /// A document that an earlier run gave out as `LineOutput.learned`; before the line is opened.
    case learned([UInt8])
}

/// The protocol of a port, its nodes and their intervals.
package enum LineDriverSettings: Hashable, Sendable {
    case modbus(ModbusDriver.Settings)
    case uart(UARTDriver.Settings)

    package var units: Set<UnitID> {
        switch self {
        case .modbus(let settings): Set(settings.nodes.map(\.unit))
        case .uart(let settings): Set(settings.nodes.map(\.unit))
        }
    }
}

package enum LineOutput: Hashable, Sendable {
    case line(LineCommand)
    case reading(Reading)
    indirect case outcome(Outcome)
    /// The answer to a request of another master.
    indirect case served(ServedReply)
    /// One step of the setup of a unit that has come, or come back.
    indirect case setup(Address, step: Int, Outcome)
    indirect case unit(Address, UnitState, Moment)
    indirect case notice(Notice)
    /// State that should outlive the process, as a whole: it replaces the state given out before.
    case learned([UInt8])
}
