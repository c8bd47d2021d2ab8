import Glibc

/// A process that has a serial port open.
package struct PortUser: Hashable, Sendable, CustomStringConvertible {
    package var processID: Int
    /// "ModemManager"; empty if it cannot be read.
    package var name: String

    package var description: String {
        name.isEmpty ? "process \(processID)" : "\(name) (process \(processID))"
    }
}

extension SerialPorts {
    /// The other processes that have `path` open, as far as this one may see: all of them for root,
    /// its own user's otherwise. Looks through /proc, so call it on a worker.
    package static func users(of path: String, in system: SystemPaths = SystemPaths()) -> [PortUser]
    {
        guard let target = FileSystem.linkChain(path).last, FileSystem.exists(target) else {
            return []
        }
        let own = Int(getpid())
        let processes = (try? FileSystem.names(in: system.proc)) ?? []
        return processes.compactMap { Int($0) }.sorted().filter { $0 != own }.compactMap {
            process in
            let folder = "\(system.proc)/\(process)/fd"
            let descriptors = (try? FileSystem.names(in: folder)) ?? []
            guard
                descriptors.contains(where: { FileSystem.linkTarget("\(folder)/\($0)") == target })
            else { return nil }
            let name = (try? FileSystem.text("\(system.proc)/\(process)/comm")) ?? ""
            return PortUser(processID: process, name: name)
        }
    }
}
