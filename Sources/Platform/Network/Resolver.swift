import Base
import CLinux
import Glibc
import Synchronization

/// Host names to addresses. getaddrinfo cannot be interrupted and may take half a minute, so it
/// runs on a thread of its own; whoever asked waits for it only until its deadline and leaves it
/// behind then. At most `abandonedMax` such threads exist at a time.
enum Resolver {
    static let abandonedMax = 4
    static let addressesMax = 8

    private static let running = Atomic<Int>(0)

    static func resolve(
        _ host: String, port: Int, _ deadline: Deadline
    ) -> Result<[SocketAddress], LinkFailure> {
        if case .success(let addresses) = lookUp(host, port, flags: AI_NUMERICHOST) {
            return .success(addresses)
        }
        guard running.add(1, ordering: .relaxed).newValue <= abandonedMax else {
            running.subtract(1, ordering: .relaxed)
            return .failure(notAnswering(host))
        }
        let lookup: Lookup
        do throws(SystemFailure) {
            lookup = try Lookup(host, port)
            try start(lookup)
        } catch {
            running.subtract(1, ordering: .relaxed)
            return .failure(LinkFailure(.other, "the name look-up cannot start: \(error)"))
        }
        switch deadline.wait(lookup.finished.number, for: POLLIN) {
        case .interrupted: return .failure(LinkFailure(.other, "the attempt was interrupted"))
        case .expired: return .failure(notAnswering(host))
        case .ready: break
        }
        switch lookup.answer.withLock({ $0 }) {
        case .success(let addresses)?: return .success(interleaved(addresses))
        case .failure(let code)?: return .failure(failure(host, code.value))
        case nil: return .failure(notAnswering(host))
        }
    }

    private struct Code: Error { var value: Int32 }

    /// State that the asking thread and the look-up thread share; the last of them closes the pipe.
    private final class Lookup: Sendable {
        let host: String
        let port: Int
        let answer = Mutex<Result<[SocketAddress], Code>?>(nil)
        let finished: OwnedFD
        private let signal: OwnedFD

        init(_ host: String, _ port: Int) throws(SystemFailure) {
            var ends: [Int32] = [-1, -1]
            try checked("pipe") { clinux_pipe(&ends) }
            finished = try OwnedFD(adopting: ends[0])
            signal = try OwnedFD(adopting: ends[1])
            self.host = host
            self.port = port
        }

        func run() {
            let found = Resolver.lookUp(host, port, flags: 0)
            answer.withLock { $0 = found }
            var byte: UInt8 = 1
            _ = retrying { Glibc.write(signal.number, &byte, 1) }
        }
    }

    private static func start(_ lookup: Lookup) throws(SystemFailure) {
        let context = Unmanaged.passRetained(lookup)
        var thread = pthread_t()
        let code = clinux_thread_start(
            "fgw-resolve", 512 << 10,
            { raw in
                Unmanaged<Lookup>.fromOpaque(raw!).takeRetainedValue().run()
                Resolver.running.subtract(1, ordering: .relaxed)
            }, context.toOpaque(), &thread)
        guard code == 0 else {
            context.release()
            throw SystemFailure("pthread_create", "fgw-resolve", code: code)
        }
        pthread_detach(thread)
    }

    private static func lookUp(
        _ host: String, _ port: Int, flags: Int32
    ) -> Result<[SocketAddress], Code> {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = flags | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else { return .failure(Code(value: code)) }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var entry = list
        while let found = entry, addresses.count < 4 * addressesMax {
            if let address = SocketAddress(found.pointee.ai_addr, found.pointee.ai_addrlen) {
                addresses.append(address)
            }
            entry = found.pointee.ai_next
        }
        return addresses.isEmpty ? .failure(Code(value: EAI_NONAME)) : .success(addresses)
    }

    /// The families by turns, beginning with the one the system prefers (RFC 8305 section 4).
    static func interleaved(_ addresses: [SocketAddress]) -> [SocketAddress] {
        let preferred = addresses.first?.family
        let first = addresses.filter { $0.family == preferred }
        let second = addresses.filter { $0.family != preferred }
        var mixed: [SocketAddress] = []
        for index in 0..<max(first.count, second.count) {
            if index < first.count { mixed.append(first[index]) }
            if index < second.count { mixed.append(second[index]) }
        }
        return Array(mixed.prefix(addressesMax))
    }

    private static func notAnswering(_ host: String) -> LinkFailure {
        LinkFailure(
            .resolve,
            "the name service does not answer for \"\(host)\": check the network and /etc/resolv.conf"
        )
    }

    private static func failure(_ host: String, _ code: Int32) -> LinkFailure {
        switch code {
        case EAI_AGAIN: notAnswering(host)
        case EAI_NONAME, -5 /* EAI_NODATA */:
            LinkFailure(
                .resolve, "there is no address for \"\(host)\": check `host`, then the name service"
            )
        default:
            LinkFailure(
                .resolve, "\"\(host)\" cannot be resolved: \(String(cString: gai_strerror(code)))")
        }
    }
}
