import Foundation
import Testing

/// The real gateway under real misfortunes: killed at random, its disk full, failed, repaired and
/// gone. FIELDGW_LONG=1 kills it 200 times and takes real disks away from it; each test has its own
/// limit.
@Suite(.serialized) struct RoughTests {
    private struct Verdict: Decodable {
        var problems: [String]
        var skipped: String?
    }

    private func play(
        _ script: String, _ arguments: [String]
    ) throws -> (verdict: Verdict, text: String) {
        let workspace = try Workspace()
        let binaries = URL(fileURLWithPath: try Tools.fieldgw()).deletingLastPathComponent().path
        let peer = try Peer(
            try Tools.python(), [Tools.peer(script), binaries, workspace.path("")] + arguments)
        // It tells nothing before its end.
        let text = try #require(
            peer.line(within: .seconds(400)),
            "\(script) ended without a word: \(peer.finish().errors)")
        // It ends what it has started, and would be ended with this function.
        _ = peer.finish()
        return (try JSONDecoder().decode(Verdict.self, from: Data(text.utf8)), text)
    }

    @Test(.timeLimit(.minutes(2))) func theToolsReadCheckAndEmptyAJournal() throws {
        let workspace = try Workspace()
        let fieldgw = try Tools.fieldgw()
        let fieldsim = URL(fileURLWithPath: fieldgw).deletingLastPathComponent()
            .appendingPathComponent("fieldsim").path
        let spool = workspace.path("spool")
        func run(_ words: String...) throws -> (code: Int32, output: String, errors: String) {
            try Peer(fieldgw, ["spool"] + words).finish()
        }
        #expect(
            try Peer(fieldsim, ["journal", spool, "--records", "30", "--devices", "3"]).finish()
                .code == 0)
        #expect(try run("verify", spool).code == 0)
        let lines = try run("export", spool).output.split(separator: "\n")
        #expect(lines.count == 30)
        for line in lines {
            let record = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            #expect(
                (record?["payload"] as? [String: Any])?["values"] != nil
                    && record?["settled"] as? Bool == false)
        }
        let table = try run("export", "--format", "csv", "--device", "node-2", spool).output.split(
            separator: "\n")
        // Ten readings of two values, and the names of the columns.
        #expect(
            table.count == 21 && table[0] == "seq,ts,clock,device,subfolder,state,point,value,bad")
        // One byte of the last record but one.
        let name = try #require(
            try FileManager.default.contentsOfDirectory(atPath: spool).first {
                $0.hasPrefix("seg-")
            })
        var bytes = try Data(contentsOf: URL(fileURLWithPath: "\(spool)/\(name)"))
        let last = try #require(bytes.lastIndex { $0 == 0x78 })
        bytes[last - 400] ^= 1
        try bytes.write(to: URL(fileURLWithPath: "\(spool)/\(name)"))
        let damaged = try run("verify", spool)
        #expect(damaged.code == 65 && damaged.output.contains("1 record lost"), "\(damaged.output)")
        #expect(try run("list", spool).output.split(separator: "\n").count == 29)
        #expect(try run("wipe", spool).code == 64)
        let foreign = "\(spool)/seg-0000000000000007.log"
        try Data("a diary".utf8).write(to: URL(fileURLWithPath: foreign))
        let wiped = try run("wipe", "--yes", spool)
        #expect(
            wiped.code == 0 && wiped.errors.contains("is no file of a journal"), "\(wiped.errors)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: foreign)) == Data("a diary".utf8))
        try FileManager.default.removeItem(atPath: foreign)
        #expect(try run("verify", spool).code == 66)
        #expect(try run("verfy", spool).errors.contains("did you mean \"verify\"?"))
    }

    @Test(.timeLimit(.minutes(8))) func killedAtRandomItLosesInventsAndRenumbersNothing() throws {
        let isLong = ProcessInfo.processInfo.environment["FIELDGW_LONG"] == "1"
        let (verdict, text) = try play(
            "kill9.py", [isLong ? "200" : "6", "\(UInt16.random(in: 1...9999))"])
        #expect(verdict.problems == [], "\(text)")
    }

    @Test(.timeLimit(.minutes(8))) func randomBytesOverTheFilesCostOnlyWhatTheyHitAndAreOwnedUpTo()
        throws
    {
        let isLong = ProcessInfo.processInfo.environment["FIELDGW_LONG"] == "1"
        let (verdict, text) = try play(
            "overwrite.py", [isLong ? "1000" : "25", "\(UInt16.random(in: 1...9999))"])
        #expect(verdict.problems == [], "\(text)")
    }

    /// The real program's writes, recorded and cut off at any event, with 512-byte sectors lost
    /// among those not synced.
    @Test(.timeLimit(.minutes(15)), arguments: ["live", "durable"])
    func aPowerCutAtAnyEventCostsNothingThatWasPromised(_ publish: String) throws {
        let isLong = ProcessInfo.processInfo.environment["FIELDGW_LONG"] == "1"
        let (verdict, text) = try play(
            "power-cuts.py",
            [publish] + (isLong ? ["1500", "60"] : ["20", "2"])
                + ["\(UInt16.random(in: 1...9999))"])
        #expect(verdict.problems == [], "\(text)")
    }

    @Test(.timeLimit(.minutes(8))) func aDiskThatFailsAtAnyCallStopsNoPolling() throws {
        let isLong = ProcessInfo.processInfo.environment["FIELDGW_LONG"] == "1"
        let (verdict, text) = try play(
            "disk-faults.py", [isLong ? "0" : "3", "\(UInt16.random(in: 1...9999))"])
        #expect(verdict.problems == [], "\(text)")
    }

    private static let long = ConditionTrait.enabled(
        if: ProcessInfo.processInfo.environment["FIELDGW_LONG"] == "1", "minutes: with --long")

    /// What a strict bridge may do, case by case in the script, all at the same time.
    @Test(long, .timeLimit(.minutes(8)))
    func everyMisfortuneOfAStrictBridgeCostsNoReadingAndNoStorm() throws {
        let (verdict, text) = try play("strict-bridge.py", ["90"])
        #expect(verdict.problems == [], "\(text)")
    }

    private func playOnADisk(_ script: String, _ arguments: [String] = []) throws {
        let (verdict, text) = try play(script, arguments)
        if let reason = verdict.skipped { print("skipped: \(reason)") }
        #expect(verdict.problems == [], "\(text)")
    }

    @Test(long, .timeLimit(.minutes(4))) func aFullDiskCostsTheOldestReadingsAndNoPolling() throws {
        try playOnADisk("disk-full.py")
    }

    @Test(long, .timeLimit(.minutes(6))) func aFailedDiskIsTakenBackOnceItWorks() throws {
        try playOnADisk("disk-fails.py", ["1"])
    }

    @Test(long, .timeLimit(.minutes(4))) func stoppedWithAFailedDiskItHasToldEveryLoss() throws {
        try playOnADisk("disk-fails.py", ["0"])
    }
}
