import Base
import Glibc
import Platform
import Testing

/// Everything that opens sockets runs one test after another, so that they can be counted.
@Suite(.serialized) struct Network {}

extension Network {
    @Suite(.serialized) struct PlainLinks {
        private func target(_ port: Int, deadline: Duration = .seconds(5)) -> LinkTarget {
            LinkTarget(host: "127.0.0.1", port: port, tls: false, deadline: deadline)
        }

        @Test func carriesBytesBothWaysAndSeesTheEnd() throws {
            let listener = try Listener()
            let server = echoOnce(listener, count: 5)
            let link = try Connector.connect(target(listener.port), context: nil).get()
            #expect(!link.isTLS && link.protection == nil && !link.hasPending)
            #expect(link.read() == .wouldBlock(wants: .read))
            #expect(send(link, Array("hello".utf8)) == nil)
            #expect(receive(link, 5) == .bytes(Array("hello".utf8)))
            link.close(orderly: true)
            link.close(orderly: true)
            #expect(link.descriptor == -1)
            #expect(link.read() == .closed)
            #expect(link.write([1]) == .closed)
            #expect(server.join() == .closed)
        }

        @Test func resolvesNames() throws {
            let listener = try Listener()
            let server = echoOnce(listener, count: 1)
            var named = target(listener.port)
            named.host = "localhost"
            let link = try Connector.connect(named, context: nil).get()
            #expect(send(link, [7]) == nil)
            #expect(receive(link, 1) == .bytes([7]))
            link.close(orderly: true)
            #expect(server.join() == .closed)
        }

        @Test func saysThatNobodyListens() throws {
            let listener = try Listener()
            let port = listener.port
            listener.close()
            let failure = failure(Connector.connect(target(port), context: nil))
            #expect(failure?.kind == .refused)
            #expect(failure?.message.contains("127.0.0.1:\(port)") == true)
        }

        /// A child has copies of all our descriptors from its fork to its exec.
        @Test func aClosedListenerIsClosedForWhoeverHoldsACopy() throws {
            let listener = try Listener()
            let port = listener.port
            let copy = try OwnedFD("dup") { dup(listener.descriptor) }
            listener.close()
            #expect(failure(Connector.connect(target(port), context: nil))?.kind == .refused)
            withExtendedLifetime(copy) {}
        }

        @Test(
            "Fault 21, no DNS answer, no connection: said in words",
            arguments: [
                "no-such-host.invalid", "a b", String(repeating: "x", count: 300), "256.1.1.1",
            ])
        func saysThatANameHasNoAddress(name: String) {
            let bad = LinkTarget(host: name, port: 1883, tls: false, deadline: .seconds(5))
            #expect(failure(Connector.connect(bad, context: nil))?.kind == .resolve)
        }

        @Test(arguments: [0, -1, 65536])
        func refusesImpossiblePorts(port: Int) {
            #expect(failure(Connector.connect(target(port), context: nil))?.kind == .other)
        }

        @Test("Fault 47, CA file missing, host empty: no host") func refusesAnEmptyHost() {
            let bad = LinkTarget(host: "", port: 1883, tls: false)
            #expect(failure(Connector.connect(bad, context: nil))?.kind == .resolve)
        }

        /// A full backlog lets the kernel drop our SYN: the address is there and does not answer.
        @Test func givesUpAtTheDeadline() throws {
            let full = try FullListener()
            let start = monotonicMilliseconds()
            let slow = target(full.port, deadline: .milliseconds(300))
            let failure = failure(Connector.connect(slow, context: nil))
            #expect(failure?.kind == .deadline)
            #expect((290...3000).contains(monotonicMilliseconds() - start))
        }

        @Test func stopsAtOnceWhenInterrupted() throws {
            let full = try FullListener()
            var ends: [Int32] = [-1, -1]
            #expect(pipe(&ends) == 0)
            defer { for end in ends { close(end) } }
            _ = Glibc.write(ends[1], [UInt8(1)], 1)
            let slow = target(full.port, deadline: .seconds(20))
            let failure = failure(Connector.connect(slow, context: nil, interruptedBy: ends[0]))
            #expect(failure?.message == "the attempt was interrupted")
        }

        @Test func survivesAResetWhileWriting() throws {
            let listener = try Listener()
            let server = Running { () -> Arrival in
                guard let link = acceptOne(listener) else { return .silence }
                let first = receive(link, 1)
                resetNow(link)
                return first
            }
            let link = try Connector.connect(target(listener.port), context: nil).get()
            #expect(send(link, [9]) == nil)
            #expect(server.join() == .bytes([9]))
            let outcome = writeUntilItEnds(link)
            #expect(outcome?.kind == .reset)
            #expect(link.read() == outcome.map { .failed($0) })
        }

        @Test func movesALotThroughSmallBuffers() throws {
            let listener = try Listener()
            let bytes = pattern(3 << 20)
            let server = echoOnce(listener, count: bytes.count)
            let link = try Connector.connect(target(listener.port), context: nil).get()
            #expect(send(link, bytes, chunk: 50_000) == nil)
            #expect(receive(link, bytes.count) == .bytes(bytes))
            link.close(orderly: true)
            #expect(server.join() == .closed)
        }

        @Test func refusesAPortThatIsTaken() throws {
            let listener = try Listener()
            do throws(LinkFailure) {
                _ = try Listener(port: listener.port)
                Issue.record("two listeners on one port")
            } catch {
                #expect(error.message.contains("\(listener.port)"))
            }
        }
    }
}

func failure(_ result: Result<Link, LinkFailure>) -> LinkFailure? {
    switch result {
    case .success: nil
    case .failure(let failure): failure
    }
}

/// Closes with RST instead of FIN.
func resetNow(_ link: Link) {
    var now = linger(l_onoff: 1, l_linger: 0)
    setsockopt(link.descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    link.close(orderly: false)
}

/// Writes into a connection that the other side has dropped until it says so.
func writeUntilItEnds(_ link: Link) -> LinkFailure? {
    let bytes = pattern(40_000)
    for _ in 0..<1000 {
        switch link.write(bytes[...]) {
        case .wrote: continue
        case .wouldBlock(let wants): guard waitReady(link.descriptor, wants) else { return nil }
        case .closed: return nil
        case .failed(let failure): return failure
        }
    }
    return nil
}

/// A listening socket whose queue is full and is never emptied.
final class FullListener {
    let port: Int
    private var sockets: [Int32] = []

    init() throws {
        let listener = socket(
            AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        func with(_ body: (UnsafeMutablePointer<sockaddr>) -> Int32) -> Int32 {
            withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0) }
            }
        }
        _ = with { bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        listen(listener, 0)
        _ = with { getsockname(listener, $0, &length) }
        port = Int(UInt16(bigEndian: address.sin_port))
        sockets = [listener]
        for _ in 0..<4 {
            let filler = socket(
                AF_INET,
                Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
                    | Int32(SOCK_NONBLOCK.rawValue), 0)
            _ = with { connect(filler, $0, length) }
            sockets.append(filler)
        }
        // A connection that the queue had room for is complete at once on the loopback.
        usleep(20_000)
    }

    deinit { for socket in sockets { close(socket) } }
}
