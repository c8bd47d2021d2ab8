import Base
import Spool

extension Gateway {
    /// Appends the health record when it is due; true if it did.
    mutating func reportHealth(at now: Moment) -> Bool {
        guard health.isDue(at: now.instant), let subfolder = settings.topics.health else {
            return false
        }
        var writer = JSONWriter()
        writer.member("version", settings.version)
        writer.member("uptime", Int((now.instant - startedAt.instant).secondsValue))
        writeFigures(&writer, at: now)
        append(
            Entry(
                device: settings.gateway, subfolder: subfolder, kind: .health, priority: false,
                body: writer.bytes, at: now, clockTrusted: session.clockLevel == .trusted),
            at: now)
        return true
    }
}
