import Base
import Spool

/// Why a line could not be looked at, in words.
package struct ScanFailure: Error, Hashable, Sendable {
    package var words: String

    package init(_ words: String) { self.words = words }
}

/// Scans the line behind an adapter that no configured port uses, and reports the units that
/// answer. The configuration switches it on with `scanAdapters`.
extension Gateway {
    mutating func scan(_ adapter: SerialPortEntry) {
        guard settings.scansAdapters, phase == .running else { return }
        scans[ByteString(adapter.path)] = adapter
        effects.append(.scan(adapter))
    }

    /// Adapters that were pulled, or that a port means by now, are let go of.
    mutating func endScans(except here: [SerialPortEntry]) {
        for (path, adapter) in scans.sorted(by: { $0.key < $1.key }) where !here.contains(adapter) {
            scans[path] = nil
            effects.append(.endScan(path.string))
        }
    }

    /// Receives the result of `fieldgw scan --json` for an adapter that still waits for it.
    mutating func receive(
        scanned adapter: SerialPortEntry, _ result: Result<[UInt8], ScanFailure>, at now: Moment
    ) {
        let path = ByteString(adapter.path)
        guard scans[path] == adapter else { return }
        scans[path] = nil
        switch result {
        case .failure(let failure): say(adapter, "scanned: \(failure.words)")
        case .success(let bytes):
            guard let document = try? JSONReader.parse(bytes), let units = document["units"]?.array
            else {
                return say(adapter, "scanned: the scan gave no answer")
            }
            say(adapter, "scanned: \(Self.words(units))")
            tell(adapter, at: now) { writer in
                writer.key("scan")
                writer.raw(Array(document.text.utf8))
            }
        }
    }

    private mutating func say(_ adapter: SerialPortEntry, _ words: String) {
        effects.append(.notice(Notice(.info, "gateway", adapter.path, words)))
    }

    /// "2 units answer: 1 (Eastron SDM120), 7"
    private static func words(_ units: [JSON]) -> String {
        guard !units.isEmpty else { return "nobody answers" }
        let names = units.prefix(8).map { unit in
            let identity = ["vendor", "product"].compactMap { unit[$0]?.string?.string }.joined(
                separator: " ")
            return (unit["unit"]?.text ?? "")
                + (identity.isEmpty ? "" : " (\(Notice.printable(identity)))")
        }
        let more = units.count > names.count ? " and \(units.count - names.count) more" : ""
        return
            "\(units.count == 1 ? "1 unit answers" : "\(units.count) units answer"): \(names.joined(separator: ", "))\(more)"
    }
}
