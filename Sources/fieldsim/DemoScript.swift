import Base
import Platform
import Simulators

/// Events of the demo and their times: the bridge goes away and comes back, the backlog is
/// delivered, a command is sent. Then the gateway is stopped, and the counts are compared.
final class DemoScript {
    private enum Act: Equatable {
        case starting, running
        case away(since: Int)
        case back(since: Int)
        case commanding(since: Int)
        case finale, stopping(since: Int)
    }

    private let seconds: Int
    private let awayAt: Int
    private let awayFor: Int
    private var act = Act.starting
    private var attached = 0
    private var inThisSecond = 0
    private var waitedMost = 0
    private var farewell: (recorded: Int, acknowledged: Int, waiting: Int)?
    private(set) var verdict: ExitCode?

    private static let command = "demo-1"

    init(seconds: Int) {
        self.seconds = seconds
        awayAt = max(4, seconds / 4)
        awayFor = seconds >= 24 ? 8 : 4
    }

    // MARK: What the others say

    /// A line of the gateway's log: the ones that belong to the story.
    func gatewaySaid(_ line: String, _ demo: Demo) {
        let text = Self.message(of: line)
        if text.contains(": opened /dev/") || text.contains(": attached ") {
            return demo.tell("gateway: \(text)")
        }
        if let numbers = Self.farewell(in: text) { farewell = numbers }
        if line.contains(" error ") || line.contains(": error:") { demo.tell("gateway: \(text)") }
    }

    func bridgeSaid(_ words: String, _ demo: Demo) {
        if words.contains("attached by") {
            attached += 1
            if act == .starting || attached <= DemoSite.devices.count {
                demo.tell("bridge: \(words)")
            }
        } else if words.contains("connected, token") {
            attached = act == .starting ? attached : DemoSite.devices.count
            demo.tell("bridge: \(words)")
            if case .away = act {} else if act == .starting { act = .running }
        }
    }

    func received(_ received: BridgeEmulator.Received, _ demo: Demo) {
        if received.subfolder.isEmpty { inThisSecond += 1 }
        if case .commanding = act, let result = demo.ledger.results[ByteString(Self.command)] {
            finish(result, demo)
        }
    }

    // MARK: Time

    func second(_ now: Int, _ demo: Demo) {
        if let exit = demo.child.poll() { return ended(exit, demo) }
        switch act {
        case .starting:
            if now >= 20 { giveUp("the gateway did not connect within 20 s", demo) }
        case .running:
            countSecond(demo)
            if now >= awayAt { takeAway(now, demo) }
        case .away(let since):
            let waiting = demo.waiting() ?? 0
            waitedMost = max(waitedMost, waiting)
            demo.tell("bridge away: \(waiting) readings wait in the journal, polling goes on")
            if now >= since + awayFor { bringBack(now, demo) }
        case .back(let since):
            countSecond(demo)
            let isOnline = demo.online.contains(ByteString(DemoSite.gateway))
            if isOnline, let waiting = demo.waiting(), waiting <= DemoSite.devices.count {
                demo.tell(
                    "backlog delivered: \(waitedMost) readings had waited, "
                        + "\(demo.ledger.readings) readings acknowledged in all")
                sendCommand(now, demo)
            } else if now > since + 60 {
                giveUp("the backlog was not delivered within 60 s", demo)
            }
        case .commanding(let since):
            countSecond(demo)
            if now > since + 20 { giveUp("no result of the command within 20 s", demo) }
        case .finale:
            countSecond(demo)
            if now >= seconds - 2 { stop(now, demo) }
        case .stopping(let since):
            if now > since + 15 { giveUp("the gateway did not stop within 15 s", demo) }
        }
    }

    private func countSecond(_ demo: Demo) {
        demo.tell(
            "\(inThisSecond) readings acknowledged in the last second, \(demo.ledger.readings) in all"
        )
        inThisSecond = 0
    }

    private func takeAway(_ now: Int, _ demo: Demo) {
        _ = demo.tellBridge("away")
        demo.tell("the bridge is taken away for \(awayFor) s: connection cut, port closed")
        act = .away(since: now)
    }

    private func bringBack(_ now: Int, _ demo: Demo) {
        guard demo.tellBridge("back") else { return giveUp("the bridge could not come back", demo) }
        demo.tell("the bridge is back; \(waitedMost) readings wait")
        inThisSecond = 0
        act = .back(since: now)
    }

    private func sendCommand(_ now: Int, _ demo: Demo) {
        let pump = DemoSite.pump
        let text = "{\"id\":\"\(Self.command)\",\"write\":{\"setpoint\":\(pump.value)}}"
        let isDelivered = demo.tellBridge("command \(pump.device) \(text)")
        demo.tell("bridge: command to \(pump.device): \(text)")
        guard isDelivered else {
            return giveUp("the command reached nobody: \(pump.device) is not subscribed", demo)
        }
        act = .commanding(since: now)
    }

    private func finish(_ result: JSON, _ demo: Demo) {
        let pump = DemoSite.pump
        let register = demo.lines[0].shell.bus.value(
            of: pump.unit, .holding, pump.register, at: Clock.instant)
        let readBack = result["values"]?["setpoint"]?.integer
        guard result["ok"]?.bool == true, readBack == Int64(pump.value),
            register == UInt16(pump.value)
        else {
            return giveUp(
                "the command failed: \(result["error"]?.string ?? "the register holds another value")",
                demo)
        }
        demo.tell(
            "command \(Self.command) done: holding register \(pump.register) of unit \(pump.unit) was written "
                + "and read back as \(pump.value)")
        act = .finale
    }

    private func stop(_ now: Int, _ demo: Demo) {
        demo.tell(
            "stopping the gateway (SIGTERM): it commits its journal and says goodbye to the bridge")
        demo.child.terminate()
        act = .stopping(since: now)
    }

    // MARK: The end

    private func ended(_ exit: ChildProcess.Exit, _ demo: Demo) {
        demo.drainLog()
        guard case .stopping = act, exit == .code(0) else {
            return giveUp("the gateway ended by itself: \(exit)", demo)
        }
        compare(demo)
        demo.loop.stop()
    }

    private func compare(_ demo: Demo) {
        let (served, ledger) = demo.closeLedger()
        guard let farewell else { return giveUp("the gateway's log has no closing figures", demo) }
        var faults = ledger.faults
        if served + ledger.unanswered != ledger.readings {
            faults.append(
                "\(served) reads answered and \(ledger.unanswered) given up, but \(ledger.readings) readings arrived"
            )
        }
        if farewell.acknowledged + farewell.waiting != farewell.recorded {
            faults.append(
                "\(farewell.recorded) records journaled, but \(farewell.acknowledged) acknowledged "
                    + "and \(farewell.waiting) waiting")
        }
        if ledger.records != farewell.acknowledged || farewell.waiting != 0 {
            faults.append(
                "\(farewell.acknowledged) acknowledged, but the bridge has \(ledger.records); \(farewell.waiting) wait"
            )
        }
        for fault in faults { demo.tell("LOST: \(fault)") }
        demo.tell(
            (faults.isEmpty ? "nothing lost: " : "NOT the same: ")
                + "the buses served \(served) readings (and \(ledger.unanswered) went unanswered), the journal recorded "
                + "\(farewell.recorded) records (\(ledger.readings) readings, the rest health and the command's result), "
                + "the bridge acknowledged \(ledger.records)"
                + (ledger.duplicates > 0
                    ? "; \(ledger.duplicates) came twice with the same seq" : ""))
        verdict = faults.isEmpty ? .ok : .software
    }

    private func giveUp(_ reason: String, _ demo: Demo) {
        demo.tell("FAILED: \(reason)")
        let hint = demo.folder.isKept ? "" : " (run with --keep DIR to have it)"
        demo.tell("the gateway's log: \(demo.folder.path)/gateway.log\(hint)")
        verdict = .unavailable
        demo.loop.stop()
    }

    /// Without time, level and priority prefix.
    private static func message(of line: String) -> String {
        let words = line.split(separator: " ", maxSplits: 2)
        return words.count == 3 && words[0].hasSuffix("Z") ? String(words[2]) : line
    }

    private static func farewell(
        in text: String
    ) -> (recorded: Int, acknowledged: Int, waiting: Int)? {
        let words = text.split(separator: " ")
        guard let from = words.firstIndex(of: "stopped:") else { return nil }
        let numbers = words[from...].compactMap { Int($0) }
        return numbers.count == 3 ? (numbers[0], numbers[1], numbers[2]) : nil
    }
}
