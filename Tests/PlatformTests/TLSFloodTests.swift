import Base
import Glibc
import Platform
import Testing

extension Network {
    /// A server that keeps our side busy without saying anything.
    @Suite(.serialized) struct TLSFloods {
        /// A real server that sends `extra` again and again until it is cut off or the test ends.
        private func flood(
            _ server: ServerContext, _ extra: Link.Extra, dataEvery: Int = .max,
            count: Int = 200_000
        ) throws -> (client: Link, server: Running<Int>) {
            let listener = try Listener(tls: server)
            let peer = Running { () -> Int in
                guard let link = acceptOne(listener), receive(link, 1) == .bytes([7]) else {
                    return -1
                }
                var sent = 0
                while sent < count {
                    if sent % dataEvery == dataEvery - 1, send(link, [1]) != nil { break }
                    if link.sendAlone(extra) {
                        sent += 1
                    } else {
                        var socket = pollfd(fd: link.descriptor, events: Int16(POLLOUT), revents: 0)
                        guard poll(&socket, 1, 200) == 1,
                            socket.revents & Int16(POLLERR | POLLHUP) == 0
                        else { break }
                    }
                }
                link.close(orderly: false)
                return sent
            }
            let link = try Connector.connect(tlsTarget(listener.port), context: tlsClient()).get()
            #expect(send(link, [7]) == nil)
            return (link, peer)
        }

        /// Reads until the link ends; how much work the dearest read was.
        private func drain(_ link: Link) -> (dearest: Int, data: Int, end: Arrival) {
            var (dearest, data) = (0, 0)
            for _ in 0..<1_000_000 {
                let before = link.work
                let result = link.read()
                dearest = max(dearest, link.work - before)
                switch result {
                case .bytes(let more): data += more.count
                case .wouldBlock(let wants):
                    if !link.hasPending, !waitReady(link.descriptor, wants) {
                        return (dearest, data, .silence)
                    }
                case .closed: return (dearest, data, .closed)
                case .failed(let failure): return (dearest, data, .failed(failure))
                }
            }
            return (dearest, data, .silence)
        }

        /// Once, the loop stayed inside one read for as long as it lasted: no poll, no watchdog.
        @Test func aFloodOfKeyUpdatesIsCutOff() throws {
            let (link, peer) = try flood(tlsServer(), .keyUpdate(askingPeer: false))
            let start = monotonicMilliseconds()
            let (dearest, _, end) = drain(link)
            guard case .failed(let failure) = end else {
                Issue.record("it ended with \(end)")
                return
            }
            #expect(failure.message.contains("sends TLS records without data, and nothing else ("))
            #expect(failure.message.contains("key updates): the connection is cut"))
            #expect(dearest < 10_000, "one read was \(dearest) records' work")
            #expect(monotonicMilliseconds() - start < 3000)
            link.close(orderly: false)
            #expect(peer.join() < 100_000)
        }

        @Test func aFloodOfTicketsIsCutOff() throws {
            let (link, peer) = try flood(tlsServer(tickets: 1), .ticket)
            let (_, _, end) = drain(link)
            guard case .failed(let failure) = end else {
                Issue.record("it ended with \(end)")
                return
            }
            #expect(failure.message.contains("session tickets): the connection is cut"))
            link.close(orderly: false)
            _ = peer.join()
        }

        /// New keys now and then, between data, are in order.
        @Test func keyUpdatesBetweenDataAreNoFlood() throws {
            let (link, peer) = try flood(
                tlsServer(), .keyUpdate(askingPeer: false), dataEvery: 4, count: 4000)
            let (_, data, end) = drain(link)
            #expect(end == .closed && data >= 1000, "\(data) bytes, then \(end)")
            link.close(orderly: false)
            #expect(peer.join() == 4000)
        }

        /// TLS 1.2: the answer is a warning, and the connection goes on where the server lets it.
        @Test func renegotiationIsRefusedWithAClearWord() throws {
            let listener = try Listener(
                tls: try ServerContext(
                    certificatePEM: tlsPair.certificate, keyPEM: tlsPair.key, noTLS13: true))
            let peer = Running { () -> Arrival in
                guard let link = acceptOne(listener), receive(link, 1) == .bytes([7]) else {
                    return .silence
                }
                _ = link.sendAlone(.renegotiation)
                return receive(link, 1)
            }
            let link = try Connector.connect(tlsTarget(listener.port), context: tlsClient()).get()
            #expect(link.protection?.hasPrefix("TLSv1.2 ") == true)
            #expect(send(link, [7]) == nil)
            let (_, _, end) = drain(link)
            guard case .failed(let failure) = end else {
                Issue.record("it ended with \(end)")
                return
            }
            #expect(
                failure.message.contains(
                    "wanted to renegotiate the TLS 1.2 connection, which is never done"))
            link.close(orderly: false)
            _ = peer.join()
        }

        /// Something between answers in the bridge's place, or the server's other half does.
        @Test(arguments: [
            "HTTP/1.1 503 Service Unavailable\r\n\r\n", "\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}",
        ])
        func plainBytesOnALiveLinkAreNamed(_ text: String) throws {
            let listener = try Listener(tls: tlsServer())
            let peer = Running { () -> Bool in
                guard let link = acceptOne(listener), receive(link, 1) == .bytes([7]) else {
                    return false
                }
                let bytes = Array(text.utf8)
                guard
                    Glibc.send(link.descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
                        == bytes.count
                else { return false }
                return receive(link, 1) != .silence
            }
            let link = try Connector.connect(tlsTarget(listener.port), context: tlsClient()).get()
            #expect(send(link, [7]) == nil)
            guard case .failed(let failure) = receive(link, 1) else {
                Issue.record("nothing was noticed")
                return
            }
            #expect(
                failure.message.contains(
                    "sent bytes that are not TLS in the middle of the connection ("))
            #expect(failure.kind == .other)
            #expect(peer.join())
        }
    }

    /// The name must stand where clients look for it.
    @Suite(.serialized) struct TLSNames {
        private func refusal(_ pair: TestCertificates.Pair, _ name: String) throws -> LinkFailure? {
            let (result, _) = try tlsAttempt(tlsServer(pair), tlsClient(), name: name)
            return failure(result)
        }

        @Test(arguments: [
            ("bridge.test", "DNS:bridge.test"), ("127.0.0.1", "IP:127.0.0.1"), ("::1", "IP:::1"),
        ])
        func aCommonNameAloneIsRefused(_ name: String, _ wanted: String) throws {
            let pair = try tlsCertificates.issue(names: [], subject: name)
            let failure = try refusal(pair, name)
            #expect(failure?.kind == .hostName)
            #expect(
                failure?.message
                    == "the bridge's certificate has only the common name \"\(name)\" and no subjectAltName, "
                    + "where names must stand: have it made again with subjectAltName \(wanted)")
        }

        /// It once read "is for 127.0.0.1, not for 127.0.0.1".
        @Test(arguments: [("127.0.0.1", "127.0.0.1"), ("::1", "0:0:0:0:0:0:0:1")])
        func anAddressThatStandsAsAHostNameIsExplained(_ named: String, _ wanted: String) throws {
            let pair = try tlsCertificates.issue(names: [named], asHosts: true)
            let failure = try refusal(pair, wanted)
            #expect(failure?.kind == .hostName)
            #expect(
                failure?.message
                    == "the bridge's certificate names \(wanted) as a host name, not as an address: "
                    + "have it made again with subjectAltName IP:\(wanted)")
        }

        /// A common name beside a subjectAltName does not count either.
        @Test func theCommonNameBesideOtherNamesDoesNotCount() throws {
            let pair = try tlsCertificates.issue(names: ["other.test"], subject: "bridge.test")
            let failure = try refusal(pair, "bridge.test")
            #expect(
                failure?.message
                    == "the bridge's certificate is for other.test, not for bridge.test: check `host` or "
                    + "`serverName`")
        }

        @Test func anAddressThatIsNotNamedIsToldTheNames() throws {
            let pair = try tlsCertificates.issue(names: ["bridge.test"])
            let failure = try refusal(pair, "127.0.0.1")
            #expect(
                failure?.message
                    == "the bridge's certificate is for bridge.test, not for the address 127.0.0.1: put one "
                    + "of its names into `host` or `serverName`")
        }
    }
}
