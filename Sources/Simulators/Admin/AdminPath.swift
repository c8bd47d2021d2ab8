import Base
import HTTP

/// A path of the admin API, taken apart: resource names as Cloud IoT's v1 has them, with an
/// optional custom verb after the last colon.
enum AdminPath: Hashable {
    case registries(project: ByteString, region: ByteString)
    case registry(RegistryName, verb: ByteString?)
    case devices(RegistryName)
    case device(RegistryName, ByteString, verb: ByteString?)
    case configVersions(RegistryName, ByteString)
    case states(RegistryName, ByteString)
    /// Path that is not Cloud IoT's but the emulator's own.
    case emulator(ByteString)

    /// Nil if nothing has that name here.
    init?(_ path: ByteString) {
        var raw = Array(path.split(0x2F, limit: 12).dropFirst())
        guard raw.count >= 2 else { return nil }
        if raw[0] == "emulator", raw.count == 2 {
            self = .emulator(raw[1])
            return
        }
        var verb: ByteString?
        let last = raw[raw.count - 1].utf8
        if let colon = last.lastIndex(of: 0x3A) {
            verb = ByteString(Substring(last[last.index(after: colon)...]))
            raw[raw.count - 1] = ByteString(Substring(last[..<colon]))
        }
        let parts = raw.compactMap { PercentCoding.decode($0) }
        guard parts.count == raw.count, !parts.contains(""), parts[0] == "v1" else { return nil }
        guard parts.count >= 6, parts[1] == "projects", parts[3] == "locations",
            parts[5] == "registries"
        else {
            return nil
        }
        if parts.count == 6, verb == nil {
            self = .registries(project: parts[2], region: parts[4])
            return
        }
        guard parts.count >= 7 else { return nil }
        let name = RegistryName(project: parts[2], region: parts[4], registry: parts[6])
        switch parts.count {
        case 7: self = .registry(name, verb: verb)
        case 8 where parts[7] == "devices" && verb == nil: self = .devices(name)
        case 9 where parts[7] == "devices": self = .device(name, parts[8], verb: verb)
        case 10 where parts[7] == "devices" && verb == nil && parts[9] == "configVersions":
            self = .configVersions(name, parts[8])
        case 10 where parts[7] == "devices" && verb == nil && parts[9] == "states":
            self = .states(name, parts[8])
        default: return nil
        }
    }
}

/// A part of a list, and where the next one begins. A token is the last id of the page before.
enum AdminPage {
    static func cut(
        _ ids: [ByteString], _ request: HTTPRequest, sizeMax: Int
    ) throws(AdminFault) -> (ids: ArraySlice<ByteString>, next: String?) {
        let size = try number(request, "pageSize") ?? 0
        var rest = ids[...]
        if let token = request.query("pageToken"), !token.isEmpty {
            guard let bytes = Base64.decodeURL(token.string),
                case let last = ByteString(decoding: bytes),
                BridgeRegistry.isValidID(last)
            else { throw AdminFault(.invalidArgument, "Invalid pageToken.") }
            rest = rest.drop { $0 <= last }
        }
        let page = rest.prefix(size == 0 ? sizeMax : min(size, sizeMax))
        let isLast = page.endIndex == rest.endIndex
        return (page, isLast ? nil : page.last.map { Base64.encodeURL(Array($0.utf8)) })
    }

    /// A number of the query, at least 0.
    static func number(_ request: HTTPRequest, _ name: ByteString) throws(AdminFault) -> Int? {
        guard let text = request.query(name) else { return nil }
        guard let value = Int32(text.string), value >= 0 else {
            throw AdminFault(
                .invalidArgument, "Invalid value for \(name): a number from 0 is needed.")
        }
        return Int(value)
    }
}
