import Base
import Glibc
import Platform
import Testing

/// What a client of the control socket may cost others: real sockets, and a clock that the test
/// turns.
@Suite struct ControlBoundTests {
    /// A server that answers "echo " and the line; "wait" is answered when the test says so, "open"
    /// at once with more to come. Turned by the test's own thread.
    private final class Bench {
        let loop: EventLoop
        let path: String
        var now = Instant.zero
        var isPrivileged = true
        private(set) var server: ControlSocket?
        private(set) var waiting: [ControlSocket.Client] = []
        /// Requests begun in one turn of the loop.
        private(set) var begun = 0

        init(_ path: String) throws {
            self.path = path
            loop = try EventLoop()
            server = try ControlSocket(
                path: path, on: loop, clock: { [unowned self] in now },
                isPrivileged: { [unowned self] _ in isPrivileged }
            ) { [unowned self] in take($0) }
        }

        private func take(_ event: ControlSocket.Event) {
            guard case .line(let client, let line) = event else { return }
            begun += 1
            switch String(decoding: line, as: UTF8.self) {
            case "wait": waiting.append(client)
            case "open": server?.answer(client, Array("opened".utf8), more: true)
            case "much": server?.answer(client, [UInt8](repeating: 0x61, count: 1 << 20))
            default: server?.answer(client, Array("echo ".utf8) + line)
            }
        }

        func turn(_ count: Int = 20) throws {
            for _ in 0..<count { _ = try loop.wait(until: .zero) }
            if let due = server?.deadline, due <= now { server?.timeout(at: now) }
        }

        func turnOnce() throws -> Int {
            begun = 0
            _ = try loop.wait(until: .zero)
            return begun
        }

        func pass(_ time: Duration) throws {
            now = now + time
            try turn()
        }

        func answerWaiting() {
            for client in waiting { server?.answer(client, Array("at last".utf8)) }
            waiting = []
        }

        var count: Int { server?.clientCount ?? 0 }
    }

    /// A client made by hand, for what `ControlClient` does not do.
    private struct Raw: ~Copyable {
        let number: Int32

        init(_ path: String) {
            number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
            let connected = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            #expect(connected == 0)
        }

        func send(_ text: String) {
            #expect(
                Glibc.send(number, text, text.utf8.count, Int32(MSG_NOSIGNAL)) == text.utf8.count)
        }
        func endSending() { #expect(shutdown(number, Int32(SHUT_WR)) == 0) }

        /// What has come; nil at the end.
        func received() -> String? {
            var chunk = [UInt8](repeating: 0, count: 65536)
            let count = recv(number, &chunk, chunk.count, Int32(MSG_DONTWAIT))
            return count == 0
                ? nil : count < 0 ? "" : String(decoding: chunk[..<count], as: UTF8.self)
        }

        deinit { close(number) }
    }

    /// Sixteen clients that said nothing kept everybody out for as long as they liked.
    @Test func idleClientsAreClosedAndTheirPlacesFree() throws {
        let scratch = Scratch()
        let bench = try Bench(scratch.file("control.sock"))
        let silent = Raw(bench.path)
        let half = Raw(bench.path)
        let busy = Raw(bench.path)
        let streaming = Raw(bench.path)
        half.send("{\"get\"")
        busy.send("wait\n")
        streaming.send("open\n")
        try bench.turn()
        #expect(bench.count == 4)
        try bench.pass(.seconds(9))
        half.send(":")
        try bench.turn()
        #expect(bench.count == 4)
        // Half a line is no request: more of it does not help.
        try bench.pass(.seconds(1))
        #expect(bench.count == 2)
        #expect(silent.received() == nil && half.received() == nil)
        // Whoever waits for an answer, or for more of one, is not idle.
        try bench.pass(.seconds(3600))
        #expect(bench.count == 2)
        bench.answerWaiting()
        try bench.turn()
        #expect(busy.received() == "at last\n" && streaming.received() == "opened\n")
        try bench.pass(.seconds(11))
        #expect(bench.count == 1, "the one that was answered is idle now")
        streaming.send("status\n")
        try bench.turn()
        #expect(
            streaming.received() == "echo status\n",
            "a request that stays open keeps nobody from asking")
        bench.server?.shutdown()
    }

    @Test func theLastPlaceIsForRootAndTheOwner() throws {
        let scratch = Scratch()
        let bench = try Bench(scratch.file("control.sock"))
        bench.isPrivileged = false
        var clients: [ControlClient] = []
        for _ in 0..<ControlSocket.clientsMax {
            clients.append(try ControlClient(path: bench.path))
        }
        try bench.turn()
        #expect(bench.count == ControlSocket.clientsMax - 1)
        let refused = try clients[ControlSocket.clientsMax - 1].receive()
        #expect(
            refused.map { String(decoding: $0, as: UTF8.self) }?.contains("too many clients")
                == true)
        bench.isPrivileged = true
        let owner = Raw(bench.path)
        owner.send("x\n")
        try bench.turn()
        #expect(owner.received() == "echo x\n")
        bench.server?.shutdown()
    }

    @Test(arguments: ["x\n", "x", "x\ny\n", "x\ny"]) func whoeverEndsItsSideGetsItsAnswers(
        _ text: String
    ) throws {
        let scratch = Scratch()
        let bench = try Bench(scratch.file("control.sock"))
        let client = Raw(bench.path)
        client.send(text)
        client.endSending()
        try bench.turn()
        #expect(client.received() == text.split(separator: "\n").map { "echo \($0)\n" }.joined())
        #expect(client.received() == nil)
        #expect(bench.count == 0)
        bench.server?.shutdown()
    }

    @Test func anAnswerThatTakesItsTimeReachesAClientThatHasEndedItsSide() throws {
        let scratch = Scratch()
        let bench = try Bench(scratch.file("control.sock"))
        let client = Raw(bench.path)
        client.send("wait\n")
        client.endSending()
        try bench.turn()
        try bench.pass(.seconds(60))
        #expect(client.received() == "")
        bench.answerWaiting()
        try bench.turn()
        #expect(client.received() == "at last\n")
        #expect(client.received() == nil)
        bench.server?.shutdown()
    }

    @Test func whoeverDoesNotReadItsAnswerIsClosedToo() throws {
        let scratch = Scratch()
        let bench = try Bench(scratch.file("control.sock"))
        let client = Raw(bench.path)
        client.send("much\n")
        try bench.turn()
        try bench.pass(.seconds(9))
        #expect(bench.count == 1)
        try bench.pass(.seconds(1))
        #expect(bench.count == 0)
        _ = client.received()
        bench.server?.shutdown()
    }

    /// A thousand requests in one packet were carried out in one turn: a second without a poll.
    @Test func aTurnBeginsOneRequestOfAClient() throws {
        let scratch = Scratch()
        let bench = try Bench(scratch.file("control.sock"))
        let client = Raw(bench.path)
        try bench.turn()
        client.send(String(repeating: "x\n", count: 100))
        var turns: [Int] = []
        var answers = ""
        // The kernel calls a socket writable as long as a quarter of its room is used.
        for _ in 0..<300 {
            turns.append(try bench.turnOnce())
            answers += client.received() ?? ""
        }
        #expect(turns.max() == 1 && turns.reduce(0, +) == 100)
        #expect(answers == String(repeating: "echo x\n", count: 100))
        bench.server?.shutdown()
    }

    /// One byte a read: the line was looked through from its beginning each time.
    @Test(arguments: [1, 100, 20_000]) func aLineIsLookedAtOnce(_ size: Int) {
        func work(_ count: Int) -> Int {
            var lines = LineBuffer()
            let bytes = [UInt8](repeating: 0x78, count: count) + [0x0A, 0x79]
            var found = 0
            for start in stride(from: 0, to: bytes.count, by: size) {
                lines.append(bytes[start..<min(start + size, bytes.count)])
                while let line = lines.next() {
                    #expect(line.count == count)
                    found += 1
                }
            }
            #expect(found == 1 && lines.rest() == [0x79])
            return lines.work
        }
        let (once, twice) = (work(32_000), work(64_000))
        #expect(once <= 4 * 32_000 && Double(twice) <= 2.2 * Double(once))
    }

    @Test func aFileThatIsNoSocketIsCalledSo() throws {
        let scratch = Scratch()
        try scratch.write("plain", "precious")
        let loop = try EventLoop()
        let path = scratch.file("plain")
        do {
            _ = try ControlSocket(path: path, on: loop) { _ in }
            Issue.record("bound to a file")
        } catch {
            #expect(error.code == ENOTSOCK)
            #expect(ControlSocket.advice(error, path).contains("is no socket; remove it"))
        }
        do {
            _ = try ControlClient(path: path)
            Issue.record("connected to a file")
        } catch {
            let (words, code) = ControlClient.complaint(error, path)
            #expect(words.contains("no socket") && code == .unavailable)
        }
    }

    @Test func whoMayNotIsToldSoByAnExitCodeOfItsOwn() {
        let denied = ControlClient.complaint(
            SystemFailure("connect", "/run/s", code: EACCES), "/run/s")
        #expect(denied.code == .noPermission && denied.words.contains("may not talk"))
        let absent = ControlClient.complaint(
            SystemFailure("connect", "/run/s", code: ENOENT), "/run/s")
        #expect(absent.code == .unavailable && absent.words.contains("is the gateway running"))
    }
}
