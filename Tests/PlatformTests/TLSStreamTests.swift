import Base
import Glibc
import Platform
import Testing

extension Network {
    @Suite(.serialized) struct TLSStreams {
        /// Sends and receives at the same time from one thread, as the loop does: both directions
        /// are full, so partial writes and retries with a moved array happen.
        @Test("Fault 46, a ticket or KeyUpdate in a write: both directions full")
        func movesALotBothWaysAtOnce() throws {
            let listener = try Listener(tls: tlsServer())
            let bytes = pattern(4 << 20)
            let peer = Running {
                acceptOne(listener).map { exchange($0, bytes) } ?? "no connection"
            }
            let link = try Connector.connect(tlsTarget(listener.port), context: tlsClient()).get()
            #expect(exchange(link, bytes) == nil)
            #expect(peer.join() == nil)
        }

        /// What OpenSSL has decrypted does not make the descriptor readable any more.
        @Test func tellsAboutBytesThatAreAlreadyDecrypted() throws {
            let listener = try Listener(tls: tlsServer())
            let peer = echoOnce(listener, count: 1000)
            let link = try Connector.connect(tlsTarget(listener.port), context: tlsClient()).get()
            let bytes = pattern(1000)
            #expect(send(link, bytes) == nil)
            #expect(waitReady(link.descriptor, .read))
            var received: [UInt8] = []
            for _ in 0..<1000 where received.isEmpty {
                if case .bytes(let first) = link.read(max: 10) {
                    received = first
                } else {
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

        @Test("Fault 44, an end without close_notify: an ordinary end")
        func takesAnEndWithoutCloseNotifyAsTheEnd() throws {
            let listener = try Listener(tls: tlsServer())
            let peer = Running { () -> Arrival in
                guard let link = acceptOne(listener) else { return .silence }
                let first = receive(link, 1)
                shutdown(link.descriptor, Int32(SHUT_RDWR))
                return first
            }
            let link = try Connector.connect(tlsTarget(listener.port), context: tlsClient()).get()
            #expect(send(link, [9]) == nil)
            #expect(receive(link, 1) == .closed)
            #expect(link.write([1]) == .closed)
            #expect(peer.join() == .bytes([9]))
        }

        @Test("Fault 45, RST in a write: survived") func survivesAResetWhileWriting() throws {
            let listener = try Listener(tls: tlsServer())
            let peer = Running { () -> Arrival in
                guard let link = acceptOne(listener) else { return .silence }
                let first = receive(link, 1)
                resetNow(link)
                return first
            }
            let link = try Connector.connect(tlsTarget(listener.port), context: tlsClient()).get()
            #expect(send(link, [9]) == nil)
            #expect(peer.join() == .bytes([9]))
            #expect(writeUntilItEnds(link)?.kind == .reset)
        }

        /// mosquitto #3054: an error left in the thread's queue by one connection looked like the
        /// failure of the next.
        @Test func oneFailedConnectionDoesNotTaintTheNext() throws {
            for _ in 0..<3 {
                let (bad, _) = try tlsAttempt(tlsServer(), tlsClient(), name: "other.test")
                #expect(failure(bad)?.kind == .hostName)
                let (good, seen) = try tlsAttempt(tlsServer(), tlsClient())
                #expect(failure(good) == nil)
                #expect(seen == .closed)
            }
        }

        /// The link is made on one thread and used on another, as the network helper and the loop
        /// do.
        @Test func movesFromThreadToThread() throws {
            let listener = try Listener(tls: tlsServer())
            let peer = echoOnce(listener, count: 3)
            let context = try tlsClient()
            let port = listener.port
            let made = Running { Connector.connect(tlsTarget(port), context: context) }
            let link = try made.join().get()
            #expect(send(link, [1, 2, 3]) == nil)
            #expect(receive(link, 3) == .bytes([1, 2, 3]))
            link.close(orderly: true)
            #expect(peer.join() == .closed)
        }

        @Test func leavesNoDescriptorBehind() throws {
            let before = internetSockets()
            var probe: Listener? = try Listener()
            withExtendedLifetime(probe) { #expect(internetSockets() == before + 1) }
            probe = nil
            #expect(internetSockets() == before)
            for name in ["bridge.test", "other.test", ""] {
                _ = try tlsAttempt(
                    tlsServer(), tlsClient(), name: name.isEmpty ? "127.0.0.1" : name)
            }
            let closed = try Listener()
            closed.close()
            _ = Connector.connect(tlsTarget(closed.port), context: try tlsClient())
            let silent = try Listener()
            _ = Connector.connect(
                tlsTarget(silent.port, deadline: .milliseconds(50)), context: try tlsClient())
            silent.close()
            #expect(internetSockets() == before)
        }
    }

    @Suite(.serialized) struct TLSTrust {
        @Test("Fault 47, CA file missing, host empty: no CA in the file")
        func refusesACAFileThatSaysNothing() throws {
            let scratch = CredentialFolder()
            defer { scratch.remove() }
            let certificate = tlsCertificates.authority.certificate
            let cut = String(certificate.dropLast(200)) + "\n-----END CERTIFICATE-----\n"
            let cases: [(String, CredentialError.Kind)] = [
                (scratch.path + "/none.pem", .missing), (scratch.path, .unreadable),
                (scratch.write("empty.pem", ""), .malformed),
                (scratch.write("text.pem", "hello\n"), .malformed),
                (scratch.write("key.pem", tlsPair.key), .malformed),
                (scratch.write("cut.pem", certificate + cut), .malformed),
            ]
            for (path, kind) in cases {
                let error = refusal { _ = try TLSContext(trust: .file(path)) }
                #expect(error?.kind == kind)
                #expect(error?.message.hasPrefix(path) == true)
            }
        }

        @Test func takesACommentedBundle() throws {
            let scratch = CredentialFolder()
            defer { scratch.remove() }
            let other = try TestCertificates().authority.certificate
            let text =
                "# roots\n" + other + "\n# ours\n" + tlsCertificates.authority.certificate + "\n"
            let context = try TLSContext(trust: .file(scratch.write("roots.pem", text)))
            let (result, _) = try tlsAttempt(tlsServer(), context)
            #expect(failure(result) == nil)
        }

        @Test func trustsNoTestCertificateByTheSystemStore() throws {
            let context: TLSContext
            do throws(CredentialError) { context = try TLSContext(trust: .system) } catch {
                #expect(error.message.contains("ca-tlsCertificates"))
                return
            }
            let (result, _) = try tlsAttempt(tlsServer(), context)
            #expect(failure(result)?.kind == .untrusted)
            #expect(failure(result)?.message.contains("the system's CA store") == true)
        }

        @Test func refusesTLSWithoutAContext() {
            #expect(failure(Connector.connect(tlsTarget(9), context: nil))?.kind == .other)
        }

        @Test func makesCertificatesThatOpenSSLAccepts() throws {
            let scratch = CredentialFolder()
            defer { scratch.remove() }
            let ca = scratch.write("ca.pem", tlsCertificates.authority.certificate)
            let leaf = scratch.write("leaf.pem", tlsPair.certificate)
            let verify = "openssl verify -x509_strict -CAfile \(ca)"
            #expect(shell("\(verify) -verify_hostname bridge.test \(leaf)") != nil)
            #expect(shell("\(verify) -verify_ip ::1 \(leaf)") != nil)
            #expect(
                shell("openssl verify -CAfile \(ca) -verify_hostname other.test \(leaf)") == nil)
            #expect(
                refusal { _ = try tlsCertificates.issue(names: ["a,DNS:b"]) }?.kind == .malformed)
        }
    }
}

/// Sends `bytes` and expects the same ones, whichever direction is ready; nil if all went well. New
/// keys are made, and demanded, after so many bytes.
func exchange(_ link: Link, _ bytes: [UInt8], rekeyEvery: Int = .max) -> String? {
    var sent = 0
    var rekeyed = 0
    var received: [UInt8] = []
    received.reserveCapacity(bytes.count)
    for _ in 0..<1_000_000 {
        if sent == bytes.count && received.count == bytes.count {
            if rekeyEvery != .max, rekeyed == 0 { return "no new keys" }
            return received == bytes ? nil : "the bytes differ"
        }
        var wantsRead = received.count < bytes.count
        var wantsWrite = false
        if sent < bytes.count {
            // A new array each time: a retry may come from another address.
            let piece = Array(bytes[sent..<min(sent + 30_000, bytes.count)])
            switch link.write(piece[...]) {
            case .wrote(let count):
                sent += count
                if sent - rekeyed >= rekeyEvery, link.updateKeys(askingPeer: true) {
                    rekeyed = sent
                }
                continue
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
