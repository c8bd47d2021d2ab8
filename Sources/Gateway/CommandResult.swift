import Base

/// Origin of a write.
package enum CommandOrigin: String, Hashable, Sendable {
    /// A command from the bridge.
    case bridge
    /// A person at this machine, through the control socket.
    case socket
    /// A person through the HTTP door.
    case http
    /// A `safe` value: the bridge has been away for long.
    case safe
    /// The `setup` of a unit that has come, or come back.
    case setup
}

/// Published result of a command, and its words.
enum CommandResult {
    /// `"id":…,"ok":…,"values":{…},"error":…` without braces; `by` only if it is not the bridge.
    static func body(
        id: ByteString?, origin: CommandOrigin, values: [(point: ByteString, json: [UInt8])],
        error: String?
    ) -> [UInt8] {
        var writer = JSONWriter()
        if let id { writer.member("id", id) } else { writer.key("id"); writer.null() }
        writer.member("ok", error == nil)
        if origin != .bridge { writer.member("by", origin.rawValue) }
        writer.key("values")
        writer.object { writer in
            for each in values {
                writer.key(each.point)
                writer.raw(each.json)
            }
        }
        if let error { writer.member("error", error) }
        return writer.bytes
    }

    static func hex(_ bytes: [UInt8]) -> [UInt8] { quoted("hex:" + Hex.encode(bytes)) }

    static func json(_ value: Result<[UInt8], ReadFailure>) -> [UInt8]? {
        if case .success(let bytes) = value { bytes } else { nil }
    }

    /// Values that were written to a place without a name: `[1,2]`.
    static func raw(_ order: Order) -> [UInt8]? {
        var writer = JSONWriter()
        switch order.data {
        case .registers(let values): writer.array { for value in values { $0.integer(value) } }
        case .bits(let values): writer.array { for value in values { $0.bool(value) } }
        case .masked, .custom, .nothing: return nil
        }
        return writer.bytes
    }

    static func quoted(_ text: String) -> [UInt8] {
        var out: [UInt8] = []
        JSONWriter.append(text, to: &out)
        return out
    }
}

extension Outcome.Failure {
    /// For the person who sent the command.
    var sentence: String {
        switch self {
        case .read(.timeout): "the unit did not answer"
        case .read(.checksum): "the unit's answers were damaged on the line"
        case .read(.format): "the unit answered something else than was asked"
        case .read(.exception(let code)): "the unit refused with exception \(code)"
        case .read(.port): "the port is not open"
        case .read(.offline): "the unit is offline"
        case .read(.identity):
            "nothing was written: another device answers there, or it has not been recognised yet"
        case .read(.range): "no request can carry this"
        case .read(let other): other.word
        case .expired: "expired before it could reach the wire"
        case .unknownUnit: "no such unit on this port"
        case .busy: "too many commands wait for this port"
        case .paused: "the port is paused: somebody works on the line"
        }
    }

    /// As the control protocol says it.
    var kind: String {
        switch self {
        case .read(.timeout): "timeout"
        case .read(.exception): "exception"
        case .read(.checksum), .read(.format): "checksum"
        case .read(.range): "usage"
        case .read, .expired, .busy, .paused, .unknownUnit: "unavailable"
        }
    }
}
