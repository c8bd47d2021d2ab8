import Base
import HTTP

/// Why a request of the admin API failed, in the shape that Google's APIs have:
/// `{"error":{"code":404,"message":"…","status":"NOT_FOUND"}}`.
struct AdminFault: Error, Hashable, Sendable {
    var code: StatusCode
    var message: String

    init(_ code: StatusCode, _ message: String) {
        self.code = code
        self.message = message
    }

    static func notFound(_ what: String) -> AdminFault {
        AdminFault(.notFound, "The \(what) was not found.")
    }

    var response: HTTPResponse {
        var json = JSONWriter()
        json.object { json in
            json.key("error")
            json.object { json in
                json.member("code", code.http)
                json.member("message", message)
                json.member("status", code.name)
                json.key("details")
                json.array { _ in }
            }
        }
        return HTTPResponse(code.http, json: json.bytes)
    }
}

/// The JSON object in a request's body. Names are taken in camelCase and in snake_case, as every
/// protobuf parser does.
struct AdminBody: Sendable {
    private var members: [ByteString: JSON] = [:]

    private init() {}

    /// `known` in camelCase; others are an error.
    init(_ bytes: [UInt8], known: [ByteString]) throws(AdminFault) {
        guard !bytes.isEmpty else {
            self.init()
            return
        }
        let json: JSON
        do {
            json = try JSONReader.parse(bytes)
        } catch {
            throw AdminFault(.invalidArgument, "Invalid JSON payload received: \(error.message)")
        }
        try self.init(json, known: known, "the body")
    }

    init(_ json: JSON, known: [ByteString], _ what: ByteString) throws(AdminFault) {
        guard let members = json.members else {
            throw AdminFault(
                .invalidArgument,
                "Invalid value for \(what): an object is needed, not \(json.describe).")
        }
        for member in members where !member.value.isNull {
            let name = SnakeCase.camel(member.name)
            guard known.contains(name) else {
                throw AdminFault(
                    .invalidArgument,
                    "Invalid JSON payload received. Unknown name \"\(Notice.printable(member.name))\" in \(what)"
                        + Suggestion.clause(for: name, in: known) + ".")
            }
            self.members[name] = member.value
        }
    }

    subscript(name: ByteString) -> JSON? { members[name] }

    func text(_ name: ByteString) throws(AdminFault) -> ByteString? {
        guard let json = members[name] else { return nil }
        guard let text = json.string else { throw wrong(name, "a string", json) }
        return text
    }

    func bool(_ name: ByteString) throws(AdminFault) -> Bool? {
        guard let json = members[name] else { return nil }
        guard let value = json.bool else { throw wrong(name, "true or false", json) }
        return value
    }

    func array(_ name: ByteString) throws(AdminFault) -> [JSON]? {
        guard let json = members[name] else { return nil }
        guard let items = json.array else { throw wrong(name, "an array", json) }
        return items
    }

    /// Base64 of either alphabet, with padding or without.
    func bytes(_ name: ByteString) throws(AdminFault) -> [UInt8]? {
        guard let text = try text(name) else { return nil }
        let standard = text.utf8.map { $0 == 0x2D ? 0x2B : $0 == 0x5F ? 0x2F : $0 }
        guard let bytes = Base64.decode(String(decoding: standard, as: UTF8.self)) else {
            throw AdminFault(.invalidArgument, "Invalid value for \(name): base64 is needed.")
        }
        return bytes
    }

    /// 64-bit integers come as strings, and as numbers from lazy clients.
    func integer(_ name: ByteString) throws(AdminFault) -> Int64? {
        guard let json = members[name] else { return nil }
        guard let value = json.integer ?? json.string.flatMap({ Int64($0.string) }) else {
            throw wrong(name, "an integer", json)
        }
        return value
    }

    func wrong(_ name: ByteString, _ wanted: String, _ json: JSON) -> AdminFault {
        AdminFault(
            .invalidArgument,
            "Invalid value for \(name): \(wanted) is needed, not \(json.describe).")
    }
}

enum SnakeCase {
    /// Each letter behind an underscore becomes a capital; the underscores go.
    static func camel(_ name: ByteString) -> ByteString {
        guard name.utf8.contains(0x5F) else { return name }
        var out: [UInt8] = []
        var isBehind = false
        for byte in name.utf8 {
            if byte == 0x5F {
                isBehind = true
            } else {
                out.append(isBehind && (0x61...0x7A).contains(byte) ? byte & 0xDF : byte)
                isBehind = false
            }
        }
        return ByteString(decoding: out)
    }

    /// A field mask: `credentials,gateway_config.gateway_auth_method`, in either case; nil if
    /// empty.
    static func mask(_ text: ByteString?) -> Set<ByteString>? {
        let fields = (text ?? "").split(0x2C).map { part in
            camel(ByteString(Substring(part.utf8.drop { $0 == 0x20 })))
        }.filter { !$0.isEmpty }
        return fields.isEmpty ? nil : Set(fields)
    }
}
