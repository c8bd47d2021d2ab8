import Base
import Glibc
import Platform
import Testing

/// What a pipe holds now; the child has ended.
private func rest(_ pipe: consuming OwnedFD?) -> String {
    guard let pipe else { return "no pipe" }
    var bytes = [UInt8](repeating: 0, count: 65536)
    let number = pipe.number
    let count = retrying { read(number, &bytes, bytes.count) }
    return String(decoding: bytes[..<max(0, count)], as: UTF8.self)
}

@Suite struct ChildProcessTests {
    @Test func outputArrivesAndTheExitCodeIsTheChilds() throws {
        let child = try ChildProcess(
            "/bin/sh", ["-c", "echo out $FLAVOUR; echo err >&2; exit 7"],
            environment: ["FLAVOUR=sweet"],
            output: .pipe, errors: .pipe)
        #expect(child.wait(within: .seconds(10)) == .code(7))
        #expect(rest(child.takeOutput()) == "out sweet\n")
        #expect(rest(child.takeErrors()) == "err\n")
        #expect(rest(child.takeOutput()) == "no pipe")
        #expect(!child.send(SIGTERM))
    }

    @Test func aChildIsEndedByItsNumberAndSaysBySignal() throws {
        let child = try ChildProcess("/bin/sleep", ["60"], output: .discard)
        #expect(child.poll() == nil)
        #expect(child.wait(within: .zero) == nil)
        let loop = try EventLoop()
        guard let ended = child.takeEnded() else {
            Issue.record("no descriptor for the end of a child")
            child.terminate()
            return
        }
        _ = try loop.watch(ended.number, .read)
        #expect(try loop.wait(until: .zero).isEmpty)
        child.terminate()
        #expect(try loop.wait(until: Clock.instant + .seconds(10)).count == 1)
        #expect(child.wait(within: .seconds(10)) == .signal(SIGTERM))
    }

    /// Descriptors are close-on-exec from birth: a child gets three and what `ls` itself opens.
    @Test func aChildInheritsNothingButTheStandardStreams() throws {
        let pty = try PseudoTerminal()
        let loop = try EventLoop()
        let child = try ChildProcess("/bin/ls", ["/proc/self/fd"], output: .pipe)
        #expect(child.wait(within: .seconds(10)) == .code(0))
        #expect(rest(child.takeOutput()) == "0\n1\n2\n3\n")
        #expect(loop.count == 0)
        pty.hangUp()
    }

    @Test func whatAProgramSaysIsTakenWholeOrNotAtAll() throws {
        let said = try ProgramOutput.of(
            "/bin/sh", ["-c", "seq 20000; exit 3"], bytesMax: 200_000, within: .seconds(20))
        #expect(said.exit == .code(3) && said.output.count == 108_894)
        var number: Int32 = 0
        func failure(
            _ path: String, _ script: String, _ bytesMax: Int, _ limit: Duration
        ) -> ProgramOutput.Failure? {
            do throws(ProgramOutput.Failure) {
                _ = try ProgramOutput.of(path, ["-c", script], bytesMax: bytesMax, within: limit) {
                    number = $0.processID
                }
                return nil
            } catch { return error }
        }
        #expect(failure("/bin/sh", "exec yes", 10_000, .seconds(20)) == .excess)
        #expect(kill(number, 0) == -1, "it was ended and waited for")
        #expect(failure("/bin/sh", "echo a; exec sleep 60", 10, .milliseconds(50)) == .late)
        #expect(kill(number, 0) == -1)
        let missing = SystemFailure("spawn", "/nonexistent/program", code: ENOENT)
        #expect(failure("/nonexistent/program", "", 10, .seconds(1)) == .start(missing))
    }

    @Test func aProgramThatIsMissingIsAnError() {
        do {
            _ = try ChildProcess("/nonexistent/program", [])
            Issue.record("it started")
        } catch {
            #expect("\(error)" == "spawn /nonexistent/program: No such file or directory (ENOENT)")
        }
    }

    @Test func ignoredSignalsAreStandardInAChild() throws {
        Startup.prepare()
        let child = try ChildProcess(
            "/bin/sh", ["-c", "grep SigIgn /proc/self/status"], output: .pipe)
        #expect(child.wait(within: .seconds(10)) == .code(0))
        let line = rest(child.takeOutput())
        let mask = try #require(
            UInt64(line.split(whereSeparator: \.isWhitespace).last ?? "", radix: 16))
        #expect(mask & (1 << UInt64(SIGPIPE - 1)) == 0)
        #expect(mask & (1 << UInt64(SIGTERM - 1)) == 0)
    }
}

@Suite struct ServiceManagerTests {
    @Test(arguments: [false, true])
    func stateReachesThePathOrTheAbstractName(isAbstract: Bool) throws {
        let scratch = Scratch()
        let name = isAbstract ? "@" + scratch.path : scratch.file("notify")
        let receiver = try OwnedFD("socket") { socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0) }
        let number = receiver.number
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var raw = Array(name.utf8)
        if isAbstract { raw[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: raw) }
        let length = socklen_t(2 + raw.count + (isAbstract ? 0 : 1))
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(number, $0, length) }
        }
        try #require(bound == 0)

        let manager = ServiceManager { ["NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000"][$0] }
        #expect(manager.isPresent)
        #expect(manager.watchdogInterval == .seconds(15))
        #expect(manager.notify("READY=1\nSTATUS=fine"))
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = recv(number, &bytes, bytes.count, 0)
        #expect(String(decoding: bytes[..<max(0, count)], as: UTF8.self) == "READY=1\nSTATUS=fine")
    }

    @Test func withoutOneNothingIsSent() {
        let manager = ServiceManager { _ in nil }
        #expect(!manager.isPresent && !manager.notify("READY=1"))
        #expect(manager.watchdogInterval == nil)
        let gone = ServiceManager { $0 == "NOTIFY_SOCKET" ? "/nonexistent/notify" : nil }
        #expect(!gone.notify("READY=1"))
        let other = ServiceManager { ["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"][$0] }
        #expect(other.watchdogInterval == nil)
    }
}

@Suite struct MachineTests {
    @Test func theBootIDIsSixteenBytesAndStable() {
        #expect(Machine.bootID().count == 16)
        #expect(Machine.bootID() == Machine.bootID())
        #expect(
            Machine.bootID(in: SystemPaths(proc: "/nonexistent"))
                == [UInt8](repeating: 0, count: 16))
    }

    @Test func randomBytesDiffer() {
        #expect(Machine.random(0).isEmpty)
        #expect(Machine.random(1000).count == 1000)
        #expect(Machine.random(16) != Machine.random(16))
        #expect(!Machine.hostname.isEmpty)
    }

    @Test(arguments: [("1\n", true), ("0\n", false)])
    func anRTCCountsOnlyIfItSetTheTimeAtBoot(attribute: String, counts: Bool) throws {
        let scratch = Scratch()
        try scratch.write("sys/class/rtc/rtc0/hctosys", attribute)
        let system = SystemPaths(sys: scratch.file("sys"), run: scratch.file("run"))
        #expect(ClockProbe.facts(in: system).hasRTC == counts)
        #expect(!ClockProbe.facts(in: SystemPaths(sys: "/nonexistent")).hasRTC)
    }

    @Test func theMarkOfTimesyncdIsEnough() throws {
        let scratch = Scratch()
        try scratch.write("run/systemd/timesync/synchronized", "")
        #expect(ClockProbe.facts(in: SystemPaths(run: scratch.file("run"))).synchronised)
    }

    @Test func aSignalBecomesAnEventOnTheThreadThatAskedForIt() throws {
        let worker = try Worker("test-signal")
        let answer = try Mailbox<[SignalInbox.Event]>()
        worker.submit {
            guard let inbox = try? SignalInbox() else { return answer.post([]) }
            for signal in [SIGHUP, SIGTERM] { pthread_kill(pthread_self(), signal) }
            answer.post(inbox.take().sorted { "\($0)" < "\($1)" })
        }
        worker.stop()
        #expect(answer.drain() == [[.hangUp, .terminate]])
    }
}
