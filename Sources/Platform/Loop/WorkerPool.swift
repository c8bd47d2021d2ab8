import Base
import CLinux
import Glibc
import Synchronization

/// Threads that live only while there is work, for jobs in lanes: those of one lane run one by one
/// in the order given, those of different lanes beside each other. A job that hangs keeps its own
/// lane and one thread.
package final class WorkerPool: Sendable {
    package typealias Job = @Sendable () -> Void

    private struct Lane {
        var jobs: [Job] = []
        /// When the job under way began; nil while there is none.
        var began: Instant?
    }

    private struct State {
        var lanes: [Int: Lane] = [:]
        /// Lanes with a job that no thread has taken, the longest waiting first.
        var waiting: [Int] = []
        var threads = 0
    }

    private let name: String
    private let stackBytes: Int
    private let threadsMax: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - name: of each thread; cut to 15 bytes by the kernel.
    ///   - threadsMax: jobs at one time; more of them wait.
    package init(_ name: String, threadsMax: Int, stackBytes: Int = 256 << 10) {
        self.name = name
        self.threadsMax = max(1, threadsMax)
        self.stackBytes = stackBytes
    }

    /// Threads that work now.
    package var threads: Int { state.withLock { $0.threads } }

    /// Since when the lane's job under way has been running; nil while there is none.
    package func busySince(_ lane: Int) -> Instant? { state.withLock { $0.lanes[lane]?.began } }

    /// From any thread.
    package func submit(_ lane: Int, _ job: @escaping Job) {
        let mustStart = state.withLock { state in
            var known = state.lanes.removeValue(forKey: lane) ?? Lane()
            known.jobs.append(job)
            if known.jobs.count == 1, known.began == nil { state.waiting.append(lane) }
            state.lanes[lane] = known
            guard !state.waiting.isEmpty, state.threads < threadsMax else { return false }
            state.threads += 1
            return true
        }
        if mustStart { start() }
    }

    /// Waits until what has been submitted so far is done.
    /// - Parameter limit: and no longer; nil: for ever.
    package func drain(within limit: Duration? = nil) {
        guard let done = try? Mailbox<Int>() else { return }
        let lanes = state.withLock { Array($0.lanes.keys) }
        for lane in lanes { submit(lane) { done.post(lane) } }
        let end = limit.map { Clock.instant + $0 }
        var left = lanes.count
        while left > 0 {
            let rest = end.map { ($0 - Clock.instant).nanoseconds }
            if let rest, rest <= 0 { return }
            left -= done.take(timeoutNanoseconds: rest ?? -1).count
        }
    }

    private func start() {
        var handle = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        let code = clinux_thread_start(
            name, stackBytes,
            { context in
                guard let context else { return }
                Unmanaged<WorkerPool>.fromOpaque(context).takeRetainedValue().work()
            }, context, &handle)
        if code == 0 {
            pthread_detach(handle)
            return
        }
        // No thread is to be had now: whoever works takes it, or the next job starts one.
        Unmanaged<WorkerPool>.fromOpaque(context).release()
        state.withLock { $0.threads -= 1 }
    }

    private func work() {
        _ = clinux_timer_slack(1)
        while let (lane, job) = next() {
            job()
            finished(lane)
        }
    }

    /// Nil: there is nothing to do, and the thread counts no more.
    private func next() -> (Int, Job)? {
        state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.threads -= 1
                return nil
            }
            let lane = state.waiting.removeFirst()
            guard let job = state.lanes[lane]?.jobs.removeFirst() else { return nil }
            state.lanes[lane]?.began = Clock.instant
            return (lane, job)
        }
    }

    private func finished(_ lane: Int) {
        state.withLock { state in
            state.lanes[lane]?.began = nil
            if state.lanes[lane]?.jobs.isEmpty == false {
                state.waiting.append(lane)
            } else {
                state.lanes[lane] = nil
            }
        }
    }
}
