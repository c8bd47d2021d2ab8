import Base
import Bridge
import Drivers

/// Devices whose port is gone: after `detachAfter`, when nothing of theirs waits any more, they are
/// detached, because the bridge counts attached devices and a detached one is the honest picture.
/// They are attached again when the port is back or a record for them turns up.
extension Gateway {
    mutating func restDevices(at now: Moment) -> Bool {
        guard settings.session.attachesByMessage, phase == .running, session.isOnline,
            restLooked + .seconds(1) <= now.instant
        else { return false }
        restLooked = now.instant
        var any = false
        for (port, configured) in zip(ports, settings.configured) {
            let isGone =
                port.closedSince.map { now.instant - $0 >= configured.detachAfter } ?? false
            guard isGone || !resting.isEmpty else { continue }
            var rested: [String] = []
            for device in configured.nodes.map(\.device) {
                let hasNothing =
                    spool.waiting(of: device) == 0 && !session.holdsAnything(of: device)
                if isGone, hasNothing, session.status(of: device) == .attached {
                    resting.insert(device)
                    rested.append(device.text)
                    session.detach(device, at: now)
                    any = true
                } else if resting.contains(device), !isGone || spool.waiting(of: device) > 0 {
                    resting.remove(device)
                    session.attach(device, at: now)
                    any = true
                }
            }
            guard !rested.isEmpty else { continue }
            let names =
                rested.prefix(8).joined(separator: ", ")
                + (rested.count > 8 ? " and \(rested.count - 8) more" : "")
            effects.append(
                .notice(
                    Notice(
                        .info, "line", port.name.text,
                        "the port stays away: \(names) detached from the bridge until it is back")))
        }
        return any
    }
}
