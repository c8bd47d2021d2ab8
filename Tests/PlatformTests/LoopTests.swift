import Base
import Glibc
import Platform
import Synchronization
import Testing

@Suite struct EventLoopTests {
    @Test func waitsUntilTheDeadlineAndNotShorter() throws {
        let loop = try EventLoop()
        for milliseconds in [0, 1, 5] {
            let due = Clock.instant + .milliseconds(milliseconds)
            #expect(try loop.wait(until: due).isEmpty)
            #expect(Clock.instant >= due)
        }
    }

    @Test func aDeadlineInThePastDoesNotWait() throws {
        let loop = try EventLoop()
        #expect(try loop.wait(until: .zero).isEmpty)
    }

    @Test func answersAReadyDescriptorBeforeTheDeadline() throws {
        let loop = try EventLoop()
        let mailbox = try Mailbox<Int>()
        let watch = try loop.watch(mailbox.descriptor, .read)
        mailbox.post(1)
        let ready = try loop.wait(until: Clock.instant + .seconds(10))
        #expect(ready.map(\.watch) == [watch])
        #expect(ready.first?.isReadable == true)
        // Level triggered: it stays ready until it is drained.
        #expect(try loop.wait(until: .zero).count == 1)
        #expect(mailbox.drain() == [1])
        #expect(try loop.wait(until: .zero).isEmpty)
    }

    @Test func aHandlerThatRemovesAnotherWatchSilencesIt() throws {
        let loop = try EventLoop()
        let boxes = [try Mailbox<Int>(), try Mailbox<Int>()]
        var watches: [EventLoop.Watch] = []
        var calls = 0
        for index in 0...1 {
            watches.append(
                try loop.watch(boxes[index].descriptor, .read) { _ in
                    calls += 1
                    loop.remove(watches[1 - index])
                })
        }
        for box in boxes { box.post(0) }
        // An optimised build ends an owner's life after its last use, and with it the descriptor.
        let ready = try withExtendedLifetime(boxes) {
            try loop.wait(until: Clock.instant + .seconds(10))
        }
        #expect(ready.isEmpty)
        #expect(calls == 1)
        #expect(loop.count == 1)
    }

    @Test func interestCanBeTakenAwayAndGivenBack() throws {
        let loop = try EventLoop()
        let mailbox = try Mailbox<Int>()
        mailbox.post(7)
        let watch = try loop.watch(mailbox.descriptor, .none)
        #expect(try loop.wait(until: .zero).isEmpty)
        try loop.change(watch, .read)
        #expect(try loop.wait(until: .zero).count == 1)
        loop.remove(watch)
        #expect(try loop.wait(until: .zero).isEmpty)
        #expect(mailbox.drain() == [7])
    }

    @Test func aClosedDescriptorIsRefused() throws {
        let loop = try EventLoop()
        do {
            _ = try loop.watch(9999, .read)
            Issue.record("descriptor 9999 was accepted")
        } catch {
            #expect("\(error)" == "epoll_ctl add: Bad file descriptor (EBADF)")
        }
    }
}

@Suite struct WorkerTests {
    @Test func runsJobsInOrderAndStopRunsTheRest() throws {
        let worker = try Worker("test-order")
        let seen = Seen<Int>()
        for index in 0..<1000 { worker.submit { seen.add(index) } }
        worker.stop()
        #expect(seen.all == Array(0..<1000))
        #expect(worker.backlog == 0)
        #expect(!worker.submit {})
        worker.stop()
    }

    @Test func itsThreadHasTheNameAndBlocksEverySignal() throws {
        let worker = try Worker("fgw-a-name-that-is-long")
        let answer = try Mailbox<[String]>()
        worker.submit {
            let name = (try? FileSystem.text("/proc/thread-self/comm")) ?? ""
            let status = (try? FileSystem.text("/proc/thread-self/status")) ?? ""
            let blocked = status.split(separator: "\n").first { $0.hasPrefix("SigBlk:") } ?? ""
            answer.post([name, String(blocked.split(separator: "\t").last ?? "")])
        }
        let found = try #require(answer.take(timeoutNanoseconds: 10_000_000_000).first)
        #expect(found[0] == "fgw-a-name-that")
        let mask = try #require(UInt64(found[1], radix: 16))
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1] {
            #expect(mask & (1 << UInt64(signal - 1)) != 0, "signal \(signal)")
        }
    }

    @Test func aWorkerMayBeStoppedFromItsOwnJob() throws {
        let worker = try Worker("test-self")
        let answer = try Mailbox<Bool>()
        worker.submit {
            worker.stop()
            answer.post(worker.submit {})
        }
        #expect(answer.take(timeoutNanoseconds: 10_000_000_000) == [false])
    }

    @Test func messagesFromManyThreadsAllArriveEachSenderInOrder() throws {
        let loop = try EventLoop()
        let mailbox = try Mailbox<[Int]>()
        var next = [0, 0, 0, 0]
        var isOrdered = true
        _ = try loop.watch(mailbox.descriptor, .read) { _ in
            for message in mailbox.drain() {
                if next[message[0]] != message[1] { isOrdered = false }
                next[message[0]] += 1
            }
        }
        let workers = try (0..<4).map { try Worker("sender-\($0)") }
        for (sender, worker) in workers.enumerated() {
            worker.submit { for number in 0..<2500 { mailbox.post([sender, number]) } }
        }
        #expect(try turn(loop) { next == [2500, 2500, 2500, 2500] })
        #expect(isOrdered)
    }

    @Test func aDescriptorTravelsThroughAMailboxAndIsClosedIfNobodyTakesIt() throws {
        let scratch = Scratch()
        try scratch.write("traveller", "x")
        let worker = try Worker("test-parcel")
        let mailbox = try Mailbox<DescriptorParcel>()
        worker.submit {
            for _ in 0..<2 {
                guard
                    let file = try? OwnedFD(
                        "open", "", { open(scratch.file("traveller"), O_RDONLY) })
                else { return }
                mailbox.post(DescriptorParcel(file))
            }
        }
        worker.stop()
        var parcels = mailbox.drain()
        #expect(OpenDescriptors.count(of: scratch.path) == 2)
        let first = parcels[0].take()
        let hasFirst = first != nil
        #expect(hasFirst)
        let isEmptyNow = parcels[0].take() == nil
        #expect(isEmptyNow)
        parcels = []
        #expect(OpenDescriptors.count(of: scratch.path) == 1)
        _ = first?.close()
        #expect(OpenDescriptors.count(of: scratch.path) == 0)
    }
}

/// A list that jobs on other threads add to.
final class Seen<Element: Sendable>: Sendable {
    private let list = Mutex<[Element]>([])
    func add(_ element: Element) { list.withLock { $0.append(element) } }
    var all: [Element] { list.withLock { $0 } }
}

@Suite struct DescriptorTests {
    /// The counter is proven first: a descriptor leaked on purpose must show.
    @Test func theCounterSeesALeakAndOwnersLeakNothing() throws {
        let scratch = Scratch()
        try scratch.write("leak", "x")
        let path = scratch.file("leak")
        let leaked = try OwnedFD("open", path) { open(path, O_RDONLY | O_CLOEXEC) }.release()
        #expect(OpenDescriptors.count(of: path) == 1)
        #expect(Glibc.close(leaked) == 0)
        for _ in 0..<100 {
            let file = try OwnedFD("open", path) { open(path, O_RDONLY | O_CLOEXEC) }
            let number = file.number
            #expect(number > 2)
        }
        #expect(OpenDescriptors.count(of: path) == 0)
    }

    /// Other tests run beside this one, so the bound is loose and the number of rounds large.
    @Test func loopsWorkersAndMailboxesGiveTheirDescriptorsBack() throws {
        let before = OpenDescriptors.count(of: "anon_inode")
        for _ in 0..<300 {
            let loop = try EventLoop()
            let mailbox = try Mailbox<Int>()
            _ = try loop.watch(mailbox.descriptor, .read)
            let worker = try Worker("test-leak")
            worker.submit { mailbox.post(1) }
            #expect(try loop.wait(until: Clock.instant + .seconds(10)).count == 1)
            #expect(mailbox.drain() == [1])
        }
        #expect(OpenDescriptors.count(of: "anon_inode") < before + 200)
    }

    @Test func errorsNameTheCallThePathAndTheReason() {
        let failure = SystemFailure("open", "/dev/ttyUSB0", code: ENOENT)
        #expect(failure.description == "open /dev/ttyUSB0: No such file or directory (ENOENT)")
        #expect(SystemFailure("x", code: 4242).words == "error 4242")
    }

    @Test func bothClocksRunForward() {
        let first = Clock.now()
        let second = Clock.now()
        #expect(second.instant >= first.instant)
        #expect(first.wall > WallTime(milliseconds: 1_600_000_000_000))
    }
}
