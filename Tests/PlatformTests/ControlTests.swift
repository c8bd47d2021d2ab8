import Base
import Glibc
import Platform
import Testing

/// A server that answers each line with "echo " and the line, turned by a thread of its own.
private final class EchoServer: Sendable {
    let worker: Worker
    let path: String
    private let isStopping = Seen<Bool>()
    let clients = Seen<UInt32>()
    let closed = Seen<Bool>()

    init(_ path: String) throws {
        self.path = path
        worker = try Worker("test-control")
        let started = try Mailbox<Bool>()
        let (isStopping, clients, closed) = (isStopping, clients, closed)
        worker.submit {
            guard let loop = try? EventLoop() else { return }
            var server: ControlSocket?
            server = try? ControlSocket(path: path, on: loop) { event in
                switch event {
                case .line(let client, let line):
                    clients.add(client.userID)
                    server?.answer(client, Array("echo ".utf8) + line)
                case .closed:
                    closed.add(true)
                }
            }
            started.post(true)
            while isStopping.all.isEmpty {
                _ = try? loop.wait(until: Clock.instant + .milliseconds(5))
            }
            server?.shutdown()
        }
        _ = started.take()
    }

    func stop() {
        isStopping.add(true)
        worker.stop()
    }
}

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite struct ControlSocketTests {
    @Test func oneLineEachWayAndTheKernelSaysWhoAsks() throws {
        let scratch = Scratch()
        let server = try EchoServer(scratch.file("control.sock"))
        let answer = try ControlClient.ask(server.path, bytes("{\"verb\":\"status\"}"))
        #expect(answer == bytes("echo {\"verb\":\"status\"}"))
        #expect(server.clients.all == [getuid()])
        var status = stat()
        #expect(stat(server.path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o660)
        server.stop()
        #expect(!FileSystem.exists(server.path))
    }

    @Test func severalRequestsOnOneConnectionKeepTheirOrder() throws {
        let scratch = Scratch()
        let server = try EchoServer(scratch.file("control.sock"))
        let client = try ControlClient(path: server.path)
        try client.send(bytes("1\n2\n3"))
        var answers: [String] = []
        for _ in 1...3 {
            let answer = try client.receive()
            answers.append(String(decoding: answer ?? [], as: UTF8.self))
        }
        #expect(answers == ["echo 1", "echo 2", "echo 3"])
        server.stop()
    }

    /// What a shell's `printf … | nc -N -U` sends: no newline, then the end of its side.
    @Test func aRequestThatEndsWithItsConnectionIsAnswered() throws {
        let scratch = Scratch()
        let server = try EchoServer(scratch.file("control.sock"))
        let client = try ControlClient(path: server.path)
        #expect(send(client.descriptor, "hello", 5, Int32(MSG_NOSIGNAL)) == 5)
        #expect(shutdown(client.descriptor, Int32(SHUT_WR)) == 0)
        let answer = try client.receive()
        #expect(answer == bytes("echo hello"))
        let end = try client.receive()
        #expect(end == nil)
        server.stop()
    }

    @Test func aLineThatNeverEndsIsRefusedAtSixtyFourKiB() throws {
        let scratch = Scratch()
        let server = try EchoServer(scratch.file("control.sock"))
        let client = try ControlClient(path: server.path)
        // The server may close before it has taken everything; its answer counts.
        try? client.send([UInt8](repeating: 0x61, count: 200_000))
        if let answer = try? client.receive() {
            #expect(String(decoding: answer, as: UTF8.self).contains("64 KiB"))
        }
        #expect(server.clients.all.isEmpty)
        #expect(
            try ControlClient.ask(server.path, bytes("still there")) == bytes("echo still there"))
        server.stop()
    }

    @Test func theSeventeenthClientIsTurnedAway() throws {
        let scratch = Scratch()
        let server = try EchoServer(scratch.file("control.sock"))
        let address = server.path
        var clients: [ControlClient] = []
        for _ in 0..<16 {
            let client = try ControlClient(path: address)
            try client.send(bytes("x"))
            let answer = try client.receive()
            #expect(answer == bytes("echo x"))
            clients.append(client)
        }
        let late = try ControlClient(path: address)
        let answer = try late.receive()
        #expect(answer == bytes("{\"error\":\"too many clients\",\"kind\":\"unavailable\"}"))
        let end = try late.receive()
        #expect(end == nil)
        clients = []
        var isServed = false
        for _ in 0..<1000 where !isServed {
            isServed = (try? ControlClient.ask(address, bytes("y"))) == bytes("echo y")
        }
        #expect(isServed)
        server.stop()
    }

    @Test func aStaleSocketIsReplacedAndALiveOneIsNot() throws {
        let scratch = Scratch()
        let path = scratch.file("control.sock")
        // A server that was killed leaves its file behind.
        let loop = try EventLoop()
        var dead: ControlSocket? = try ControlSocket(path: path, on: loop) { _ in }
        withExtendedLifetime(dead) { #expect(link(path, path + ".kept") == 0) }
        dead = nil
        #expect(dead == nil)
        #expect(rename(path + ".kept", path) == 0)
        let live = try ControlSocket(path: path, on: loop) { _ in }
        do {
            _ = try ControlSocket(path: path, on: loop) { _ in }
            Issue.record("a live socket was replaced")
        } catch {
            #expect("\(error)" == "bind \(path): Address already in use (EADDRINUSE)")
        }
        live.shutdown()
        #expect(loop.count == 0)
    }

    @Test func aFileThatIsNoSocketIsLeftAlone() throws {
        let scratch = Scratch()
        try scratch.write("control.sock", "precious")
        let loop = try EventLoop()
        #expect((try? ControlSocket(path: scratch.file("control.sock"), on: loop) { _ in }) == nil)
        #expect(try FileSystem.text(scratch.file("control.sock")) == "precious")
    }

    @Test func aDaemonThatIsNotThereAndOneThatIsSilentAreErrors() throws {
        let scratch = Scratch()
        let path = scratch.file("control.sock")
        #expect((try? ControlClient.ask(path, [])) == nil)
        let loop = try EventLoop()
        let silent = try ControlSocket(path: path, on: loop) { _ in }
        do {
            _ = try ControlClient.ask(path, bytes("hello"), within: .milliseconds(20))
            Issue.record("an answer came from nowhere")
        } catch {
            #expect("\(error)".contains("ETIMEDOUT"))
        }
        silent.shutdown()
    }

    @Test func aPathTooLongForASocketIsSaidSo() throws {
        let loop = try EventLoop()
        let path = "/tmp/" + String(repeating: "x", count: 120)
        do {
            _ = try ControlSocket(path: path, on: loop) { _ in }
            Issue.record("bound to \(path)")
        } catch {
            #expect("\(error)".contains("ENAMETOOLONG"))
        }
    }
}
