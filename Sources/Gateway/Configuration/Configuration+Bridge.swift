import Base
import Bridge

extension Configuration {
    /// The far side: where it is, who we are there and how fast we may be.
    package struct Bridge: Hashable, Sendable {
        package enum Dialect: Hashable, Sendable {
            case cloudIoT(project: ByteString, region: ByteString, registry: ByteString)
            case plain(clientID: ByteString, username: ByteString?, password: ByteString?)
        }

        /// Messages and bytes per second, control packets included; nil is no limit.
        package struct Rate: Hashable, Sendable {
            package var messages: Int?
            package var bytes: Int?

            package init(messages: Int?, bytes: Int?) {
                self.messages = messages
                self.bytes = bytes
            }

            package static let unlimited = Rate(messages: nil, bytes: nil)
            /// A little under the documented 100 messages and 512 KB a second.
            package static let cloudIoT = Rate(messages: 95, bytes: 500 << 10)
        }

        package struct InFlight: Hashable, Sendable {
            package var total: Int
            package var perDevice: Int

            package init(total: Int, perDevice: Int) {
                self.total = total
                self.perDevice = perDevice
            }
        }

        /// Subfolders of the events topic: "" publishes plain events, nil publishes none.
        package struct Topics: Hashable, Sendable {
            package var health: String? = "health"
            package var gaps: String? = "gaps"
            package var commands: String? = "commands"
            package var alarms: String? = "alarms"

            package init() {}
        }

        /// Several records in one message.
        package struct Batch: Hashable, Sendable {
            package var maxDelay: Duration
            package var maxBytes: Int

            package init(maxDelay: Duration, maxBytes: Int) {
                self.maxDelay = maxDelay
                self.maxBytes = maxBytes
            }
        }

        package var place: FilePlace
        package var dialect: Dialect
        package var gateway: DeviceID
        /// Tried in this order: `host`, then `fallback`.
        package var endpoints: [LinkTarget]
        /// PEM files or OpenSSL store URIs: one for Cloud IoT, two while keys are changed.
        package var privateKeys: [Located<String>]
        /// Nil: the system's store.
        package var ca: Located<String>?
        package var clientCertificate: Located<String>?
        package var clientKey: Located<String>?
        package var tokenLifetime: Duration
        package var keepAlive: Duration
        package var ackTimeout: Duration
        package var liveWithin: Duration
        package var rate: Rate
        package var inFlight: InFlight
        package var topics: Topics
        /// Where things go on a plain broker.
        package var layout: TopicLayout
        /// Form of the messages there.
        package var publish = PayloadFormat()
        /// Devices are attached by message; on a plain broker only if asked for.
        package var attachMessages: Bool
        package var batch: Batch?

        package var isCloudIoT: Bool { if case .cloudIoT = dialect { true } else { false } }
        package var tls: Bool { endpoints.first?.tls ?? true }
    }

    /// `pkcs11:…`, `handle:…` and the like name a key in OpenSSL's store, not a file.
    package static func isStoreURI(_ text: String) -> Bool {
        guard let colon = text.utf8.firstIndex(of: 0x3A) else { return false }
        let scheme = text.utf8[..<colon]
        guard let first = scheme.first, (0x61...0x7A).contains(first), scheme.count > 1 else {
            return false
        }
        return scheme.allSatisfy {
            (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D
        }
    }
}
