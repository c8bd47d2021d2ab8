import Base
import Spool

extension Gateway {
    /// One line for the service manager: "connected to bridge:8883, 5 of 5 devices attached, 2 of 2
    /// ports open, 12 records wait".
    package var summary: String {
        "\(condition), \(spool.waiting) record\(spool.waiting == 1 ? " waits" : "s wait")"
    }

    /// The same without the number that changes all the time.
    package var condition: String {
        var parts = [session.state]
        if session.isOnline, settings.session.attachesByMessage {
            parts.append(
                "\(session.attachedCount) of \(Plural.text(settings.bindings.count, "device")) attached"
            )
        }
        let open = ports.count { $0.state == .open || $0.state == .pausing }
        parts.append("\(open) of \(Plural.text(ports.count, "port")) open")
        if spool.isMemoryOnly { parts.append("THE DISK FAILS: records are in memory only") }
        return parts.joined(separator: ", ")
    }
}
