import Base
import Gateway
import Platform

/// Looks who is on the line behind an adapter that no port means, where the configuration wants
/// that. The scan is this program's own verb in a process of its own: what becomes of it is nothing
/// to the gateway.
final class AdapterScan {
    /// Usual ids at usual settings: at most a minute and a half if nobody answers.
    private static let arguments = ["--units", "1-32", "--json"]
    private static let limit = Duration.seconds(600)
    private static let outputMax = 256 << 10

    private let mailbox: Mailbox<HelperMessage>
    private let queue = ProgramQueue("fgw-scan")

    init(_ mailbox: Mailbox<HelperMessage>) { self.mailbox = mailbox }

    func begin(_ adapter: SerialPortEntry) {
        let mailbox = mailbox
        queue.run(
            adapter.path, "/proc/self/exe", ["scan", adapter.path] + Self.arguments,
            bytesMax: Self.outputMax,
            within: Self.limit
        ) { mailbox.post(.scanned(adapter, Self.verdict($0))) }
    }

    private static func verdict(_ answer: ProgramQueue.Answer) -> Result<[UInt8], ScanFailure> {
        switch answer {
        // Nobody there is an answer too; only a port that cannot be used leaves nothing to read.
        case .success(let said) where !said.output.isEmpty: .success(said.output)
        case .success: .failure(ScanFailure("the port cannot be used: see fieldgw scan"))
        case .failure(.start(let failure)):
            .failure(ScanFailure("the scan could not be started: \(failure.words)"))
        case .failure: .failure(ScanFailure("the scan did not come to an end"))
        }
    }

    /// Makes the scan of that adapter let go of the line.
    func cancel(_ path: String) { queue.cancel(path) }

    func stop() { queue.stop() }
}
