import Base

extension Session {
    package struct Settings: Hashable, Sendable {
        package var dialect: Dialect
        package var gateway: DeviceID
        /// At least one; the next one is tried after a failed connect.
        package var endpoints: [LinkTarget]
        /// Of the gateway's private keys, at least one: the next one is tried when a token is
        /// refused.
        package var keys: [SigningAlgorithm]
        /// Devices that prove themselves with a token of their own.
        package var deviceKeys: [DeviceID: SigningAlgorithm]
        package var tokenLifetime: Duration
        package var keepAlive: Duration
        package var ackTimeout: Duration
        package var rate: Rate
        package var inFlight: InFlight
        package var layout: TopicLayout
        /// Devices are attached and detached by message.
        package var attachesByMessage: Bool
        /// The broker keeps the last state document of each device, and the latest values.
        package var retainsState = false
        package var retainsLatest = false
        /// Between two state documents of one device; never under 2 s.
        package var stateInterval: Duration
        /// Before this no clock is right: the day this program was released.
        package var releaseDate: WallTime
        /// `clock: "trust"` in the configuration.
        package var trustClock: Bool

        package init(
            dialect: Dialect, gateway: DeviceID, endpoints: [LinkTarget],
            keys: [SigningAlgorithm] = [.es256], deviceKeys: [DeviceID: SigningAlgorithm] = [:],
            tokenLifetime: Duration = .seconds(3600),
            keepAlive: Duration = .seconds(60), ackTimeout: Duration = .seconds(10),
            rate: Rate? = nil,
            inFlight: InFlight? = nil,
            layout: TopicLayout = .standard, attachesByMessage: Bool? = nil,
            stateInterval: Duration = .seconds(10),
            releaseDate: WallTime = WallTime(milliseconds: 1_760_000_000_000),
            trustClock: Bool = false
        ) {
            precondition(!endpoints.isEmpty, "a session needs an endpoint")
            self.dialect = dialect
            self.gateway = gateway
            self.endpoints = endpoints
            self.keys = keys.isEmpty ? [.es256] : keys
            self.deviceKeys = deviceKeys
            self.tokenLifetime = max(.seconds(1), min(tokenLifetime, TokenClaims.lifetimeMax))
            self.keepAlive = keepAlive
            self.ackTimeout = ackTimeout
            self.rate = rate ?? dialect.defaultRate
            self.inFlight = inFlight ?? dialect.defaultInFlight
            self.layout = layout
            self.attachesByMessage = attachesByMessage ?? dialect.usesToken
            self.stateInterval = stateInterval
            self.releaseDate = releaseDate
            self.trustClock = trustClock
        }
    }
}
