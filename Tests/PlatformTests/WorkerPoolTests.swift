import Base
import Foundation
import Platform
import Synchronization
import Testing

/// Threads that live only while they work.
@Suite struct WorkerPoolTests {
    @Test func jobsOfALaneKeepTheirOrderAndThreadsEnd() throws {
        let pool = WorkerPool("test-pool", threadsMax: 4)
        let seen = Mutex<[Int: [Int]]>([:])
        for job in 0..<50 {
            for lane in 0..<20 {
                pool.submit(lane) { seen.withLock { $0[lane, default: []].append(job) } }
            }
        }
        pool.drain()
        seen.withLock { seen in
            #expect(seen.count == 20 && seen.values.allSatisfy { $0 == Array(0..<50) })
        }
        let done = try Mailbox<Int>()
        pool.submit(1) { done.post(pool.threads) }
        #expect(done.take().allSatisfy { (1...4).contains($0) })
    }

    /// Closing a line can wait for half a minute: the others are served meanwhile.
    @Test func aJobThatHangsKeepsItsOwnLaneOnly() throws {
        let pool = WorkerPool("test-pool", threadsMax: 3)
        let (gate, done) = (try Mailbox<Int>(), try Mailbox<Int>())
        pool.submit(0) { _ = gate.take() }
        pool.submit(0) { done.post(-1) }
        for lane in 1..<40 { pool.submit(lane) { done.post(lane) } }
        var served = 0
        while served < 39 {
            let news = done.take(timeoutNanoseconds: 10_000_000_000)
            try #require(!news.isEmpty)
            #expect(!news.contains(-1))
            served += news.count
        }
        #expect(pool.busySince(0) != nil && pool.busySince(5) == nil)
        pool.drain(within: .milliseconds(20))
        gate.post(1)
        #expect(done.take(timeoutNanoseconds: 10_000_000_000) == [-1])
        pool.drain()
    }
}
