import Base
import Gateway
import Platform
import Spool

/// Whether a gateway with this configuration could use the journal that is there.
enum JournalCheck {
    /// A journal of another gateway, project or registry: `run` would end with 69.
    static func problems(of configuration: Configuration, _ places: Places) -> [Diagnostic] {
        let names = ((try? FileSystem.names(in: places.spool)) ?? []).sorted()
        let wanted = Journal.Settings(configuration).identity
        for name in names where name.hasSuffix(".log") && Segment.firstSeq(named: name) != nil {
            guard let bytes = try? FileSystem.read("\(places.spool)/\(name)", limit: 16 << 20),
                let header = try? Segment.anyHeader(bytes).header
            else { continue }
            guard header.identity != wanted else { continue }
            let place = configuration.spool.directory?.place ?? configuration.bridge.place
            return [
                Diagnostic(
                    place, .error,
                    "the journal in \(places.spool) belongs to \(Notice.printable(header.identity)), not to \(wanted): "
                        + "give `spool.directory` another place, or let the other gateway send it first"
                )
            ]
        }
        return []
    }
}
