import Glibc

/// Descriptor 0, for a program that is told what to do while it runs.
package enum StandardInput {
    /// What is there, at most the buffer; 0 at its end. Call it when the loop says that it is
    /// readable.
    package static func read(into buffer: inout [UInt8]) -> Int {
        max(
            0,
            retrying { buffer.withUnsafeMutableBytes { Glibc.read(0, $0.baseAddress, $0.count) } })
    }
}
