import Base
import Bridge
import Gateway
import Platform

/// The private keys that sign tokens: the gateway's, and those of devices that prove themselves.
package struct KeyRing: Sendable {
    private var gateway: [PrivateKey]
    private var devices: [DeviceID: PrivateKey]

    init(gateway: [PrivateKey], devices: [DeviceID: PrivateKey]) {
        self.gateway = gateway
        self.devices = devices
    }

    package var algorithms: KeyAlgorithms {
        KeyAlgorithms(gateway: gateway.map(\.algorithm), devices: devices.mapValues(\.algorithm))
    }

    func key(of signer: Signer) -> PrivateKey? {
        switch signer {
        case .gateway(let place): gateway.indices.contains(place) ? gateway[place] : nil
        case .device(let device): devices[device]
        }
    }
}
