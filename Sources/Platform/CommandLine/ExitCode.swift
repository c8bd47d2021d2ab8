/// How a command ends, as sysexits.h numbers it.
package enum ExitCode: Int32, Error, CaseIterable, Sendable {
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

    /// A line of the manual page.
    var meaning: String {
        switch self {
        case .ok: "done"
        case .checkWarning: "status --check: warning"
        case .checkCritical: "status --check: critical"
        case .checkUnknown: "status --check: unknown"
        case .usage: "the command line is wrong"
        case .badData:
            "data is wrong: an exception or a damaged answer of a unit, a file that says nonsense"
        case .noInput: "a file is not there or cannot be read"
        case .unavailable: "a port, a unit or the gateway cannot be reached"
        case .software: "an error of the program itself"
        case .inputOutput: "reading or writing failed"
        case .noPermission: "the user may not do that"
        case .configuration: "the configuration cannot be used"
        }
    }
}
