import Base
import Gateway
import Platform

/// Reads the figures of this machine, on a helper thread.
enum MachineProbe {
    /// Sensors that are looked at.
    private static let zonesMax = 32

    /// Has the disk's helper measure; its message is the answer.
    static func begin(
        on worker: Worker, _ disk: DiskExecutor, answering mailbox: Mailbox<HelperMessage>
    ) {
        worker.submit { mailbox.post(.machine(figures(with: disk))) }
    }

    /// - Parameter disk: has the journal's directory open.
    static func figures(
        with disk: DiskExecutor, _ system: SystemPaths = SystemPaths()
    ) -> MachineFigures {
        var figures = MachineFigures()
        func text(_ path: String) -> String? { try? FileSystem.text(path) }
        if let text = text("\(system.proc)/loadavg") { figures.take(loadavg: text) }
        if let text = text("\(system.proc)/meminfo") { figures.take(meminfo: text) }
        if let text = text("\(system.proc)/self/status") { figures.take(status: text) }
        let thermal = "\(system.sys)/class/thermal"
        let zones = ((try? FileSystem.names(in: thermal)) ?? []).filter {
            $0.hasPrefix("thermal_zone")
        }
        figures.take(
            temperatures: zones.prefix(zonesMax).compactMap { text("\(thermal)/\($0)/temp") })
        if case .success(.space(let space)) = disk.execute(
            DiskRequest(ticket: 0, volume: .spool, .space))
        {
            figures.take(disk: Int(clamping: space.total), free: Int(clamping: space.available))
        }
        return figures
    }
}
