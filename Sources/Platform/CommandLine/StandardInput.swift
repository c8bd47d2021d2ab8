import Glibc

/// Descriptor 0, for a program that is told what to do while it runs.
package enum StandardInput {
    /// Reads the bytes that are there, at most the buffer; 0 at the end or after an error. Call it
    /// when the loop says that standard input is readable.
    package static func read(into buffer: inout [UInt8]) -> Int {
        max(
            0,
            retrying { buffer.withUnsafeMutableBytes { Glibc.read(0, $0.baseAddress, $0.count) } })
    }
}
