import Base
import CLinux
import Glibc

/// Result of one non-blocking read or write.
package enum Transfer: Hashable, Sendable {
    /// Bytes moved; for a write possibly fewer than given.
    case bytes(Int)
    case wouldBlock
    /// The line is gone: close it and open it again.
    case hungUp(LineFailure)
}

extension SerialPort {
    /// Fills `buffer` from its start, at most `readMax` bytes and at most its count.
    package static func read(
        _ descriptor: borrowing OwnedFD, into buffer: inout [UInt8]
    ) -> Transfer {
        let number = descriptor.number
        let count = retrying {
            buffer.withUnsafeMutableBytes { raw in
                Glibc.read(number, raw.baseAddress, min(raw.count, readMax))
            }
        }
        if count > 0 { return .bytes(count) }
        if count == 0 {
            return .hungUp(LineFailure(.lost, "the line hung up: the adapter is unplugged or gone"))
        }
        return ended(errno)
    }

    /// Writes what the driver takes at once.
    package static func write(
        _ descriptor: borrowing OwnedFD, _ bytes: ArraySlice<UInt8>
    ) -> Transfer {
        let number = descriptor.number
        let count = retrying {
            bytes.withUnsafeBytes { raw in Glibc.write(number, raw.baseAddress, raw.count) }
        }
        return count >= 0 ? .bytes(count) : ended(errno)
    }

    private static func ended(_ code: Int32) -> Transfer {
        if code == EAGAIN || code == EWOULDBLOCK { return .wouldBlock }
        let words = SystemFailure("", code: code).words
        return .hungUp(LineFailure(.lost, "the line was lost: \(words)"))
    }

    /// Throws away what was received and not read.
    package static func discardInput(_ descriptor: borrowing OwnedFD) {
        _ = clinux_flush(descriptor.number, TCIFLUSH)
    }

    /// The UART's counters since boot (TIOCGICOUNT); nil where the driver does not count, as on a
    /// pseudo-terminal.
    package static func errors(_ descriptor: borrowing OwnedFD) -> LineErrors? {
        var raw = clinux_icounter()
        guard clinux_icounter_get(descriptor.number, &raw) == 0 else { return nil }
        return LineErrors(
            framing: Int(raw.frame), parity: Int(raw.parity),
            overruns: Int(raw.overrun) + Int(raw.buffer_overrun), breaks: Int(raw.breaks))
    }

    /// For `rts: "software"`: true drives the RS-485 transmitter.
    @discardableResult
    package static func setRTS(_ descriptor: borrowing OwnedFD, _ on: Bool) -> Bool {
        clinux_rts(descriptor.number, on ? 1 : 0) == 0
    }

    /// Whether everything that was written has left, to the last bit where the driver can tell that
    /// (TIOCSERGETLSR), else to the last byte (TIOCOUTQ); nil where it can tell neither.
    package static func hasSentAll(_ descriptor: borrowing OwnedFD) -> Bool? {
        if let pending = outputPending(descriptor), pending > 0 { return false }
        return isTransmitterEmpty(descriptor) ?? outputPending(descriptor).map { $0 == 0 }
    }

    /// Bytes still in the driver's queue; nil where it cannot tell.
    package static func outputPending(_ descriptor: borrowing OwnedFD) -> Int? {
        let count = clinux_output_pending(descriptor.number)
        return count < 0 ? nil : Int(count)
    }

    /// Whether the last bit has left the UART; nil where the driver cannot tell.
    package static func isTransmitterEmpty(_ descriptor: borrowing OwnedFD) -> Bool? {
        let answer = clinux_transmitter_empty(descriptor.number)
        return answer < 0 ? nil : answer == 1
    }
}
