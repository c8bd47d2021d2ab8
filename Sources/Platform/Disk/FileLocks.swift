import CLinux
import Glibc

/// Finds the process that holds a file's lock, from /proc/locks.
enum FileLocks {
    /// The process with an flock on the file that `descriptor` has open; nil if it cannot be told.
    static func holder(of descriptor: Int32) -> Int? {
        var status = stat()
        guard fstat(descriptor, &status) == 0, let text = try? FileSystem.text("/proc/locks")
        else { return nil }
        for line in text.split(separator: "\n") {
            // "1: FLOCK  ADVISORY  WRITE 1234 00:1b:3 0 EOF"; the inode is the last of the three.
            let words = line.split(separator: " ")
            guard words.count >= 6, words[1] == "FLOCK", let pid = Int(words[4]), pid > 0 else {
                continue
            }
            let place = words[5].split(separator: ":")
            guard place.count == 3, UInt64(place[2]) == UInt64(status.st_ino),
                UInt32(place[0], radix: 16) == clinux_device_major(UInt64(status.st_dev)),
                UInt32(place[1], radix: 16) == clinux_device_minor(UInt64(status.st_dev))
            else { continue }
            return pid
        }
        return nil
    }
}
