import Base
import Foundation
import Glibc
import Platform
import Testing

/// Records that no ordinary TLS library sends, from one that sends what it is told (tlslite-ng).
@Suite(.serialized) struct TLSRecordTests {
    private struct Outcome {
        var bytes: [UInt8] = []
        /// Records that the dearest of all reads worked off.
        var dearest = 0
        var end: LinkFailure?
    }

    /// Reads until the link ends or `end` has come.
    private func run(_ version: String, _ kind: String, count: Int) throws -> Outcome {
        let workspace = try Workspace()
        let authority = try TestCertificates()
        let pair = try authority.issue(names: ["127.0.0.1"])
        let (certificate, key) = (
            try workspace.write("server.crt", pair.certificate),
            try workspace.write("server.pem", pair.key)
        )
        let roots = try workspace.write("ca.crt", authority.authority.certificate)
        let server = try Peer(
            try Tools.python(),
            [Tools.peer("tls-records.py"), certificate, key, version, kind, String(count)])
        defer { server.stop() }
        let port = try #require(server.line().flatMap { Int($0) })
        let target = LinkTarget(
            host: "127.0.0.1", port: port, serverName: "127.0.0.1", deadline: .seconds(30))
        let link = try Connector.connect(target, context: TLSContext(trust: .file(roots))).get()
        defer { link.close(orderly: false) }
        var outcome = Outcome()
        guard case .wrote(1) = link.write([1]) else {
            Issue.record("the first byte does not go out")
            return outcome
        }
        while !outcome.bytes.suffix(3).elementsEqual("end".utf8) {
            let before = link.work
            let result = link.read()
            outcome.dearest = max(outcome.dearest, link.work - before)
            switch result {
            case .bytes(let more): outcome.bytes += more
            case .wouldBlock:
                var socket = pollfd(fd: link.descriptor, events: Int16(POLLIN), revents: 0)
                if !link.hasPending {
                    try #require(poll(&socket, 1, 30_000) == 1, "nothing comes any more")
                }
            case .closed: return outcome
            case .failed(let failure):
                outcome.end = failure
                return outcome
            }
        }
        return outcome
    }

    private static let versions = ["1.2", "1.3"]

    /// As one side of a bad converter would: every byte in a record of its own is slow, and no
    /// flood.
    @Test(.timeLimit(.minutes(2)), arguments: versions)
    func recordsOfOneByteArriveAndNoReadTakesManyOfThem(_ version: String) throws {
        let outcome = try run(version, "byte", count: 3000)
        #expect(outcome.end == nil, "\(String(describing: outcome.end))")
        #expect(outcome.bytes == (0..<3000).map { UInt8($0 % 251) } + Array("end".utf8))
        #expect(outcome.dearest <= 16, "one read worked off \(outcome.dearest) records")
    }

    @Test(.timeLimit(.minutes(2)), arguments: versions, ["empty", "warning"])
    func recordsWithoutDataAreCutOff(_ version: String, _ kind: String) throws {
        let outcome = try run(version, kind, count: 20_000)
        let end = try #require(outcome.end, "20,000 of them were taken")
        #expect(outcome.bytes.isEmpty && outcome.dearest <= 2000, "\(outcome.dearest): \(end)")
        #expect(!end.message.isEmpty)
    }
}
