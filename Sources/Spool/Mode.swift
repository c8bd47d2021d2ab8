/// Where new records go, and what is known of the disk.
enum Mode: Hashable, Sendable {
    /// Before `start`: records wait for their numbers.
    case new
    /// The directory is being opened and locked.
    case opening
    /// The files are being read; records wait for their numbers.
    case recovering
    /// Records go to the disk.
    case journal
    /// The disk fails: records go to memory and nowhere else.
    case memory(Disk)
    /// The directory cannot be used. Nothing follows.
    case failed

    /// The disk's state while records go to memory.
    enum Disk: Hashable, Sendable {
        /// The directory was never opened.
        case unopened
        case opening
        case recovering
        /// The journal was recovered before the disk failed.
        case failing
        /// The disk works again; the return waits until no record that is in memory only is in
        /// flight.
        case returning
    }

    var isMemory: Bool { if case .memory = self { true } else { false } }

    /// The files have been read.
    var isRecovered: Bool {
        self == .journal || self == .memory(.failing) || self == .memory(.returning)
    }

    var isRecovering: Bool { self == .recovering || self == .memory(.recovering) }

    var isReturning: Bool { self == .memory(.returning) }

    /// The directory was locked by this process, or the disk was given up.
    var isOwner: Bool { isRecovering || isRecovered || isMemory }

    /// Records go to memory from now on, and the next probe begins with opening the directory.
    mutating func diskFailed() {
        switch self {
        case .journal, .memory(.failing), .memory(.returning): self = .memory(.failing)
        case .new, .opening, .recovering, .memory: self = .memory(.unopened)
        case .failed: break
        }
    }

    /// The directory was opened: its files are read next.
    mutating func opened() { self = isMemory ? .memory(.recovering) : .recovering }

    /// The files were read: records go to the disk, or to memory if they did so before.
    mutating func recovered() { self = isMemory ? .memory(.failing) : .journal }
}
