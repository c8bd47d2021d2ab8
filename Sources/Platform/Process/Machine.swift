import Base
import CLinux
import Glibc

/// Facts about this machine and this process.
package enum Machine {
    /// The 16 bytes of /proc/sys/kernel/random/boot_id: another value means another boot. Zeros
    /// where there is no procfs.
    package static func bootID(in system: SystemPaths = SystemPaths()) -> [UInt8] {
        let text = (try? FileSystem.text("\(system.proc)/sys/kernel/random/boot_id")) ?? ""
        let bytes = Hex.decode(text.filter { $0 != "-" }) ?? []
        return bytes.count == 16 ? bytes : [UInt8](repeating: 0, count: 16)
    }

    package static var hostname: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "" }
        return name.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }

    /// Nil if it is not set or empty.
    package static func environment(_ name: String) -> String? {
        guard let raw = getenv(name), raw.pointee != 0 else { return nil }
        return String(cString: raw)
    }

    package static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

    /// In characters; nil if it is no terminal.
    package static func terminalWidth(_ descriptor: Int32) -> Int? {
        let width = clinux_terminal_width(descriptor)
        return width > 0 ? Int(width) : nil
    }

    package static var processID: Int { Int(getpid()) }
    package static var userID: UInt32 { geteuid() }

    /// From the kernel's generator: good for keys, salts and ids.
    package static func random(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = retrying {
                bytes.withUnsafeMutableBytes { raw in
                    clinux_random(raw.baseAddress.map { $0 + done }, raw.count - done)
                }
            }
            // getrandom(2) without flags cannot fail once the pool is filled.
            precondition(got > 0, "getrandom failed")
            done += got
        }
        return bytes
    }

    /// A seed for `RandomSource`.
    package static func seed() -> UInt64 { random(8).reduce(0) { $0 << 8 | UInt64($1) } }
}
