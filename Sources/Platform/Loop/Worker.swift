import Base
import CLinux
import Glibc
import Synchronization

/// A named thread that runs jobs one by one in the order given: where the gateway does what can
/// block. All signals are blocked in it, so they reach the loop.
package final class Worker: Sendable {
    package typealias Job = @Sendable () -> Void

    /// State that the thread holds in place of the worker, so that dropping the worker ends the
    /// thread.
    private final class Core: Sendable {
        let jobs: Mailbox<Job?>
        /// Submitted and not yet finished.
        let pending = Atomic<Int>(0)
        /// When the job under way began, in nanoseconds; 0 while there is none.
        let began = Atomic<Int64>(0)

        init() throws(SystemFailure) { jobs = try Mailbox() }

        func run() {
            _ = clinux_timer_slack(1)
            while true {
                for job in jobs.take() {
                    guard let job else { return }
                    began.store(Clock.instant.nanoseconds, ordering: .relaxed)
                    job()
                    began.store(0, ordering: .relaxed)
                    pending.subtract(1, ordering: .relaxed)
                }
            }
        }
    }

    private let core: Core
    private let thread: Mutex<pthread_t?>

    /// The name is cut to 15 bytes by the kernel: "fgw-disk".
    package init(_ name: String, stackBytes: Int = 1 << 20) throws(SystemFailure) {
        let core = try Core()
        self.core = core
        var handle = pthread_t()
        let context = Unmanaged.passRetained(core).toOpaque()
        let code = clinux_thread_start(
            name, stackBytes,
            { context in
                guard let context else { return }
                Unmanaged<Core>.fromOpaque(context).takeRetainedValue().run()
            }, context, &handle)
        guard code == 0 else {
            Unmanaged<Core>.fromOpaque(context).release()
            throw SystemFailure("pthread_create", name, code: code)
        }
        thread = Mutex(handle)
    }

    deinit { stop() }

    /// Jobs submitted and not yet finished.
    package var backlog: Int { core.pending.load(ordering: .relaxed) }

    /// Since when the job under way has been running; nil while there is none.
    package var busySince: Instant? {
        let nanoseconds = core.began.load(ordering: .relaxed)
        return nanoseconds == 0 ? nil : Instant(nanoseconds: nanoseconds)
    }

    /// From any thread. False after `stop`: the job is not run.
    @discardableResult
    package func submit(_ job: @escaping Job) -> Bool {
        thread.withLock { thread in
            guard thread != nil else { return false }
            core.pending.add(1, ordering: .relaxed)
            core.jobs.post(job)
            return true
        }
    }

    /// Takes no more jobs, runs those already submitted and waits for the thread to end. Called
    /// from one of its own jobs it only refuses new ones: a thread cannot wait for itself.
    package func stop() {
        guard let handle = retire() else { return }
        if pthread_equal(handle, pthread_self()) != 0 {
            pthread_detach(handle)
        } else {
            pthread_join(handle, nil)
        }
    }

    /// The same without waiting: for a thread that may be stuck in the kernel for good.
    package func abandon() {
        if let handle = retire() { pthread_detach(handle) }
    }

    private func retire() -> pthread_t? {
        thread.withLock { thread in
            defer { thread = nil }
            if thread != nil { core.jobs.post(nil) }
            return thread
        }
    }
}
