import Base

/// Which far side we talk to: who we say we are there, and what it grants.
package enum Dialect: Hashable, Sendable {
    /// Cloud IoT Core and what speaks like it (ClearBlade IoT Core): long client id, a JWT as the
    /// password, devices attached by gateway binding.
    case cloudIoT(project: ByteString, region: ByteString, registry: ByteString)
    /// Any MQTT 3.1.1 broker: every device counts as attached once the broker has accepted us,
    /// unless it wants attach messages.
    case plain(clientID: ByteString, username: ByteString?, password: [UInt8]?)

    /// `projects/P/locations/R/registries/G/devices/D`, or what the configuration says.
    package func clientID(of gateway: DeviceID) -> String {
        switch self {
        case .cloudIoT(let project, let region, let registry):
            "projects/\(project)/locations/\(region)/registries/\(registry)/devices/\(gateway)"
        case .plain(let clientID, _, _): clientID.string
        }
    }

    /// The bridge ignores the user name, but some libraries on its side drop a password without
    /// one.
    package var username: String? {
        switch self {
        case .cloudIoT: "unused"
        case .plain(_, let username, _): username?.string
        }
    }

    /// The configured password; nil where a token is signed for each CONNECT.
    package var password: [UInt8]? {
        if case .plain(_, _, let password) = self { password } else { nil }
    }

    /// The project that a token is made out to (claim `aud`); nil where no token is used.
    package var audience: String? {
        if case .cloudIoT(let project, _, _) = self { project.string } else { nil }
    }

    package var usesToken: Bool { audience != nil }
    /// Reports what it cannot do on a topic of its own.
    package var hasErrors: Bool { usesToken }

    /// Messages and bytes per second: below the bridge's 100 messages and 512 KB; none on a broker.
    package var defaultRate: Rate {
        usesToken ? Rate(messages: 95, bytes: 500 << 10) : .unlimited
    }

    package var defaultInFlight: InFlight {
        usesToken ? InFlight(total: 64, perDevice: 1) : InFlight(total: 1024, perDevice: 1024)
    }
}

/// How many records may wait for their PUBACK, together and of one device. One per device keeps a
/// device's order even where the bridge drops a message silently (its documentation, "QoS").
package struct InFlight: Hashable, Sendable {
    package var total: Int
    package var perDevice: Int

    package init(total: Int, perDevice: Int? = nil) {
        self.total = max(1, total)
        self.perDevice = max(1, min(perDevice ?? total, total))
    }
}
