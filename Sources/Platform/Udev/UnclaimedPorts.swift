import Base

extension SerialPorts {
    /// The USB adapters of this machine that none of `devices` means: plugged in, and nobody has
    /// configured them. A path counts as what it leads to. Looks through sysfs: call it on a
    /// worker.
    package static func unclaimed(
        by devices: [LineSettings.Device], in system: SystemPaths = SystemPaths()
    ) -> [SerialPortEntry] {
        var nodes: Set<String> = []
        var wanted: [PortIdentity] = []
        for device in devices {
            switch device {
            case .path(let path): nodes.formUnion([path] + FileSystem.linkChain(path))
            case .network: break
            case .match(let serial, let path, let vendor, let product, let interface):
                wanted.append(
                    PortIdentity(
                        serial: serial, path: path, vendor: vendor, product: product,
                        interface: interface))
            }
        }
        return list(in: system).filter { entry in
            entry.identity.vendor != nil && !nodes.contains(entry.path)
                && !wanted.contains { entry.identity.matches($0) }
        }
    }
}
