import Base
import Synchronization

/// Programs that are run for what they say, one after the other on a thread of their own; each can
/// be cancelled by the name under which it was asked for, whether it runs or waits.
package final class ProgramQueue: Sendable {
    package typealias Answer = Result<
        (output: [UInt8], exit: ChildProcess.Exit?), ProgramOutput.Failure
    >

    private struct State: Sendable {
        var worker: Worker?
        /// Program that runs now; nil between two.
        var running: (name: String, child: ChildProcess)?
        /// Of those that wait or run, the ones that are still wanted.
        var wanted: Set<String> = []
    }

    private let threadName: String
    private let state = Mutex(State())

    /// The thread begins with the first program.
    package init(_ threadName: String) { self.threadName = threadName }

    /// `answer` is called on the queue's thread, also when the program was cancelled while it ran;
    /// never if before.
    package func run(
        _ name: String, _ path: String, _ arguments: [String], bytesMax: Int,
        within limit: Duration,
        answer: @escaping @Sendable (Answer) -> Void
    ) {
        let worker = state.withLock { state in
            if state.worker == nil { state.worker = try? Worker(threadName, stackBytes: 256 << 10) }
            state.wanted.insert(name)
            return state.worker
        }
        worker?.submit { [self] in
            guard state.withLock({ $0.wanted.contains(name) }) else { return }
            do throws(ProgramOutput.Failure) {
                let said = try ProgramOutput.of(path, arguments, bytesMax: bytesMax, within: limit)
                { begun(name, $0) }
                ended(name)
                answer(.success(said))
            } catch {
                ended(name)
                answer(.failure(error))
            }
        }
    }

    private func begun(_ name: String, _ child: ChildProcess) {
        let isWanted = state.withLock { state in
            state.running = (name, child)
            return state.wanted.contains(name)
        }
        if !isWanted { child.terminate() }
    }

    private func ended(_ name: String) {
        state.withLock { state in
            state.running = nil
            _ = state.wanted.remove(name)
        }
    }

    package func cancel(_ name: String) {
        state.withLock { state in
            _ = state.wanted.remove(name)
            if let running = state.running, running.name == name { running.child.terminate() }
        }
    }

    /// Without waiting: the programs end by themselves.
    package func stop() {
        let worker = state.withLock { state in
            state.wanted = []
            state.running?.child.terminate()
            return state.worker
        }
        worker?.abandon()
    }
}
