import Base
import CLinux

/// Whether this machine's clock can be believed.
package enum ClockProbe {
    /// Synchronised: the kernel says so, or systemd-timesyncd has left its mark (in a unit with
    /// ProtectClock the kernel is not asked). RTC: a clock with hctosys=1 set the time at boot.
    package static func facts(in system: SystemPaths = SystemPaths()) -> ClockFacts {
        let isMarked = FileSystem.exists("\(system.run)/systemd/timesync/synchronized")
        return ClockFacts(
            synchronised: clinux_clock_unsynchronised() == 0 || isMarked, hasRTC: hasRTC(in: system)
        )
    }

    private static func hasRTC(in system: SystemPaths) -> Bool {
        let folder = "\(system.sys)/class/rtc"
        let names = (try? FileSystem.names(in: folder)) ?? []
        return names.contains { (try? FileSystem.text("\(folder)/\($0)/hctosys")) == "1" }
    }
}
