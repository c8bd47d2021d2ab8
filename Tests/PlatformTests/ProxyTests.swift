import Base
import Glibc
import Platform
import Testing

extension Network {
    /// The way through an HTTP proxy: what is asked, what is taken from its answer, and what is
    /// said when it does not open.
    @Suite(.serialized) struct Proxies {
        private func target(_ listener: Listener, credentials: String? = nil) -> LinkTarget {
            LinkTarget(
                host: "bridge.example", port: 8883, tls: false, deadline: .seconds(5),
                proxy: LinkTarget.Proxy(
                    host: "127.0.0.1", port: listener.port, credentials: credentials))
        }

        /// Answers one request's head with these bytes; then what comes goes back.
        private func proxy(
            _ listener: Listener, _ answer: String, thenEchoes count: Int = 0
        ) -> Running<String> {
            Running {
                guard let link = acceptOne(listener) else { return "nobody came" }
                var head: [UInt8] = []
                while !head.suffix(4).elementsEqual("\r\n\r\n".utf8) {
                    guard case .bytes(let byte) = receive(link, 1) else {
                        return "no whole request"
                    }
                    head += byte
                }
                _ = send(link, Array(answer.utf8))
                if count > 0, case .bytes(let bytes) = receive(link, count) {
                    _ = send(link, bytes)
                }
                if count > 0 { _ = receive(link, 1) }
                link.close(orderly: true)
                return String(decoding: head, as: UTF8.self)
            }
        }

        @Test func asksForTheBridgeAndTakesNotAByteTooMany() throws {
            let listener = try Listener()
            let server = proxy(
                listener, "HTTP/1.1 200 Connection established\r\nVia: 1.1 x\r\n\r\nFIRST",
                thenEchoes: 5)
            let link = try Connector.connect(target(listener, credentials: "dTpw"), context: nil)
                .get()
            #expect(receive(link, 5) == .bytes(Array("FIRST".utf8)))
            #expect(send(link, Array("hello".utf8)) == nil)
            #expect(receive(link, 5) == .bytes(Array("hello".utf8)))
            link.close(orderly: true)
            #expect(
                server.join()
                    == "CONNECT bridge.example:8883 HTTP/1.1\r\nHost: bridge.example:8883\r\n"
                    + "Proxy-Authorization: Basic dTpw\r\n\r\n")
        }

        @Test(arguments: [
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "wants a user and a password"),
            ("HTTP/1.1 403 Forbidden\r\n\r\n", "it says \"HTTP/1.1 403 Forbidden\""),
            ("SSH-2.0-OpenSSH\r\n\r\n", "does not speak HTTP"),
            ("", "closed the connection instead"),
            ("HTTP/1.1 200", "closed the connection instead"),
            (
                "HTTP/1.1 200 OK\r\n" + String(repeating: "X: 0123456789\r\n", count: 700),
                "more than 8192 bytes"
            ),
        ])
        func saysWhyThereIsNoWay(_ answer: String, _ words: String) throws {
            let listener = try Listener()
            let server = proxy(listener, answer)
            let failure = failure(Connector.connect(target(listener), context: nil))
            #expect(failure?.message.contains(words) == true, "\(String(describing: failure))")
            #expect(failure?.message.hasPrefix("the proxy 127.0.0.1:\(listener.port)") == true)
            #expect(server.join().hasPrefix("CONNECT "))
        }

        @Test func aProxyThatIsNotThereIsNamed() throws {
            let listener = try Listener()
            let gone = target(listener)
            listener.close()
            let failure = failure(Connector.connect(gone, context: nil))
            #expect(failure?.kind == .refused && failure?.message.hasPrefix("the proxy: ") == true)
        }

        /// TLS is with the bridge, through the proxy: it is the bridge's name that is verified.
        @Test func tlsGoesThroughToTheBridge() throws {
            let bridge = try Listener(tls: tlsServer())
            let echo = echoOnce(bridge, count: 5)
            let listener = try Listener()
            let relay = relayOnce(listener, to: bridge.port)
            var through = tlsTarget(443)
            through.host = "bridge.example"
            through.proxy = LinkTarget.Proxy(host: "127.0.0.1", port: listener.port)
            let link = try Connector.connect(through, context: tlsClient()).get()
            #expect(link.isTLS)
            #expect(send(link, Array("hello".utf8)) == nil)
            #expect(receive(link, 5) == .bytes(Array("hello".utf8)))
            link.close(orderly: true)
            #expect(echo.join() == .closed)
            #expect(relay.join())
        }

        /// A proxy for one connection that carries bytes both ways until one end closes.
        private func relayOnce(_ listener: Listener, to port: Int) -> Running<Bool> {
            Running {
                guard let near = acceptOne(listener) else { return false }
                var head: [UInt8] = []
                while !head.suffix(4).elementsEqual("\r\n\r\n".utf8) {
                    guard case .bytes(let byte) = receive(near, 1) else { return false }
                    head += byte
                }
                let target = LinkTarget(
                    host: "127.0.0.1", port: port, tls: false, deadline: .seconds(5))
                guard case .success(let far) = Connector.connect(target, context: nil) else {
                    return false
                }
                _ = send(near, Array("HTTP/1.0 200 OK\r\n\r\n".utf8))
                defer {
                    far.close(orderly: true)
                    near.close(orderly: true)
                }
                for _ in 0..<10_000 {
                    for (from, to) in [(near, far), (far, near)] {
                        switch from.read() {
                        case .bytes(let bytes): if send(to, bytes) != nil { return false }
                        case .wouldBlock: break
                        case .closed, .failed: return true
                        }
                    }
                    var sockets = [near, far].map {
                        pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0)
                    }
                    guard poll(&sockets, 2, patience) > 0 else { return false }
                }
                return false
            }
        }
    }
}
