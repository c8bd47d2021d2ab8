import Base
import Glibc
import Platform
import Testing

extension Network {
    @Suite(.serialized) struct TLSLinks {
        @Test func carriesBytesBothWaysAndSeesTheEnd() throws {
            let listener = try Listener(tls: tlsServer())
            let peer = echoOnce(listener, count: 5)
            let link = try Connector.connect(tlsTarget(listener.port), context: tlsClient()).get()
            #expect(link.isTLS && link.protection?.hasPrefix("TLSv1.3 ") == true)
            #expect(send(link, Array("hello".utf8)) == nil)
            #expect(receive(link, 5) == .bytes(Array("hello".utf8)))
            #expect(link.write([]) == .wrote(0))
            link.close(orderly: true)
            #expect(peer.join() == .closed)
        }

        @Test(arguments: [
            "bridge.test", "BRIDGE.test", "bridge.test.", "gw.plant.test", "127.0.0.1", "::1",
        ])
        func acceptsTheNamesOfTheCertificate(name: String) throws {
            let (result, seen) = try tlsAttempt(tlsServer(), tlsClient(), name: name)
            #expect(failure(result) == nil)
            #expect(seen == .closed)
        }

        @Test(
            "Fault 42, expired, not yet valid, wrong host, unknown CA: wrong host",
            arguments: [
                "other.test", "a.b.plant.test", "plant.test", "127.0.0.2", "::2",
                "bridge.test.evil",
            ])
        func refusesEveryOtherName(name: String) throws {
            let (result, seen) = try tlsAttempt(tlsServer(), tlsClient(), name: name)
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
        @Test(arguments: [
            "", ".", ".plant.test", "bridge.test\0.evil", "bridge test", "*.plant.test",
        ])
        func refusesNamesThatWouldWeakenTheCheck(name: String) throws {
            let result = Connector.connect(tlsTarget(9, name), context: try tlsClient())
            #expect(failure(result)?.kind == .hostName)
        }

        @Test func doesNotMatchPartialWildcards() throws {
            let partial = try tlsCertificates.issue(names: ["br*.test"])
            let (result, _) = try tlsAttempt(tlsServer(partial), tlsClient())
            #expect(failure(result)?.kind == .hostName)
        }

        @Test("Fault 42, expired, not yet valid, wrong host, unknown CA: unknown CA")
        func refusesAForeignCA() throws {
            let other = try TestCertificates(authority: "test CA")  // the same name, another key
            let (result, _) = try tlsAttempt(tlsServer(), tlsClient(other))
            let failure = failure(result)
            #expect(failure?.kind == .untrusted)
            #expect(failure?.message.contains("is not signed by a CA in the given CA (") == true)
            #expect(failure?.message.contains("check `ca`") == true)
        }

        @Test func namesTheCAFileInTheSentence() throws {
            let scratch = CredentialFolder()
            defer { scratch.remove() }
            let path = scratch.write(
                "roots.pem", try TestCertificates().authority.certificate, mode: 0o644)
            let (result, _) = try tlsAttempt(tlsServer(), TLSContext(trust: .file(path)))
            let words = "in \(path) (unable to get local issuer certificate)"
            #expect(failure(result)?.message.contains(words) == true)
            let right = scratch.write(
                "right.pem", tlsCertificates.authority.certificate, mode: 0o644)
            let (good, _) = try tlsAttempt(tlsServer(), TLSContext(trust: .file(right)))
            #expect(failure(good) == nil)
        }

        @Test("Fault 42, expired, not yet valid, wrong host, unknown CA: expired")
        func refusesAnExpiredCertificateAndShowsBothDates() throws {
            let old = try tlsCertificates.issue(
                names: ["bridge.test"], validFrom: .seconds(-20 * 86_400),
                validTo: .seconds(-86_400))
            let (result, _) = try tlsAttempt(tlsServer(old), tlsClient())
            let failure = failure(result)
            #expect(failure?.kind == .certificateTime)
            let now = WallTime(milliseconds: Int64(time(nil)) * 1000)
            let yesterday = (now + .seconds(-86_400)).timestamp.prefix(10)
            #expect(failure?.message.contains("expired on \(yesterday) ") == true)
            #expect(
                failure?.message.contains("this machine's date is \(now.timestamp.prefix(10))")
                    == true)
        }

        @Test("Fault 42, expired, not yet valid, wrong host, unknown CA: not yet valid")
        func refusesACertificateOfTheFuture() throws {
            let young = try tlsCertificates.issue(
                names: ["bridge.test"], validFrom: .seconds(86_400))
            let (result, _) = try tlsAttempt(tlsServer(young), tlsClient())
            #expect(failure(result)?.kind == .certificateTime)
            #expect(failure(result)?.message.contains("set the clock") == true)
        }

        @Test func refusesACertificateMadeForClients() throws {
            let wrong = try tlsCertificates.issue(names: ["bridge.test"], usage: .client)
            let (result, _) = try tlsAttempt(tlsServer(wrong), tlsClient())
            #expect(failure(result)?.kind == .untrusted)
        }

        @Test("Fault 43, TLS 1.1 at most: refused") func refusesAServerThatEndsAtTLS11() throws {
            let (result, _) = try tlsAttempt(tlsServer(obsolete: true), tlsClient())
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
            let failure = failure(
                Connector.connect(tlsTarget(listener.port), context: try tlsClient()))
            #expect(failure?.kind == .handshake)
            #expect(failure?.message.contains("check `port`") == true)
            #expect(peer.join())
        }

        @Test func gaveUpOnAServerThatHangsUp() throws {
            let listener = try Listener()
            let peer = Running { () -> Bool in
                guard let link = acceptOne(listener), waitReady(link.descriptor, .read) else {
                    return false
                }
                link.close(orderly: true)
                return true
            }
            let failure = failure(
                Connector.connect(tlsTarget(listener.port), context: try tlsClient()))
            #expect(failure?.kind == .handshake)
            #expect(
                failure?.message.contains("closed the connection during the TLS handshake") == true)
            #expect(peer.join())
        }

        @Test func givesUpAStalledHandshakeAtTheDeadline() throws {
            let listener = try Listener()  // the kernel connects; nobody ever answers
            let start = monotonicMilliseconds()
            let stalled = tlsTarget(listener.port, deadline: .milliseconds(300))
            let failure = failure(Connector.connect(stalled, context: try tlsClient()))
            #expect(failure?.kind == .deadline)
            #expect(failure?.message.contains("0.3 s") == true)
            #expect((290...3000).contains(monotonicMilliseconds() - start))
        }

        @Test func asksForAClientCertificate() throws {
            let demanding = try tlsServer(clientCA: tlsCertificates.authority.certificate)
            let listener = try Listener(tls: demanding)
            let peer = Running { acceptOne(listener).map { receive($0, 1) } ?? .silence }
            // With TLS 1.3 the client has finished before the server looks: the answer is an alert.
            let link = try Connector.connect(tlsTarget(listener.port), context: tlsClient()).get()
            guard case .failed(let failure) = receive(link, 1) else {
                Issue.record("no alert arrived")
                return
            }
            #expect(failure.message.contains("set `clientCertificate` and `clientKey`"))
            guard case .failed(let seen) = peer.join() else { return }
            #expect(seen.message.contains("gave no client certificate"))
        }

        @Test func showsItsClientCertificate() throws {
            let scratch = CredentialFolder()
            defer { scratch.remove() }
            let own = try tlsCertificates.issue(names: ["gw-7"], usage: .client)
            let certificate = scratch.write("own.pem", own.certificate, mode: 0o644)
            let key = scratch.write("own.key", own.key)
            let trust = TrustSource.pem(tlsCertificates.authority.certificate)
            let context = try TLSContext(trust: trust, certificate: certificate, key: key)
            let demanding = try tlsServer(clientCA: tlsCertificates.authority.certificate)
            let (result, seen) = try tlsAttempt(demanding, context)
            #expect(failure(result) == nil)
            #expect(seen == .closed)
            let open = scratch.write("open.key", own.key, mode: 0o644)
            #expect(
                refusal {
                    _ = try TLSContext(trust: trust, certificate: certificate, key: open)
                }?.kind == .openToOthers)
            let foreign = scratch.write("foreign.key", tlsPair.key)
            #expect(
                refusal {
                    _ = try TLSContext(trust: trust, certificate: certificate, key: foreign)
                }?.kind == .mismatch)
            #expect(
                refusal { _ = try TLSContext(trust: trust, certificate: certificate) }?.kind
                    == .mismatch)
        }
    }
}
