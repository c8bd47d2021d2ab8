import Base
import Bridge
import Gateway
import Platform

/// The private keys that sign tokens: the gateway's, and those of devices that prove themselves.
package struct KeyRing: Sendable {
    private var gateway: [PrivateKey]
    private var devices: [DeviceID: PrivateKey]

    package init(_ configuration: Configuration) throws(CredentialError) {
        gateway = []
        devices = [:]
        guard configuration.bridge.isCloudIoT else { return }
        for location in configuration.bridge.privateKeys { gateway.append(try PrivateKey.load(location.value)) }
        for node in configuration.ports.flatMap(\.nodes) {
            if let location = node.privateKey { devices[node.device] = try PrivateKey.load(location.value) }
        }
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
