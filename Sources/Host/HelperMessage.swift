import Base
import Bridge
import Gateway
import Platform

/// Results that the helper threads bring back to the loop.
package enum HelperMessage: Sendable {
    case disk(UInt64, Result<DiskAnswer, DiskFailure>)
    case signed(UInt64, Result<[UInt8], SigningFailure>)
    case lineOpened(PortName, attempt: Int, DescriptorParcel, LineFacts)
    case lineFailed(PortName, attempt: Int, LineFailure)
    /// A connection was made again.
    case lineRenewed(PortName, attempt: Int, DescriptorParcel)
    case lineClosed(PortName, attempt: Int)
    /// USB adapters that no configured port means.
    case unclaimedPorts([SerialPortEntry])
    /// Result of the scan of an unclaimed adapter.
    case scanned(SerialPortEntry, Result<[UInt8], ScanFailure>)
    case machine(MachineFigures)
    case reload(Result<Reload, ReloadFailure>)
    case linkUp(attempt: Int, Link)
    case linkFailed(attempt: Int, LinkFailure)
}
