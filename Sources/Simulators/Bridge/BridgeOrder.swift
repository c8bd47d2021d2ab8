import Base

/// Order of an operator or a fault script to the running emulator, written as one line.
package struct BridgeOrder: Hashable, Sendable {
    package enum Deed: Hashable, Sendable {
        case config(device: ByteString, text: ByteString)
        case command(device: ByteString, subfolder: ByteString, text: ByteString)
        case detach(ByteString), block(ByteString), unblock(ByteString), delete(ByteString)
        case bind(gateway: ByteString, device: ByteString), unbind(
            gateway: ByteString, device: ByteString)
        /// nil is everybody.
        case close(ByteString?)
        case away, back, mute, unmute
        case refuse(UInt8), accept
        case dropPubacks(BridgeFaults.Pick), dropMessages(BridgeFaults.Pick), duplicates(
            BridgeFaults.Pick)
        case delayPubacks(Duration)
        case closeAfter(packets: Int?), closeEvery(Duration?)
        case throttle(Double?)
    }

    package struct Misuse: Error, Hashable, Sendable {
        package var message: String
    }

    package var deed: Deed
    /// It ends by itself after that.
    package var lasts: Duration?

    package static let help = """
          config DEVICE TEXT                 a new config version for a device
          command DEVICE[/SUB/FOLDER] TEXT   a command, if the device is connected and subscribed
          detach DEVICE                      the gateway loses the device, with an error
          block DEVICE | unblock DEVICE | bind GATEWAY DEVICE | unbind GATEWAY DEVICE | delete DEVICE
          close [DEVICE]                     cut its connection, or all of them
          away [TIME] | back                 the port is closed, as if the machine were gone
          mute [TIME] | unmute               take everything, answer nothing: a half-open link
          refuse CODE [TIME] | accept        CONNACK with this code
          drop-pubacks N|P%|off              every N-th PUBACK is lost, or by chance
          drop-messages N|P%|off             the message is lost too
          delay-pubacks TIME|off             PUBACKs come late
          duplicates N|P%|off                configs and commands come twice
          close-after N|off                  connections end after N packets
          close-every TIME|off               connections end after a while
          throttle N|off                     read N packets a second from each client
        """

    private static let words: [ByteString] = [
        "config", "command", "detach", "block", "unblock", "delete", "bind", "unbind", "close",
        "away", "back",
        "mute", "unmute", "refuse", "accept", "drop-pubacks", "drop-messages", "duplicates",
        "delay-pubacks",
        "close-after", "close-every", "throttle",
    ]

    init(_ deed: Deed, lasts: Duration? = nil) {
        self.deed = deed
        self.lasts = lasts
    }

    /// Nil for an empty line and for a comment.
    package static func parse(_ line: ByteString) throws(Misuse) -> BridgeOrder? {
        let words = line.utf8.split(maxSplits: 2) { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
            .map { ByteString(Substring($0)) }
        guard let word = words.first, !word.hasPrefix("#") else { return nil }
        guard Self.words.contains(word) else {
            throw Misuse(
                message:
                    "no order \"\(Notice.printable(word))\"\(Suggestion.clause(for: word, in: Self.words))"
            )
        }
        guard let order = order(word, Array(words.dropFirst())) else {
            let usage = help.split(separator: "\n").map { $0.drop { $0 == " " } }
                .first { $0.split(separator: " ").contains { ByteString($0) == word } }
            throw Misuse(
                message: "not understood: \(Notice.printable(line)); usage: \(usage ?? "")")
        }
        return order
    }

    private static func order(_ word: ByteString, _ arguments: [ByteString]) -> BridgeOrder? {
        switch (word, arguments.count) {
        case ("config", 1...):
            BridgeOrder(
                .config(device: arguments[0], text: arguments.count > 1 ? arguments[1] : ""))
        case ("command", 2): command(arguments[0], arguments[1])
        case ("detach", 1): BridgeOrder(.detach(arguments[0]))
        case ("block", 1): BridgeOrder(.block(arguments[0]))
        case ("unblock", 1): BridgeOrder(.unblock(arguments[0]))
        case ("delete", 1): BridgeOrder(.delete(arguments[0]))
        case ("bind", 2): BridgeOrder(.bind(gateway: arguments[0], device: arguments[1]))
        case ("unbind", 2): BridgeOrder(.unbind(gateway: arguments[0], device: arguments[1]))
        case ("close", 0...1): BridgeOrder(.close(arguments.first))
        case ("away", 0), ("away", 1): timed(.away, arguments.first)
        case ("back", 0): BridgeOrder(.back)
        case ("mute", 0), ("mute", 1): timed(.mute, arguments.first)
        case ("unmute", 0): BridgeOrder(.unmute)
        case ("refuse", 1...2):
            UInt8(arguments[0].string).flatMap {
                $0 > 0 ? timed(.refuse($0), arguments.dropFirst().first) : nil
            }
        case ("accept", 0): BridgeOrder(.accept)
        case ("drop-pubacks", 1): pick(arguments[0]).map { BridgeOrder(.dropPubacks($0)) }
        case ("drop-messages", 1): pick(arguments[0]).map { BridgeOrder(.dropMessages($0)) }
        case ("duplicates", 1): pick(arguments[0]).map { BridgeOrder(.duplicates($0)) }
        case ("delay-pubacks", 1):
            unlessOff(arguments[0], { BridgeKnob.time($0, bare: .milliseconds(1)) })
                .map { BridgeOrder(.delayPubacks($0 ?? .zero)) }
        case ("close-after", 1):
            unlessOff(arguments[0], { Int($0.string).flatMap { $0 > 0 ? $0 : nil } })
                .map { BridgeOrder(.closeAfter(packets: $0)) }
        case ("close-every", 1):
            unlessOff(arguments[0], { BridgeKnob.time($0, bare: .seconds(1)) })
                .map { BridgeOrder(.closeEvery($0)) }
        case ("throttle", 1):
            unlessOff(
                arguments[0], { Double($0.string).flatMap { (0.01...1e6).contains($0) ? $0 : nil } }
            )
            .map { BridgeOrder(.throttle($0)) }
        default: nil
        }
    }

    private static func command(_ place: ByteString, _ text: ByteString) -> BridgeOrder {
        let parts = place.split(0x2F, limit: 2)
        return BridgeOrder(
            .command(device: parts[0], subfolder: parts.count > 1 ? parts[1] : "", text: text))
    }

    private static func timed(_ deed: Deed, _ text: ByteString?) -> BridgeOrder? {
        guard let text else { return BridgeOrder(deed) }
        return BridgeKnob.time(text, bare: .seconds(1)).map { BridgeOrder(deed, lasts: $0) }
    }

    /// The outer nil: not understood.
    private static func unlessOff<Value>(
        _ text: ByteString, _ read: (ByteString) -> Value?
    ) -> Value?? {
        text == "off" ? .some(nil) : read(text).map { .some($0) }
    }

    private static func pick(_ text: ByteString) -> BridgeFaults.Pick? {
        if text == "off" { return .never }
        if text.hasSuffix("%") {
            guard let share = Double(text.string.dropLast()), (0...100).contains(share) else {
                return nil
            }
            return .chance(share / 100)
        }
        return Int(text.string).flatMap { $0 > 0 ? .every($0) : nil }
    }
}

/// Orders for given moments: `5s drop-pubacks 50`, one a line, counted from the emulator's start.
package struct BridgeScript: Hashable, Sendable {
    package struct Misuse: Error, Hashable, Sendable {
        package var line: Int
        package var message: String
    }

    package var steps: [(after: Duration, order: BridgeOrder)] {
        zip(times, orders).map { (after: $0, order: $1) }
    }
    private var times: [Duration] = []
    private var orders: [BridgeOrder] = []

    package init(_ text: String) throws(Misuse) {
        for (number, line) in text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false)
            .enumerated()
        {
            let body = line.drop { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
            guard let first = body.first, first != 0x23 else { continue }
            let word = ByteString(Substring(body.prefix { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }))
            guard let after = BridgeKnob.time(word, bare: .seconds(1)) else {
                let shown = Notice.printable(word)
                throw Misuse(
                    line: number + 1, message: "a line begins with a time like 5s, not \"\(shown)\""
                )
            }
            do {
                guard
                    let order = try BridgeOrder.parse(
                        ByteString(Substring(body.dropFirst(word.count))))
                else {
                    continue
                }
                times.append(after)
                orders.append(order)
            } catch {
                throw Misuse(line: number + 1, message: error.message)
            }
        }
    }
}
