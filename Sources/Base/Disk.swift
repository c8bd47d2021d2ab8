/// The file system as the machines see it: a directory of named files per volume, operated by one
/// helper that runs every operation in the order given and answers each with its ticket. In the
/// simulation a virtual disk with torn and lost writes answers instead.
package struct DiskRequest: Hashable, Sendable {
    package enum Volume: Hashable, Sendable { case spool, state }

    package enum Operation: Hashable, Sendable {
        /// Makes the directory if it is missing, takes its lock, syncs it and answers `.listing`.
        case open
        /// Creates a new file: O_EXCL, allocates `size` bytes (falls back to none where the file
        /// system cannot), writes `header` at 0, fdatasync, then fsync of the directory.
        case create(name: String, size: Int, header: [UInt8])
        /// Writes every extent in order; with `sync` one fdatasync follows. A failed sync poisons
        /// the file: later writes to it fail too.
        case write(name: String, extents: [Extent], sync: Bool)
        /// Answers `.bytes`, shorter than `count` only at the end of the file.
        case read(name: String, offset: Int, count: Int)
        /// fsync of the file: what recovery does before it believes what it reads.
        case sync(name: String)
        /// A small file as a whole (up to 1 MiB); answers `.bytes`.
        case load(name: String)
        /// Replaces a small file durably: temporary file, fsync, rename, fsync of the directory.
        case replace(name: String, bytes: [UInt8])
        case remove(name: String)
        case rename(name: String, to: String)
        /// Answers `.space`.
        case space
    }

    package struct Extent: Hashable, Sendable {
        package var offset: Int
        package var bytes: [UInt8]

        package init(offset: Int, bytes: [UInt8]) {
            self.offset = offset
            self.bytes = bytes
        }
    }

    package var ticket: UInt64
    package var volume: Volume
    package var operation: Operation

    package init(ticket: UInt64, volume: Volume, _ operation: Operation) {
        self.ticket = ticket
        self.volume = volume
        self.operation = operation
    }
}

package struct DiskSpace: Hashable, Sendable {
    /// Bytes an unprivileged process may still take (f_bavail), and the file system's size.
    package var available: Int64
    package var total: Int64

    package init(available: Int64, total: Int64) {
        self.available = available
        self.total = total
    }
}

package enum DiskAnswer: Hashable, Sendable {
    package struct Entry: Hashable, Sendable {
        package var name: String
        package var size: Int

        package init(name: String, size: Int) {
            self.name = name
            self.size = size
        }
    }

    case done
    case listing([Entry], DiskSpace)
    case bytes([UInt8])
    case space(DiskSpace)
}

/// Why an operation failed. `detail` is for a person: the path, the call and the system's words.
package struct DiskFailure: Error, Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case noSpace  // ENOSPC, EDQUOT, EFBIG
        case readOnly  // EROFS
        case missing  // ENOENT
        case exists  // EEXIST
        case locked  // another process holds the directory
        case denied  // EACCES, EPERM
        case io  // EIO and everything else; also a poisoned file
    }
    package var kind: Kind
    package var detail: String

    package init(_ kind: Kind, _ detail: String) {
        self.kind = kind
        self.detail = detail
    }
}
