import Base
import Bridge

extension Session.Settings {
    /// - Parameter floor: no clock that says earlier than this is right.
    init(_ configuration: Configuration, keys: KeyAlgorithms, floor: WallTime) {
        let bridge = configuration.bridge
        let dialect: Dialect =
            switch bridge.dialect {
            case .cloudIoT(let project, let region, let registry):
                .cloudIoT(project: project, region: region, registry: registry)
            case .plain(let clientID, let username, let password):
                .plain(
                    clientID: clientID, username: username,
                    password: password.map { Array($0.utf8) })
            }
        self.init(
            dialect: dialect, gateway: bridge.gateway, endpoints: bridge.endpoints,
            keys: keys.gateway, deviceKeys: keys.devices, tokenLifetime: bridge.tokenLifetime,
            keepAlive: bridge.keepAlive,
            ackTimeout: bridge.ackTimeout,
            rate: Rate(messages: bridge.rate.messages, bytes: bridge.rate.bytes),
            inFlight: InFlight(total: bridge.inFlight.total, perDevice: bridge.inFlight.perDevice),
            layout: bridge.layout, attachesByMessage: bridge.attachMessages,
            releaseDate: floor, trustClock: configuration.clock == .trust)
        retainsState = bridge.publish.retainsState
        retainsLatest = bridge.publish.retainsLatest && bridge.layout.latest != nil
    }
}
