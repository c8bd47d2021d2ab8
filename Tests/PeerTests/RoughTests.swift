import Foundation
import Testing

/// The real gateway under real misfortunes: killed at random, its disk full, read-only and gone.
/// FIELDGW_LONG=1 kills it 200 times.
@Suite(.serialized) struct RoughTests {
    private struct Verdict: Decodable {
        var problems: [String]
        var skipped: String?
    }

    private func play(_ script: String, _ arguments: [String]) throws -> (verdict: Verdict, text: String) {
        let workspace = try Workspace()
        let binaries = URL(fileURLWithPath: try Tools.fieldgw()).deletingLastPathComponent().path
        let peer = try Peer(try Tools.python(), [Tools.peer(script), binaries, workspace.path("")] + arguments)
        // It tells nothing before its end.
        let text = try #require(peer.line(within: .seconds(1500)), "\(script) ended without a word: \(peer.finish().errors)")
        return (try JSONDecoder().decode(Verdict.self, from: Data(text.utf8)), text)
    }

    @Test(.timeLimit(.minutes(30))) func killedAtRandomItLosesInventsAndRenumbersNothing() throws {
        let isLong = ProcessInfo.processInfo.environment["FIELDGW_LONG"] == "1"
        let (verdict, text) = try play("kill9.py", [isLong ? "200" : "6", "\(UInt16.random(in: 1...9999))"])
        #expect(verdict.problems == [], "\(text)")
    }

    @Test(.timeLimit(.minutes(10))) func randomBytesOverTheFilesCostOnlyWhatTheyHitAndAreOwnedUpTo() throws {
        let isLong = ProcessInfo.processInfo.environment["FIELDGW_LONG"] == "1"
        let (verdict, text) = try play("overwrite.py", [isLong ? "1000" : "25", "\(UInt16.random(in: 1...9999))"])
        #expect(verdict.problems == [], "\(text)")
    }

    @Test(.enabled(if: ProcessInfo.processInfo.environment["FIELDGW_LONG"] == "1", "two minutes: with --long"), .timeLimit(.minutes(10)))
    func aFullAndAReadOnlyDiskCostTheOldestReadingsAndNoPolling() throws {
        let (verdict, text) = try play("disk-trouble.py", [])
        if let reason = verdict.skipped { print("skipped: \(reason)") }
        #expect(verdict.problems == [], "\(text)")
    }
}
