import Base
import Platform

/// What an operator types to the bridge emulator.
final class BridgeOrders {
    private static let lineMax = 300 << 10

    private let shell: BridgeShell
    private var pending: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: 4096)
    private var watch: EventLoop.Watch?

    init(_ shell: BridgeShell) { self.shell = shell }

    /// Standard input, if there is one to wait for; a file or /dev/null is not.
    func listen(on loop: SimulatorLoop) throws {
        watch = try? loop.events.watch(0, .read) { [self] _ in receive(loop.events) }
    }

    private func receive(_ events: EventLoop) {
        let count = StandardInput.read(into: &buffer)
        guard count > 0 else {
            if let watch { events.remove(watch) }
            watch = nil
            return
        }
        pending.append(contentsOf: buffer[..<count])
        while let end = pending.firstIndex(of: 0x0A) {
            obey(String(decoding: pending[..<end], as: UTF8.self))
            pending.removeSubrange(...end)
        }
        if pending.count > Self.lineMax { pending = [] }
    }

    private func obey(_ line: String) {
        let words = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: true).map(String.init)
        let now = Clock.now()
        switch (words.first, words.count) {
        case ("config", 2...):
            let text = words.count > 2 ? words[2] : ""
            var isKnown = false
            shell.change { isKnown = $0.setConfig(words[1], Array(text.utf8), at: now) }
            if !isKnown { Console.complain("\(words[1]) is not in the registry, or the document is too large") }
        case ("command", 3):
            let place = words[1].split(separator: "/", maxSplits: 1).map(String.init)
            var isDelivered = false
            shell.change {
                isDelivered = $0.sendCommand(
                    place[0], subfolder: place.count > 1 ? place[1] : "", Array(words[2].utf8), at: now)
            }
            if !isDelivered { Console.complain("\(place[0]) is not connected and subscribed: the command is not stored") }
        case ("detach", 2): shell.change { $0.detach(words[1], at: now) }
        case ("close", 1): shell.change { $0.closeAll("closed by the operator", at: now) }
        case ("away", 1): shell.goAway()
        case ("back", 1):
            do { try shell.comeBack() } catch { Console.complain("\(error)") }
        case ("mute", 1): shell.change { $0.faults.mute = true }
        case ("unmute", 1): shell.change { $0.faults.mute = false }
        case (nil, _): break
        default: Console.complain("not understood: \(Notice.printable(line)); see fieldsim bridge --help")
        }
    }
}
