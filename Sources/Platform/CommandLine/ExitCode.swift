/// How a command ends, as sysexits.h numbers it.
package enum ExitCode: Int32, Error, Sendable {
    case ok = 0
    /// Codes that monitoring programs expect of a check.
    case checkWarning = 1, checkCritical = 2, checkUnknown = 3
    case usage = 64
    case badData = 65
    case noInput = 66
    case unavailable = 69
    case software = 70
    case inputOutput = 74
    case noPermission = 77
    case configuration = 78
}
