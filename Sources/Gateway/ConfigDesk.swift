import Base
import Bridge

/// The config documents from the bridge: which is in force for whom, and which was refused and why.
/// The bridge sends the latest one again with every subscription; what is known already changes
/// nothing. MQTT carries no version, so a document is named by the beginning of its SHA-256.
struct ConfigDesk: Sendable {
    struct Document: Sendable {
        var bytes: [UInt8]
        var narrowing: Narrowing
        var hash: String
    }

    struct Refused: Hashable, Sendable {
        var hash: String
        var reason: String
    }

    enum Verdict: Sendable {
        /// In force already, or refused already.
        case known
        case accepted
        case refused(String)
    }

    private var reader: NarrowingReader
    private let gateway: DeviceID
    private var documents: [DeviceID: Document] = [:]
    private var refusals: [DeviceID: Refused] = [:]
    /// PUBACKs that wait until their document is on the disk, by its name there.
    private var waiting: [String: (device: DeviceID, deliveries: [Delivery])] = [:]

    init(_ ports: [Configuration.Port], logLevel: Configuration.LogLevel, gateway: DeviceID) {
        reader = NarrowingReader(ports, logLevel: logLevel)
        self.gateway = gateway
    }

    /// For every port, in the order gateway, devices.
    var narrowings: [Narrowing] {
        documents.sorted { $0.key < $1.key }.map(\.value.narrowing)
    }

    /// The documents that concern the nodes of one port.
    func narrowings(for port: Configuration.Port) -> [Narrowing] {
        let devices = [gateway] + port.nodes.map(\.device)
        return Set(devices).sorted().compactMap { documents[$0]?.narrowing }
    }

    var logLevel: Configuration.LogLevel? { documents[gateway]?.narrowing.logLevel }
    func hash(of device: DeviceID) -> String? { documents[device]?.hash }
    var allRefused: [DeviceID: Refused] { refusals }
    func refused(of device: DeviceID) -> Refused? { refusals[device] }

    /// An empty document takes back what an earlier one asked for: every new device has one.
    mutating func receive(_ payload: [UInt8], for device: DeviceID) -> Verdict {
        if payload.isEmpty {
            refusals[device] = nil
            return documents.removeValue(forKey: device) == nil ? .known : .accepted
        }
        if documents[device]?.bytes == payload {
            refusals[device] = nil
            return .known
        }
        let hash = Self.hash(payload)
        if refusals[device]?.hash == hash { return .known }
        do throws(Narrowing.Refusal) {
            let narrowing = try reader.read(payload, of: device == gateway ? nil : device)
            documents[device] = Document(bytes: payload, narrowing: narrowing, hash: hash)
            refusals[device] = nil
            return .accepted
        } catch {
            refusals[device] = Refused(hash: hash, reason: error.reason)
            return .refused(error.reason)
        }
    }

    /// Another local file: every document is read against it again.
    /// - Returns: those that are given up, with the reason; without one where the device itself is
    ///   gone.
    mutating func rebase(
        _ ports: [Configuration.Port], logLevel: Configuration.LogLevel
    ) -> [(device: DeviceID, reason: String?)] {
        reader = NarrowingReader(ports, logLevel: logLevel)
        var givenUp: [(device: DeviceID, reason: String?)] = []
        for (device, document) in documents {
            guard device == gateway || reader.nodes[device] != nil else {
                documents[device] = nil
                givenUp.append((device, nil))
                continue
            }
            do throws(Narrowing.Refusal) {
                documents[device]?.narrowing = try reader.read(
                    document.bytes, of: device == gateway ? nil : device)
            } catch {
                documents[device] = nil
                refusals[device] = Refused(hash: document.hash, reason: error.reason)
                givenUp.append((device, error.reason))
            }
        }
        // What was refused may fit now: the bridge sends it again with the next subscription.
        refusals = refusals.filter { refused in
            givenUp.contains { $0.device == refused.key && $0.reason != nil }
        }
        return givenUp.sorted { $0.device < $1.device }
    }

    // MARK: Acknowledgement

    mutating func await(_ name: String, _ device: DeviceID, _ delivery: Delivery) {
        waiting[name, default: (device, [])].deliveries.append(delivery)
    }

    var awaited: [String] { waiting.keys.sorted() }

    mutating func durable(_ name: String) -> (device: DeviceID, deliveries: [Delivery])? {
        waiting.removeValue(forKey: name)
    }

    /// The first 16 hexadecimal digits, as in a device's state document.
    static func hash(_ bytes: [UInt8]) -> String {
        Hex.encode(SHA256.digest(bytes).prefix(8), separator: "").lowercased()
    }

    /// The document's name in the state directory; long device IDs are named by their hash.
    static func name(of device: DeviceID) -> String {
        "config-\(device.fileName)"
    }
}
