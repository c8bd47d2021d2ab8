import Base

/// The control protocol: one JSON line each way.
/// `{"get":"status"}` → the document that `fieldgw status --json` prints;
/// anything else → `{"error":"…"}`.
extension Gateway {
    static let controlLineMax = 64 << 10

    mutating func answer(_ line: [UInt8], at now: Moment) -> [UInt8] {
        guard line.count <= Self.controlLineMax else { return Self.complaint("the request is too long") }
        let request: JSON
        do { request = try JSONReader.parse(line) } catch {
            return Self.complaint("not JSON: \(error.message) at column \(error.position.column)")
        }
        switch request["get"]?.string {
        case "status": return status(at: now)
        case let other?: return Self.complaint("unknown request \"\(Notice.printable(other))\"; known: status")
        case nil: return Self.complaint("a request is an object such as {\"get\":\"status\"}")
        }
    }

    private static func complaint(_ reason: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { $0.member("error", reason) }
        return writer.bytes
    }
}
