import Base
import MQTT

/// Why a connection ended or could not be made, in words: what happened, what was still unanswered,
/// and what that most likely means.
extension Session {
    package struct Trouble: Hashable, Sendable {
        package var at: WallTime
        package var reason: String
        /// The packet that left last of those without an answer.
        package var unanswered: String?
    }

    struct Reason {
        var sentence: String
        var unanswered: Unanswered?
        /// A question to the reader that ends the sentence; nil if nothing can be concluded.
        var conclusion: String?
    }

    /// Before the connection's state is forgotten.
    func explain(_ loss: Loss, _ cause: Cause, wasOpen: Bool) -> Reason {
        let unanswered = client?.unanswered
        func plain(_ text: String) -> Reason {
            let rest = unanswered.map { "; unanswered: \($0.words)" } ?? ""
            return Reason(sentence: text + (wasOpen ? rest : ""), unanswered: unanswered)
        }
        switch loss {
        case .planned, .clock: return Reason(sentence: "")
        case .link(let failure):
            return Reason(sentence: "no connection: \(Self.clause(failure.message))")
        case .closed(let failure):
            return explainClose(failure, unanswered, cause, wasOpen: wasOpen)
        case .refused(let code): return Reason(sentence: refusal(code))
        case .signing(let why):
            return Reason(sentence: "the private key could not sign a token: \(Self.clause(why))")
        case .fault(let fault): return plain("the connection is given up: \(fault)")
        case .foreign(let words):
            return Reason(sentence: "\(target.describe) \(words)", unanswered: unanswered)
        case .noProgress:
            return plain(
                "the bridge acknowledged nothing for \(Self.seconds(Self.progressMax)) while messages waited"
            )
        }
    }

    private func explainClose(
        _ failure: LinkFailure, _ unanswered: Unanswered?, _ cause: Cause, wasOpen: Bool
    ) -> Reason {
        let when = wasOpen ? "was lost" : "was closed before the bridge had answered"
        var sentence = "the connection \(when): \(Self.clause(failure.message))"
        guard failure.kind == .closed || failure.kind == .reset else {
            if let unanswered { sentence += "; unanswered: \(unanswered.words)" }
            return Reason(sentence: sentence, unanswered: unanswered)
        }
        guard let unanswered else {
            return Reason(sentence: sentence + (wasOpen ? " with nothing of ours unanswered" : ""))
        }
        sentence += " after \(unanswered.words)"
        let conclusion = conclude(cause)
        if let conclusion { sentence += ": \(conclusion)" }
        return Reason(sentence: sentence, unanswered: unanswered, conclusion: conclusion)
    }

    /// The bridge gives no reason when it closes; where it did so says something.
    private func conclude(_ cause: Cause) -> String? {
        let gateway = settings.gateway
        switch cause {
        case .unknown: break
        case .topics: return "is one of its topics forbidden to this client?"
        case .topic(let packet): return "\(packet.words) is left out from now on;"
        case .size(let bytes):
            return "messages with several readings have at most \(bytes) bytes from now on;"
        }
        switch phase {
        case .handshaking:
            return settings.dialect.usesToken
                ? "are project, region, registry and gateway right?"
                : "is `port` for MQTT \(target.tls ? "over TLS" : "without TLS"), and may this client connect?"
        case .settingUp: return "is \(gateway) registered as a gateway?"
        case .open
        where flights.attaches > 0 && attachments.attachedCount == 0 && settings.dialect.usesToken:
            return "is \(gateway) registered as a gateway, and are its devices bound to it?"
        default: return nil
        }
    }

    private func refusal(_ code: UInt8) -> String {
        var text = Refusal.sentence(code, dialect: settings.dialect, gateway: settings.gateway)
        if settings.dialect.usesToken, [4, 5, 0x13].contains(code), clockLevel == .unproven {
            text +=
                "; nothing proves this machine's clock, without which no token is right: set up NTP"
        }
        return text
    }
}

/// CONNACK codes in words, with what to do (MQTT 3.1.1 table 3.1; 0x13 is ClearBlade's).
enum Refusal {
    static func sentence(_ code: UInt8, dialect: Dialect, gateway: DeviceID) -> String {
        switch (code, dialect.usesToken) {
        case (1, _):
            return "the bridge does not speak MQTT 3.1.1 (CONNACK 1): check host and port"
        case (2, _):
            return
                "the bridge refused the client id \(dialect.clientID(of: gateway)) (CONNACK 2): check "
                + (dialect.usesToken ? "project, region, registry and gateway" : "clientID")
        case (3, _): return "the bridge is not available (CONNACK 3)"
        case (4, true):
            return
                "the bridge could not read the token of gateway \(gateway) (CONNACK 4): check that the "
                + "key in privateKey is of the type registered (ES256 or RS256)"
        case (5, true), (0x13, true):
            let shown = code == 5 ? "5" : "0x13"
            return
                "the bridge refused the token of gateway \(gateway) (CONNACK \(shown)): check that its "
                + "public key is registered, that it is not blocked, and project, region and registry"
        case (4, false), (5, false):
            return
                "the broker refused us (CONNACK \(code)): check username and password, or the client "
                + "certificate"
        default: return "the bridge refused the connection (CONNACK \(code))"
        }
    }
}
