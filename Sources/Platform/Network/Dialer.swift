import Base
import Glibc

/// TCP to the first of several addresses that answers. The next address is tried 250 ms after the
/// one before, or as soon as that has failed, while the earlier ones go on (RFC 8305 section 5): a
/// dead address of one family does not eat the deadline of the other.
enum Dialer {
    static let stagger: Duration = .milliseconds(250)

    private struct Attempt {
        var descriptor: Int32
        var address: SocketAddress
    }

    /// A connected, tuned, non-blocking socket. `target` is only for the sentence.
    static func dial(
        _ addresses: [SocketAddress], _ target: LinkTarget, _ deadline: Deadline
    ) -> Result<Int32, LinkFailure> {
        var running: [Attempt] = []
        defer { for attempt in running { close(attempt.descriptor) } }
        var waiting = addresses[...]
        var nextStart = Clock.instant
        var failures: [(address: SocketAddress, error: Int32)] = []
        // Every turn starts an attempt, ends one, or waits for the deadline.
        while !waiting.isEmpty || !running.isEmpty {
            if let address = waiting.first, running.isEmpty || Clock.instant >= nextStart {
                waiting.removeFirst()
                nextStart = Clock.instant + stagger
                switch begin(address) {
                case .success(let descriptor):
                    running.append(Attempt(descriptor: descriptor, address: address))
                case .failure(let failure): failures.append((address, failure.code))
                }
                continue
            }
            var sockets = running.map {
                pollfd(fd: $0.descriptor, events: Int16(POLLOUT), revents: 0)
            }
            switch deadline.wait(&sockets, until: waiting.isEmpty ? nil : nextStart) {
            case .interrupted: return .failure(LinkFailure(.other, "the attempt was interrupted"))
            case .expired where deadline.hasPassed:
                return .failure(tooSlow(target, running.map(\.address)))
            case .expired: continue
            case .ready: break
            }
            for index in sockets.indices.reversed() where sockets[index].revents != 0 {
                let attempt = running.remove(at: index)
                switch finish(attempt.descriptor) {
                case .success(let descriptor): return .success(descriptor)
                case .failure(let failure): failures.append((attempt.address, failure.code))
                }
                nextStart = Clock.instant
            }
        }
        return .failure(failure(target, failures))
    }

    private static func begin(_ address: SocketAddress) -> Result<Int32, SystemFailure> {
        do throws(SystemFailure) {
            let socket = try OwnedFD.tcp(family: address.family)
            let code = address.with { connect(socket.number, $0, $1) }
            let error = errno
            if code == 0 || error == EINPROGRESS { return .success(socket.release()) }
            throw SystemFailure("connect", code: error)
        } catch {
            return .failure(error)
        }
    }

    /// Takes over a descriptor whose connect has ended, well or badly.
    private static func finish(_ descriptor: Int32) -> Result<Int32, SystemFailure> {
        do throws(SystemFailure) {
            let socket = try OwnedFD(adopting: descriptor)
            let error = socket.pendingError
            guard error == 0 else { throw SystemFailure("connect", code: error) }
            socket.tuneTCP()
            return .success(socket.release())
        } catch {
            return .failure(error)
        }
    }

    private static func tooSlow(_ target: LinkTarget, _ addresses: [SocketAddress]) -> LinkFailure {
        let tried = addresses.map(\.text).joined(separator: ", ")
        return LinkFailure(
            .deadline,
            "\(target.describe) (\(tried)) does not answer within \(seconds(target.deadline)): "
                + "check the network, a firewall and `port`")
    }

    /// The most telling failure: a refusal says more than a missing route of the other family.
    private static func failure(
        _ target: LinkTarget, _ failures: [(address: SocketAddress, error: Int32)]
    ) -> LinkFailure {
        func rank(_ error: Int32) -> Int {
            switch error {
            case ECONNREFUSED: 0
            case ECONNRESET: 1
            case ETIMEDOUT: 2
            case ENETUNREACH, EHOSTUNREACH, ENETDOWN, EADDRNOTAVAIL: 3
            case EAFNOSUPPORT: 5
            default: 4
            }
        }
        guard let worst = failures.min(by: { rank($0.error) < rank($1.error) }) else {
            return LinkFailure(.resolve, "there is no address for \"\(target.host)\": check `host`")
        }
        let place = "\(target.describe) (\(worst.address.text))"
        switch worst.error {
        case ECONNREFUSED:
            return LinkFailure(
                .refused,
                "\(place) refuses the connection: is the bridge running, and is `port` right?")
        case ECONNRESET:
            return LinkFailure(.reset, "\(place) reset the connection at once")
        case ETIMEDOUT:
            return LinkFailure(
                .deadline, "\(place) does not answer: check the network, a firewall and `port`")
        case ENETUNREACH, EHOSTUNREACH, ENETDOWN, EADDRNOTAVAIL:
            return LinkFailure(
                .unreachable,
                "\(place) cannot be reached (\(systemWords(worst.error))): check the network")
        default:
            return LinkFailure(.other, "\(place): \(systemWords(worst.error))")
        }
    }
}

/// "20 s" or "1.5 s", for sentences.
func seconds(_ duration: Duration) -> String {
    let tenths = (duration.milliseconds + 50) / 100
    return tenths % 10 == 0 ? "\(tenths / 10) s" : "\(tenths / 10).\(tenths % 10) s"
}
