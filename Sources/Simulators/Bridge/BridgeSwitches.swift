import Base

/// Behaviour that is not documented about the real bridge, or differs between its successors. Each
/// is a switch, with the most probable behaviour as default. E numbers are the rules of
/// board/docs/bridge.md.
package struct BridgeSwitches: Sendable {
    package enum AttachFailure: String, Sendable, CaseIterable {
        case errorOnly = "error_only"
        case errorThenClose = "error_then_close"
        case close
    }
    package enum Unsupported: String, Sendable, CaseIterable { case ignore, close }
    package enum OverLimit: String, Sendable, CaseIterable { case close, drop }
    package enum ErrorShape: String, Sendable, CaseIterable { case nested, flat }
    package enum SecondAttach: String, Sendable, CaseIterable {
        case lastWins = "last_wins"
        case refuse
    }
    package enum TokenText: String, Sendable, CaseIterable { case strict, lenient }
    package enum StateTooSoon: String, Sendable, CaseIterable { case detach, close, drop }
    package enum WhenRemoved: String, Sendable, CaseIterable { case detach, keep, close }
    package enum NoTopic: String, Sendable, CaseIterable { case accept, close }

    /// E5: the codes of CONNACK.
    package var refusedCode: UInt8 = 5
    package var malformedTokenCode: UInt8 = 4
    package var malformedClientIDCode: UInt8 = 2
    /// E4 and E6: tolerance for the device's clock, and how long past its expiry a token still
    /// carries a connection.
    /// Base64url without padding only, as ClearBlade wants it, or as lenient as Google was.
    package var tokenText = TokenText.strict
    package var skew: Duration = .seconds(600)
    package var expiryGrace: Duration = .seconds(600)
    /// E8.
    package var idleLimit: Duration = .seconds(20 * 60)
    package var lifetimeMax: Duration = .seconds(24 * 3600)
    package var connectTimeout: Duration = .seconds(30)
    /// E9: a will, a retained message, a persistent session.
    package var unsupported = Unsupported.ignore
    /// E13.
    package var stateInterval: Duration = .seconds(1)
    /// Effect of too many states of an attached device: it is detached, the gateway's connection is
    /// closed, or the state is dropped.
    package var stateTooSoon = StateTooSoon.detach
    /// Telemetry whose subfolder no notification configuration of the registry takes.
    package var noTopic = NoTopic.accept
    /// E14; nil is no limit. The allowance of one second may be used at once.
    package var messagesPerSecond: Double? = 100
    package var bytesPerSecond: Double? = 512 * 1024
    package var overLimit = OverLimit.close
    package var eventsMax = 256 * 1024
    package var stateMax = 64 * 1024
    package var configMax = 64 * 1024
    package var commandMax = 256 * 1024
    package var attachedMax = 1000
    /// E16 and E17: how soon a configuration follows its SUBSCRIBE, and when what has no PUBACK is
    /// sent again.
    package var configDelay: Duration = .zero
    package var retry: Duration = .seconds(10)
    package var configInterval: Duration = .zero
    package var commandTries = 3
    /// E21.
    package var attachFailure = AttachFailure.errorOnly
    /// E23.
    package var errorShape = ErrorShape.nested
    package var packetIDAsString = false
    /// E25: refuse a SUBSCRIBE for a device that is not attached, or close.
    package var subscribeUnattached = Unsupported.ignore
    /// E27.
    package var secondAttach = SecondAttach.lastWins
    /// Unbound, blocked or deleted while attached: detach with an error, leave it attached until
    /// the connection ends, or close the gateway's connection.
    package var whenRemoved = WhenRemoved.detach
    /// Of registries and devices that have none of their own.
    package var activityLevel = BridgeRegistry.LogLevel.debug

    package init() {}
}

/// Faults that are made on purpose. They may be changed while the emulator runs.
package struct BridgeFaults: Sendable {
    package enum Pick: Hashable, Sendable {
        case never
        case every(Int)
        case chance(Double)
    }

    /// The message is taken, its PUBACK is lost.
    package var dropPubacks = Pick.never
    /// The message is lost before its hand-off, so there is no PUBACK either (E10).
    package var dropMessages = Pick.never
    /// PUBACKs wait this long.
    package var delayPubacks: Duration = .zero
    /// Closes a connection when it has sent so many packets after CONNECT.
    package var closeAfterPackets: Int?
    /// Closes every connection this long after its CONNACK.
    package var closeAfter: Duration?
    /// CONNACK with this code to everyone until then.
    package var refuse: (code: UInt8, until: Instant)?
    /// Reads no more than so many packets a second from each client; what follows waits.
    package var throttle: Double?
    /// Takes everything, answers nothing, keeps every connection: a half-open link.
    package var mute = false
    /// Sends a message with QoS 1 twice, the second time with DUP (E17).
    package var duplicateDeliveries = Pick.never

    package init() {}
}

/// Decides which of a sequence of events a fault hits; the same seed hits the same ones.
struct FaultPicker: Sendable {
    private var random: RandomSource
    private var counts: [Name: Int] = [:]

    enum Name: Hashable { case puback, message, delivery }

    init(seed: UInt64) { random = RandomSource(seed: seed) }

    mutating func hits(_ pick: BridgeFaults.Pick, _ name: Name) -> Bool {
        switch pick {
        case .never: return false
        case .chance(let probability): return random.chance(probability)
        case .every(let period):
            counts[name, default: 0] += 1
            return period > 0 && counts[name, default: 0] % period == 0
        }
    }
}
