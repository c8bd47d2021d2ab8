import Base
import Line

/// Interface between a port and its driver, for any protocol on the line.
package protocol LineDriver: Sendable {
    /// The line is there: asking or listening begins.
    mutating func opened(_ facts: LineFacts, at now: Moment)
    /// The line is gone: everybody is told once, then there is silence until it is back.
    mutating func closed(at now: Moment)
    /// The line is lent to another program: nothing is said about the units until it is opened
    /// again.
    mutating func pause(at now: Moment)
    mutating func receive(_ bytes: ArraySlice<UInt8>, at now: Moment)
    /// Takes the errors that the UART has counted since the last call.
    mutating func receive(_ errors: LineErrors)
    /// Takes over what an earlier run gave out as `learned`; before the line is opened.
    mutating func restore(_ document: [UInt8], at now: Moment)
    /// Another plan, between two exchanges. What does not differ goes on as if nothing had
    /// happened: phases, runs, orders under way, health, what was learned and counted. False: it is
    /// no plan for this driver.
    mutating func adopt(_ settings: LineDriverSettings, at now: Moment) -> Bool
    /// Nothing is begun any more until `adopt`; what is only scheduled is taken back. False: it was
    /// held before.
    mutating func hold(at now: Moment) -> Bool
    /// Takes one order; its `Outcome` follows in every case.
    mutating func submit(_ order: Order, at now: Moment)
    /// Call when `deadline.due` has come.
    mutating func timeout(at now: Moment)
    /// Drain until nil after every other call.
    mutating func next() -> LineOutput?
    var deadline: (due: Instant, reason: LineTimer)? { get }
    /// A request is out and its reply neither here nor given up.
    func isExchanging(at now: Instant) -> Bool
    /// A request was given out (`LineOutput.schedule`) whose time has not come.
    func hasScheduled(at now: Instant) -> Bool
    /// The scheduled request did not go out: somebody spoke before its time, or nothing is sent any
    /// more.
    mutating func takeBack()
    /// The scheduled request went out so much after its time.
    mutating func sentLate(by delay: Duration)
    /// A burst is over: what the line has carried out of it, oldest first, and what came that
    /// belongs to none of its replies.
    mutating func carried(_ log: [ReadBurst.Exchange], then bytes: [UInt8], at now: Moment)
    /// Tells the driver that its caller waits for the end of the exchange under way. True if that
    /// ends a train, by `carried`.
    @discardableResult
    mutating func recall() -> Bool
    /// Everything that was counted; units in the order of the settings.
    var statistics: PortStatistics { get }
}

extension LineDriver {
    package mutating func restore(_ document: [UInt8], at now: Moment) {}
    package func hasScheduled(at now: Instant) -> Bool { false }
    package mutating func takeBack() {}
    package mutating func sentLate(by delay: Duration) {}
    package mutating func carried(_ log: [ReadBurst.Exchange], then bytes: [UInt8], at now: Moment)
    {}
    @discardableResult
    package mutating func recall() -> Bool { false }
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
    /// One step of the setup of a unit that has come, or come back.
    indirect case setup(Address, step: Int, Outcome)
    indirect case unit(Address, UnitState, Moment)
    indirect case notice(Notice)
    /// State that should outlive the process, as a whole: it replaces the state given out before.
    case learned([UInt8])
}
