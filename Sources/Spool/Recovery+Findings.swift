import Base

extension Recovery {
    enum Progress: Sendable {
        case going
        /// Every file was read.
        case ended
        /// The directory belongs to another gateway; says what to do.
        case refused(String)
    }

    /// Facts in the files beside their waiting records. The journal takes them after each step.
    struct Findings: Sendable {
        var losses: [Loss] = []
        var marks: [LossLedger.Mark] = []
        var anchors: [(boot: [UInt8], anchor: Moment)] = []
    }
}
