import Base

/// A command as it comes from the bridge:
/// `{"id":"…","write":{"setpoint":42},"expires":"30s"}`.
struct Command: Sendable {
    /// Characters of an id (Unicode scalars).
    static let identifierMax = 64
    static let identifierBytesMax = 4 * identifierMax
    static let sizeMax = 16 << 10
    static let pointsMax = 32
    static let expiryDefault = Duration.seconds(30)
    static let expiryMax = Duration.seconds(3600)

    var id: ByteString
    var writes: [(point: ByteString, value: JSON)]
    var expires: Duration

    /// Why a command cannot be carried out; `id` is there as soon as it could be read, so that
    /// the refusal can be published under it.
    struct Refusal: Error, Sendable {
        var id: ByteString?
        var reason: String
    }

    static func parse(_ payload: [UInt8]) throws(Refusal) -> Command {
        guard payload.count <= sizeMax else {
            throw Refusal(
                id: nil, reason: "the command has \(payload.count) bytes; \(sizeMax) are allowed")
        }
        let document: JSON
        do { document = try JSONReader.parse(payload) } catch {
            throw Refusal(
                id: nil, reason: "not JSON: \(error.message) at column \(error.position.column)")
        }
        guard let members = document.members else {
            throw Refusal(id: nil, reason: "a command is an object, not \(document.describe)")
        }
        guard let id = document["id"]?.string, !id.isEmpty else {
            throw Refusal(
                id: nil, reason: "\"id\" must be a text of 1 to \(identifierMax) characters")
        }
        // Every byte but the continuations of UTF-8 begins a character.
        guard id.utf8.count <= identifierBytesMax,
            id.utf8.count(where: { $0 & 0xC0 != 0x80 }) <= identifierMax,
            id.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else {
            throw Refusal(
                id: nil,
                reason:
                    "\"id\" has \(id.string.unicodeScalars.count) characters, accents that stand alone counted; "
                    + "it may have 1 to \(identifierMax), and no control characters")
        }
        for member in members where !["id", "write", "expires"].contains(member.name) {
            throw Refusal(
                id: id,
                reason:
                    "unknown key \"\(Notice.printable(member.name))\"; known are id, write and expires"
            )
        }
        guard let points = document["write"]?.members, !points.isEmpty else {
            throw Refusal(
                id: id, reason: "\"write\" is missing: an object of point names and values")
        }
        guard points.count <= pointsMax else {
            throw Refusal(
                id: id, reason: "\(points.count) points in one command; \(pointsMax) are allowed")
        }
        var expires = expiryDefault
        if let given = document["expires"] {
            guard let text = given.string, let value = Quantity.duration(text), value > .zero,
                value <= expiryMax
            else {
                throw Refusal(
                    id: id, reason: "\"expires\" is a duration such as \"30s\", at most \"1h\"")
            }
            expires = value
        }
        return Command(id: id, writes: points.map { ($0.name, $0.value) }, expires: expires)
    }
}
