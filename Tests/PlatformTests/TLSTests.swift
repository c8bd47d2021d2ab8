import Base
import Glibc
import Platform
import Testing

/// One CA and one certificate for all TLS tests.
private let certificates = try! TestCertificates(authority: "test CA")
private let pair = try! certificates.issue(names: ["bridge.test", "*.plant.test", "127.0.0.1", "::1"])

private func server(
    _ pair: TestCertificates.Pair = pair, clientCA: String? = nil, obsolete: Bool = false
) throws -> ServerContext {
    try ServerContext(
        certificatePEM: pair.certificate, keyPEM: pair.key, clientCA: clientCA, obsolete: obsolete)
}

private func client(_ authority: TestCertificates = certificates) throws -> TLSContext {
    try TLSContext(trust: .pem(authority.authority.certificate))
}

private func target(
    _ port: Int, _ name: String = "bridge.test", deadline: Duration = .seconds(10)
) -> LinkTarget {
    LinkTarget(host: "127.0.0.1", port: port, serverName: name, deadline: deadline)
}

/// One attempt against a fresh server: the client's outcome and what the server saw.
private func attempt(
    _ context: ServerContext, _ client: TLSContext, name: String = "bridge.test"
) throws -> (Result<Link, LinkFailure>, Arrival) {
    let listener = try Listener(tls: context)
    let peer = Running { acceptOne(listener).map { receive($0, 1) } ?? .silence }
    let result = Connector.connect(target(listener.port, name), context: client)
    if case .success(let link) = result { link.close(orderly: true) }
    return (result, peer.join())
}

extension Network {
    @Suite(.serialized) struct TLSLinks {
        @Test func carriesBytesBothWaysAndSeesTheEnd() throws {
            let listener = try Listener(tls: server())
            let peer = echoOnce(listener, count: 5)
            let link = try Connector.connect(target(listener.port), context: client()).get()
            #expect(link.isTLS && link.protection?.hasPrefix("TLSv1.3 ") == true)
            #expect(send(link, Array("hello".utf8)) == nil)
            #expect(receive(link, 5) == .bytes(Array("hello".utf8)))
            #expect(link.write([]) == .wrote(0))
            link.close(orderly: true)
            #expect(peer.join() == .closed)
        }

        @Test(arguments: ["bridge.test", "BRIDGE.test", "bridge.test.", "gw.plant.test", "127.0.0.1", "::1"])
        func acceptsTheNamesOfTheCertificate(name: String) throws {
            let (result, seen) = try attempt(server(), client(), name: name)
            #expect(failure(result) == nil)
            #expect(seen == .closed)
        }

        @Test(arguments: [
            "other.test", "a.b.plant.test", "plant.test", "127.0.0.2", "::2", "bridge.test.evil"
        ])
        func refusesEveryOtherName(name: String) throws {
            let (result, seen) = try attempt(server(), client(), name: name)
            let failure = failure(result)
            #expect(failure?.kind == .hostName)
            #expect(
                failure?.message
                    == "the bridge's certificate is for bridge.test, *.plant.test, 127.0.0.1, ::1, "
                    + "not for \(name): check `host` or `serverName`")
            guard case .failed = seen else {
                Issue.record("the server saw \(seen)")
                return
            }
        }

        /// An empty reference name switches OpenSSL's check off, a leading dot widens it.
        @Test(arguments: ["", ".", ".plant.test", "bridge.test\0.evil", "bridge test", "*.plant.test"])
        func refusesNamesThatWouldWeakenTheCheck(name: String) throws {
            let result = Connector.connect(target(9, name), context: try client())
            #expect(failure(result)?.kind == .hostName)
        }

        @Test func doesNotMatchPartialWildcards() throws {
            let partial = try certificates.issue(names: ["br*.test"])
            let (result, _) = try attempt(server(partial), client())
            #expect(failure(result)?.kind == .hostName)
        }

        @Test func refusesAForeignCA() throws {
            let other = try TestCertificates(authority: "test CA")  // the same name, another key
            let (result, _) = try attempt(server(), client(other))
            let failure = failure(result)
            #expect(failure?.kind == .untrusted)
            #expect(failure?.message.contains("is not signed by a CA in the given CA (") == true)
            #expect(failure?.message.contains("check `ca`") == true)
        }

        @Test func namesTheCAFileInTheSentence() throws {
            let scratch = Scratch()
            let path = scratch.write("roots.pem", try TestCertificates().authority.certificate, mode: 0o644)
            let (result, _) = try attempt(server(), TLSContext(trust: .file(path)))
            let words = "in \(path) (unable to get local issuer certificate)"
            #expect(failure(result)?.message.contains(words) == true)
            let right = scratch.write("right.pem", certificates.authority.certificate, mode: 0o644)
            let (good, _) = try attempt(server(), TLSContext(trust: .file(right)))
            #expect(failure(good) == nil)
        }

        @Test func refusesAnExpiredCertificateAndShowsBothDates() throws {
            let old = try certificates.issue(
                names: ["bridge.test"], validFrom: .seconds(-20 * 86_400), validTo: .seconds(-86_400))
            let (result, _) = try attempt(server(old), client())
            let failure = failure(result)
            #expect(failure?.kind == .certificateTime)
            let now = WallTime(milliseconds: Int64(time(nil)) * 1000)
            let yesterday = (now + .seconds(-86_400)).timestamp.prefix(10)
            #expect(failure?.message.contains("expired on \(yesterday) ") == true)
            #expect(failure?.message.contains("this machine's date is \(now.timestamp.prefix(10))") == true)
        }

        @Test func refusesACertificateOfTheFuture() throws {
            let young = try certificates.issue(names: ["bridge.test"], validFrom: .seconds(86_400))
            let (result, _) = try attempt(server(young), client())
            #expect(failure(result)?.kind == .certificateTime)
            #expect(failure(result)?.message.contains("set the clock") == true)
        }

        @Test func refusesACertificateMadeForClients() throws {
            let wrong = try certificates.issue(names: ["bridge.test"], usage: .client)
            let (result, _) = try attempt(server(wrong), client())
            #expect(failure(result)?.kind == .untrusted)
        }

        @Test func refusesAServerThatEndsAtTLS11() throws {
            let (result, _) = try attempt(server(obsolete: true), client())
            #expect(failure(result)?.kind == .protocolVersion)
            #expect(failure(result)?.message.contains("TLS 1.2") == true)
        }

        @Test func saysThatAPlainPortIsNotTLS() throws {
            let listener = try Listener()
            let peer = Running { () -> Bool in
                guard let link = acceptOne(listener) else { return false }
                let greeting = Array("220 mail.example ESMTP\r\n".utf8)
                return send(link, greeting) == nil && receive(link, 4096) != .silence
            }
            let failure = failure(Connector.connect(target(listener.port), context: try client()))
            #expect(failure?.kind == .handshake)
            #expect(failure?.message.contains("check `port`") == true)
            #expect(peer.join())
        }

        @Test func gaveUpOnAServerThatHangsUp() throws {
            let listener = try Listener()
            let peer = Running { () -> Bool in
                guard let link = acceptOne(listener), waitReady(link.descriptor, .read) else { return false }
                link.close(orderly: true)
                return true
            }
            let failure = failure(Connector.connect(target(listener.port), context: try client()))
            #expect(failure?.kind == .handshake)
            #expect(failure?.message.contains("closed the connection during the TLS handshake") == true)
            #expect(peer.join())
        }

        @Test func givesUpAStalledHandshakeAtTheDeadline() throws {
            let listener = try Listener()  // the kernel connects; nobody ever answers
            let start = monotonicMilliseconds()
            let stalled = target(listener.port, deadline: .milliseconds(300))
            let failure = failure(Connector.connect(stalled, context: try client()))
            #expect(failure?.kind == .deadline)
            #expect(failure?.message.contains("0.3 s") == true)
            #expect((290...3000).contains(monotonicMilliseconds() - start))
        }

        @Test func asksForAClientCertificate() throws {
            let demanding = try server(clientCA: certificates.authority.certificate)
            let listener = try Listener(tls: demanding)
            let peer = Running { acceptOne(listener).map { receive($0, 1) } ?? .silence }
            // With TLS 1.3 the client has finished before the server looks: the answer is an alert.
            let link = try Connector.connect(target(listener.port), context: client()).get()
            guard case .failed(let failure) = receive(link, 1) else {
                Issue.record("no alert arrived")
                return
            }
            #expect(failure.message.contains("set `clientCertificate` and `clientKey`"))
            guard case .failed(let seen) = peer.join() else { return }
            #expect(seen.message.contains("gave no client certificate"))
        }

        @Test func showsItsClientCertificate() throws {
            let scratch = Scratch()
            let own = try certificates.issue(names: ["gw-7"], usage: .client)
            let certificate = scratch.write("own.pem", own.certificate, mode: 0o644)
            let key = scratch.write("own.key", own.key)
            let trust = TrustSource.pem(certificates.authority.certificate)
            let context = try TLSContext(trust: trust, certificate: certificate, key: key)
            let demanding = try server(clientCA: certificates.authority.certificate)
            let (result, seen) = try attempt(demanding, context)
            #expect(failure(result) == nil)
            #expect(seen == .closed)
            let open = scratch.write("open.key", own.key, mode: 0o644)
            #expect(refusal {
                _ = try TLSContext(trust: trust, certificate: certificate, key: open)
            }?.kind == .openToOthers)
            let foreign = scratch.write("foreign.key", pair.key)
            #expect(refusal {
                _ = try TLSContext(trust: trust, certificate: certificate, key: foreign)
            }?.kind == .mismatch)
            #expect(refusal { _ = try TLSContext(trust: trust, certificate: certificate) }?.kind == .mismatch)
        }
    }
}

extension Network {
    @Suite(.serialized) struct TLSStreams {
        /// Sends and receives at the same time from one thread, as the loop does: both directions
        /// are full, so partial writes and retries with a moved array happen.
        @Test func movesALotBothWaysAtOnce() throws {
            let listener = try Listener(tls: server())
            let bytes = pattern(4 << 20)
            let peer = Running { acceptOne(listener).map { exchange($0, bytes) } ?? "no connection" }
            let link = try Connector.connect(target(listener.port), context: client()).get()
            #expect(exchange(link, bytes) == nil)
            #expect(peer.join() == nil)
        }

        /// What OpenSSL has decrypted does not make the descriptor readable any more.
        @Test func tellsAboutBytesThatAreAlreadyDecrypted() throws {
            let listener = try Listener(tls: server())
            let peer = echoOnce(listener, count: 1000)
            let link = try Connector.connect(target(listener.port), context: client()).get()
            let bytes = pattern(1000)
            #expect(send(link, bytes) == nil)
            #expect(waitReady(link.descriptor, .read))
            var received: [UInt8] = []
            for _ in 0..<1000 where received.isEmpty {
                if case .bytes(let first) = link.read(max: 10) { received = first } else {
                    #expect(waitReady(link.descriptor, .read))
                }
            }
            #expect(received == Array(bytes[..<10]))
            #expect(link.hasPending)
            #expect(!waitReady(link.descriptor, .read, milliseconds: 0))
            while link.hasPending, received.count < 1000 {
                guard case .bytes(let more) = link.read(max: 333) else { break }
                received += more
            }
            #expect(received == bytes)
            link.close(orderly: true)
            #expect(peer.join() == .closed)
        }

        @Test func takesAnEndWithoutCloseNotifyAsTheEnd() throws {
            let listener = try Listener(tls: server())
            let peer = Running { () -> Arrival in
                guard let link = acceptOne(listener) else { return .silence }
                let first = receive(link, 1)
                shutdown(link.descriptor, Int32(SHUT_RDWR))
                return first
            }
            let link = try Connector.connect(target(listener.port), context: client()).get()
            #expect(send(link, [9]) == nil)
            #expect(receive(link, 1) == .closed)
            #expect(link.write([1]) == .closed)
            #expect(peer.join() == .bytes([9]))
        }

        @Test func survivesAResetWhileWriting() throws {
            let listener = try Listener(tls: server())
            let peer = Running { () -> Arrival in
                guard let link = acceptOne(listener) else { return .silence }
                let first = receive(link, 1)
                resetNow(link)
                return first
            }
            let link = try Connector.connect(target(listener.port), context: client()).get()
            #expect(send(link, [9]) == nil)
            #expect(peer.join() == .bytes([9]))
            #expect(writeUntilItEnds(link)?.kind == .reset)
        }

        /// mosquitto #3054: an error left in the thread's queue by one connection looked like the
        /// failure of the next.
        @Test func oneFailedConnectionDoesNotTaintTheNext() throws {
            for _ in 0..<3 {
                let (bad, _) = try attempt(server(), client(), name: "other.test")
                #expect(failure(bad)?.kind == .hostName)
                let (good, seen) = try attempt(server(), client())
                #expect(failure(good) == nil)
                #expect(seen == .closed)
            }
        }

        /// The link is made on one thread and used on another, as the network helper and the loop do.
        @Test func movesFromThreadToThread() throws {
            let listener = try Listener(tls: server())
            let peer = echoOnce(listener, count: 3)
            let context = try client()
            let port = listener.port
            let made = Running { Connector.connect(target(port), context: context) }
            let link = try made.join().get()
            #expect(send(link, [1, 2, 3]) == nil)
            #expect(receive(link, 3) == .bytes([1, 2, 3]))
            link.close(orderly: true)
            #expect(peer.join() == .closed)
        }

        @Test func leavesNoDescriptorBehind() throws {
            let before = internetSockets()
            var probe: Listener? = try Listener()
            #expect(probe != nil && internetSockets() == before + 1)
            probe = nil
            #expect(internetSockets() == before)
            for name in ["bridge.test", "other.test", ""] {
                _ = try attempt(server(), client(), name: name.isEmpty ? "127.0.0.1" : name)
            }
            let closed = try Listener()
            closed.close()
            _ = Connector.connect(target(closed.port), context: try client())
            let silent = try Listener()
            _ = Connector.connect(target(silent.port, deadline: .milliseconds(50)), context: try client())
            silent.close()
            #expect(internetSockets() == before)
        }
    }

    @Suite(.serialized) struct TLSTrust {
        @Test func refusesACAFileThatSaysNothing() throws {
            let scratch = Scratch()
            let certificate = certificates.authority.certificate
            let cut = String(certificate.dropLast(200)) + "\n-----END CERTIFICATE-----\n"
            let cases: [(String, CredentialError.Kind)] = [
                (scratch.path + "/none.pem", .missing), (scratch.path, .unreadable),
                (scratch.write("empty.pem", ""), .malformed),
                (scratch.write("text.pem", "hello\n"), .malformed),
                (scratch.write("key.pem", pair.key), .malformed),
                (scratch.write("cut.pem", certificate + cut), .malformed)
            ]
            for (path, kind) in cases {
                let error = refusal { _ = try TLSContext(trust: .file(path)) }
                #expect(error?.kind == kind)
                #expect(error?.message.hasPrefix(path) == true)
            }
        }

        @Test func takesACommentedBundle() throws {
            let scratch = Scratch()
            let other = try TestCertificates().authority.certificate
            let text = "# roots\n" + other + "\n# ours\n" + certificates.authority.certificate + "\n"
            let context = try TLSContext(trust: .file(scratch.write("roots.pem", text)))
            let (result, _) = try attempt(server(), context)
            #expect(failure(result) == nil)
        }

        @Test func trustsNoTestCertificateByTheSystemStore() throws {
            let context: TLSContext
            do throws(CredentialError) { context = try TLSContext(trust: .system) } catch {
                #expect(error.message.contains("ca-certificates"))
                return
            }
            let (result, _) = try attempt(server(), context)
            #expect(failure(result)?.kind == .untrusted)
            #expect(failure(result)?.message.contains("the system's CA store") == true)
        }

        @Test func refusesTLSWithoutAContext() {
            #expect(failure(Connector.connect(target(9), context: nil))?.kind == .other)
        }

        @Test func makesCertificatesThatOpenSSLAccepts() throws {
            let scratch = Scratch()
            let ca = scratch.write("ca.pem", certificates.authority.certificate)
            let leaf = scratch.write("leaf.pem", pair.certificate)
            let verify = "openssl verify -x509_strict -CAfile \(ca)"
            #expect(shell("\(verify) -verify_hostname bridge.test \(leaf)") != nil)
            #expect(shell("\(verify) -verify_ip ::1 \(leaf)") != nil)
            #expect(shell("openssl verify -CAfile \(ca) -verify_hostname other.test \(leaf)") == nil)
            #expect(refusal { _ = try certificates.issue(names: ["a,DNS:b"]) }?.kind == .malformed)
        }
    }
}

/// Sends `bytes` and expects the same ones, whichever direction is ready; nil if all went well.
private func exchange(_ link: Link, _ bytes: [UInt8]) -> String? {
    var sent = 0
    var received: [UInt8] = []
    received.reserveCapacity(bytes.count)
    for _ in 0..<1_000_000 {
        if sent == bytes.count && received.count == bytes.count {
            return received == bytes ? nil : "the bytes differ"
        }
        var wantsRead = received.count < bytes.count
        var wantsWrite = false
        if sent < bytes.count {
            // A new array each time: a retry may come from another address.
            let piece = Array(bytes[sent..<min(sent + 30_000, bytes.count)])
            switch link.write(piece[...]) {
            case .wrote(let count): sent += count; continue
            case .wouldBlock(let wants):
                (wantsRead, wantsWrite) = (wantsRead || wants == .read, wants == .write)
            case .closed: return "closed while writing"
            case .failed(let failure): return failure.message
            }
        }
        if received.count < bytes.count {
            switch link.read() {
            case .bytes(let more): received += more; continue
            case .wouldBlock(let wants): wantsWrite = wantsWrite || wants == .write
            case .closed: return "closed while reading"
            case .failed(let failure): return failure.message
            }
        }
        let events = (wantsRead ? POLLIN : 0) | (wantsWrite ? POLLOUT : 0)
        var socket = pollfd(fd: link.descriptor, events: Int16(events), revents: 0)
        if poll(&socket, 1, patience) != 1 { return "silence" }
    }
    return "no end"
}
