import Base
import Glibc

/// A serial line, or a Modbus device, at the other end of a TCP connection. `connect` looks the
/// name up and waits: call it on a worker. Reading and writing never wait.
package enum NetworkLine {
    /// Name look-up and connection together. The kernel repeats its first packet after one second.
    package static let deadline = Duration.milliseconds(2500)
    /// Between two attempts to make a connection again that the other end has closed.
    private static let pause = Duration.milliseconds(100)

    /// A connected socket, non-blocking.
    package static func connect(_ address: NetworkAddress) throws(LineFailure) -> OwnedFD {
        try connect(address, Deadline(after: deadline))
    }

    /// The same for a connection that the other end has closed: it may need a moment until it
    /// accepts the next, so that a refusal is not the end.
    package static func reconnect(_ address: NetworkAddress) throws(LineFailure) -> OwnedFD {
        let end = Deadline(after: deadline)
        while true {
            do throws(LineFailure) {
                return try connect(address, end)
            } catch {
                guard Clock.instant + pause < end.due else { throw error }
                var nothing: [pollfd] = []
                _ = end.wait(&nothing, until: Clock.instant + pause)
            }
        }
    }

    private static func connect(
        _ address: NetworkAddress, _ deadline: Deadline
    ) throws(LineFailure) -> OwnedFD {
        let target = LinkTarget(
            host: address.host, port: address.port, tls: false, deadline: self.deadline)
        let found = Resolver.resolve(address.host, port: address.port, deadline)
        switch found.flatMap({ Dialer.dial($0, target, deadline) }) {
        case .success(let number):
            do throws(SystemFailure) {
                let socket = try OwnedFD(adopting: number)
                socket.tuneLine()
                return socket
            } catch {
                throw LineFailure(.other, "\(address.text): \(error.words)")
            }
        case .failure(let failure): throw self.failure(failure, address)
        }
    }

    private static func failure(_ failure: LinkFailure, _ address: NetworkAddress) -> LineFailure {
        let place = address.text
        switch failure.kind {
        case .resolve:
            return LineFailure(
                .missing,
                "\(place): the name \"\(address.host)\" leads to no address: check it, and the "
                    + "name service")
        case .refused:
            return LineFailure(
                .missing,
                "\(place) refuses the connection: is the port right, and has nobody else the line?")
        case .deadline:
            return LineFailure(
                .missing,
                "\(place) does not answer within \(seconds(deadline)): check its power, the cable "
                    + "and the address")
        case .unreachable:
            return LineFailure(
                .missing, "\(place) cannot be reached: check the network and the address")
        case .reset: return LineFailure(.missing, "\(place) resets the connection at once")
        default: return LineFailure(.other, "\(place): \(failure.message)")
        }
    }

    /// Waits until something can be read. False: nothing came until then.
    package static func waitForBytes(
        _ descriptor: borrowing OwnedFD, until end: Instant
    ) -> Bool {
        let left = Deadline(after: max(.zero, end - Clock.instant))
        return left.wait(descriptor.number, for: POLLIN) == .ready
    }

    /// Fills `buffer` from its start.
    package static func read(
        _ descriptor: borrowing OwnedFD, into buffer: inout [UInt8]
    ) -> Transfer {
        let number = descriptor.number
        let count = retrying {
            buffer.withUnsafeMutableBytes { raw in Glibc.recv(number, raw.baseAddress, raw.count, 0)
            }
        }
        if count > 0 { return .bytes(count) }
        if count == 0 {
            return .hungUp(LineFailure(.lost, "the other end has closed the connection"))
        }
        return ended(errno)
    }

    /// Writes what the connection takes at once.
    package static func write(
        _ descriptor: borrowing OwnedFD, _ bytes: ArraySlice<UInt8>
    ) -> Transfer {
        let number = descriptor.number
        let count = retrying {
            bytes.withUnsafeBytes { raw in
                Glibc.send(number, raw.baseAddress, raw.count, Int32(MSG_NOSIGNAL))
            }
        }
        return count >= 0 ? .bytes(count) : ended(errno)
    }

    private static func ended(_ code: Int32) -> Transfer {
        switch code {
        case EAGAIN: return .wouldBlock
        case ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ENETDOWN:
            return .hungUp(
                LineFailure(
                    .missing, "the other end does not answer any more: check cable and power"))
        default:
            let words = SystemFailure("", code: code).words
            return .hungUp(LineFailure(.lost, "the connection was lost: \(words)"))
        }
    }
}
