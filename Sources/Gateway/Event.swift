import Base
import Bridge
import Drivers
import Line

/// Everything that can happen to a gateway. The shell makes these from descriptors and helpers; the
/// simulation makes them from a virtual clock, line, network and disk. What is large and seldom is
/// indirect: an event is copied on its way, several times in each exchange on a line.
package enum Event: Sendable {
    case line(PortName, LineEvent)
    case link(LinkEvent)
    indirect case disk(UInt64, Result<DiskAnswer, DiskFailure>)
    indirect case signed(UInt64, Result<[UInt8], SigningFailure>)
    indirect case clock(ClockFacts)
    /// A serial port has appeared: what could not be opened may be there now.
    case portsAdded
    /// The USB adapters that no configured port means.
    case unclaimedPorts([SerialPortEntry])
    /// Units on the line of an unclaimed adapter, as `fieldgw scan --json` reports them.
    indirect case scanned(SerialPortEntry, Result<[UInt8], ScanFailure>)
    /// One request line from a client of the control socket.
    case control(ControlTicket, [UInt8])
    /// A connection to the control socket has ended: what was lent to it comes back.
    case controlEnded(Int)
    /// SIGHUP: another configuration; `needRestart` names what the shell cannot change while it
    /// runs.
    indirect case reload(Gateway.Settings, needRestart: [String])
    /// The file of a reload cannot be used, and why.
    indirect case reloadRefused(String)
    /// The answer to `measure`.
    indirect case measured(MachineFigures)
    /// Helper threads that do not come back from a call; empty when all are back.
    indirect case helpersHang([String])
    /// SIGTERM: commit, disconnect, finish.
    case terminate
    case door(DoorEvent)
    /// Event of a connection to the server of a line.
    case service(PortName, DoorEvent)
}

package enum LinkEvent: Sendable {
    case up
    indirect case failed(LinkFailure)
    case received([UInt8])
    indirect case closed(LinkFailure)
}

/// Action that the gateway requests. Effects on one line, on the link and on the disk are carried
/// out in the order in which they come. As in `Event`, large cases are indirect.
package enum Effect: Sendable {
    indirect case openLine(PortName, LineSettings)
    case closeLine(PortName)
    /// The port is not in the configuration any more: closed for good.
    case removeLine(PortName)
    /// For the carrier of an open line.
    case line(PortName, LineCommand)
    indirect case connect(LinkTarget)
    case send([UInt8])
    case disconnect
    indirect case disk(DiskRequest)
    indirect case sign(ticket: UInt64, by: Signer, input: [UInt8])
    case answer(ControlTicket, [UInt8])
    /// A line for a request that stays open: its answer comes later.
    case progress(ControlTicket, [UInt8])
    indirect case notice(Notice)
    /// Look who is on the line of an adapter that no port means; its answer may take minutes.
    indirect case scan(SerialPortEntry)
    /// Ends a scan: its answer is not awaited any more, and the port may be wanted.
    case endScan(String)
    /// From now on only lines of this level and worse; nil: as at the start.
    case logLevel(Notice.Level?)
    /// Look at the machine's load, memory, disk and temperature.
    case measure
    /// Recovered and polling: what a service manager waits for.
    case ready
    /// The answer to a reload; false: everything stays as it was.
    case reloaded(isInForce: Bool)
    case finished(ExitReason)
    case door(DoorEffect)
    case service(PortName, ServiceEffect)
}

/// A request on the control socket.
package struct ControlTicket: Hashable, Sendable {
    package var number: Int
    /// The connection on which it came; its end is `Event.controlEnded`.
    package var connection: Int
    /// The process that connected, by the kernel's word; 0 if it is not known.
    package var process: Int32
    /// The socket's owner or root, by the kernel's word.
    package var mayWrite: Bool

    package init(_ number: Int, connection: Int = 0, process: Int32 = 0, mayWrite: Bool = false) {
        self.number = number
        self.connection = connection
        self.process = process
        self.mayWrite = mayWrite
    }
}

/// Why the gateway is done.
package enum ExitReason: Hashable, Sendable {
    case drained
    /// The journal cannot be used at all: it is locked, or belongs to another gateway.
    case unavailable(String)
}
