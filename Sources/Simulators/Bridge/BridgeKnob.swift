import Base

/// A switch of the emulator as people write it, on the command line or in a registry file: one
/// table for both.
package struct BridgeKnob: Sendable {
    package struct Misuse: Error, Hashable, Sendable {
        package var message: String
    }

    package var name: String
    /// Form of the value in help and messages: "error_only|error_then_close|close", "S".
    package var value: String
    package var help: String
    /// False if the text does not mean anything here.
    let set: @Sendable (String, inout BridgeSwitches) -> Bool

    package static func set(
        _ name: ByteString, to text: ByteString, in switches: inout BridgeSwitches
    ) throws(Misuse) {
        guard let knob = all.first(where: { ByteString($0.name) == name }) else {
            let clause = Suggestion.clause(for: name, in: all.map { ByteString($0.name) })
            throw Misuse(message: "no switch \"\(name.prefix(64))\"" + clause)
        }
        guard text.count <= 64 && text.isASCII && knob.set(text.string, &switches) else {
            throw Misuse(message: "\(name) takes \(knob.value), not \"\(text.prefix(64))\"")
        }
    }

    // MARK: The table

    package static let all: [BridgeKnob] = [
        .word(
            "attach-failure", \.attachFailure,
            "a refused attach: an error (default), then closed, or only closed"),
        .word(
            "error-shape", \.errorShape, "of messages on the errors topic: nested (default) or flat"
        ),
        .flag("packet-id-as-string", \.packetIDAsString, "packet_id on the errors topic as text"),
        .word(
            "second-attach", \.secondAttach,
            "a device that another gateway has: the last wins (default) or is refused"),
        .word(
            "when-removed", \.whenRemoved,
            "unbound, blocked or deleted while attached (default detach)"),
        .word(
            "subscribe-unattached", \.subscribeUnattached,
            "SUBSCRIBE for an unattached device: 0x80 (ignore, default)"),
        .word(
            "unsupported", \.unsupported,
            "a will, a retained message, a persistent session (default ignore)"),
        .word(
            "state-too-soon", \.stateTooSoon,
            "too many states of an attached device (default detach)"),
        .word(
            "over-limit", \.overLimit,
            "above a limit of rate or size: close (default) or drop the message"),
        .word(
            "no-topic", \.noTopic,
            "telemetry that no event notification config takes (default accept)"),
        .word(
            "token-text", \.tokenText,
            "base64url as strict as ClearBlade's (default) or as lenient as Google's"),
        .code(
            "refused-code", \.refusedCode,
            "CONNACK for an unknown device, a wrong key, an expired token (default 5)"),
        .code(
            "malformed-token-code", \.malformedTokenCode,
            "CONNACK for a token that is none (default 4)"),
        .code(
            "malformed-client-id-code", \.malformedClientIDCode,
            "CONNACK for a client id that is none (default 2)"),
        .time("skew", \.skew, "tolerance for the device's clock (default 600s)"),
        .time(
            "expiry-grace", \.expiryGrace,
            "from the token's exp to the end of its connection (default 600s)"),
        .time(
            "idle-limit", \.idleLimit, "the longest silence, whatever the keep alive (default 20m)"),
        .time("lifetime-max", \.lifetimeMax, "the longest connection (default 24h)"),
        .time("connect-timeout", \.connectTimeout, "from TCP to CONNECT (default 30s)"),
        .time(
            "state-interval", \.stateInterval,
            "the least time between states of a device (default 1s)"),
        .time("config-delay", \.configDelay, "from SUBSCRIBE to the configuration (default 0s)"),
        .time(
            "config-interval", \.configInterval,
            "the least time between config versions over HTTP (default 0s; really 1s)"),
        .time("retry", \.retry, "from a config or command to its repetition (default 10s)"),
        .rate("messages-per-second", \.messagesPerSecond, "of one connection (default 100)"),
        .rate("bytes-per-second", \.bytesPerSecond, "of one connection (default 524288)"),
        .count("events-max", \.eventsMax, "bytes of a telemetry message (default 262144)"),
        .count("state-max", \.stateMax, "bytes of a state (default 65536)"),
        .count("config-max", \.configMax, "bytes of a configuration (default 65536)"),
        .count("command-max", \.commandMax, "bytes of a command (default 262144)"),
        .count(
            "command-tries", \.commandTries,
            "how often a command without PUBACK is sent (default 3)"),
        .count("attached-max", \.attachedMax, "attached devices of a gateway (default 1000)"),
        .word(
            "activity-level", \.activityLevel,
            "of the activity log, where registry and device have none (default DEBUG)"),
    ]

    private typealias Path<Value> = any WritableKeyPath<BridgeSwitches, Value> & Sendable

    private static func word<Word: RawRepresentable<String> & CaseIterable & Sendable>(
        _ name: String, _ path: Path<Word>, _ help: String
    ) -> BridgeKnob {
        BridgeKnob(
            name: name, value: Word.allCases.map(\.rawValue).joined(separator: "|"), help: help
        ) { text, switches in
            Word(rawValue: text).map { switches[keyPath: path] = $0 } != nil
        }
    }

    private static func flag(_ name: String, _ path: Path<Bool>, _ help: String) -> BridgeKnob {
        BridgeKnob(name: name, value: "true|false", help: help) { text, switches in
            Bool(text).map { switches[keyPath: path] = $0 } != nil
        }
    }

    private static func code(_ name: String, _ path: Path<UInt8>, _ help: String) -> BridgeKnob {
        BridgeKnob(name: name, value: "1-255", help: help) { text, switches in
            let hex = text.hasPrefix("0x") ? UInt8(text.dropFirst(2), radix: 16) : UInt8(text)
            return hex.flatMap { $0 > 0 ? switches[keyPath: path] = $0 : nil } != nil
        }
    }

    private static func time(_ name: String, _ path: Path<Duration>, _ help: String) -> BridgeKnob {
        BridgeKnob(name: name, value: "TIME", help: help) { text, switches in
            time(ByteString(text), bare: .seconds(1)).map { switches[keyPath: path] = $0 } != nil
        }
    }

    private static func rate(_ name: String, _ path: Path<Double?>, _ help: String) -> BridgeKnob {
        BridgeKnob(name: name, value: "N|unlimited", help: help) { text, switches in
            if text == "unlimited" { switches[keyPath: path] = nil; return true }
            guard let value = Double(text), value > 0, value < 1e12 else { return false }
            switches[keyPath: path] = value
            return true
        }
    }

    private static func count(_ name: String, _ path: Path<Int>, _ help: String) -> BridgeKnob {
        BridgeKnob(name: name, value: "N", help: help) { text, switches in
            guard let value = Int(text), (0...(64 << 20)).contains(value) else { return false }
            switches[keyPath: path] = value
            return true
        }
    }

    /// "200ms", "5s", "10m"; a number alone counts in `bare`.
    static func time(_ text: ByteString, bare: Duration) -> Duration? {
        if let number = Int32(text.string), number >= 0 { return bare * Int(number) }
        return Quantity.duration(text)
    }
}
