import Base
import CLinux
import Glibc

/// Runs a program to its end for what it says on standard output. Blocks: for a helper thread.
package enum ProgramOutput {
    package enum Failure: Error, Hashable, Sendable {
        case start(SystemFailure)
        /// It said more than it may, or did not come to an end in time; it was killed.
        case excess, late
    }

    /// `started` is given the program as soon as it runs, for whoever may want to end it.
    package static func of(
        _ path: String, _ arguments: [String], bytesMax: Int, within limit: Duration,
        started: (ChildProcess) -> Void = { _ in }
    ) throws(Failure) -> (output: [UInt8], exit: ChildProcess.Exit?) {
        let child: ChildProcess
        do throws(SystemFailure) {
            child = try ChildProcess(path, arguments, output: .pipe, errors: .discard)
        } catch { throw .start(error) }
        started(child)
        let end = Clock.instant + limit
        guard let pipe = child.takeOutput() else { return ([], child.wait(within: limit)) }
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        var failure: Failure?
        while failure == nil {
            let left = end - Clock.instant
            if left <= .zero { failure = .late; break }
            // A second at most: a pipe that somebody else has inherited must not hide the end.
            _ = clinux_poll_ns(pipe.number, Int16(POLLIN), min(left.nanoseconds, 1_000_000_000))
            let count = retrying { read(pipe.number, &chunk, chunk.count) }
            if count > 0 {
                output.append(contentsOf: chunk[..<count])
                if output.count > bytesMax { failure = .excess }
            } else if count == 0 || errno != EAGAIN {
                break
            }
        }
        if let failure {
            child.kill9()
            _ = child.wait(within: .seconds(1))
            throw failure
        }
        return (output, child.wait(within: max(.seconds(1), end - Clock.instant)))
    }
}
