import Base

/// Why a request of the admin API failed, in the shape that Google's APIs have:
/// `{"error":{"code":404,"message":"…","status":"NOT_FOUND"}}`.
struct AdminFault: Error, Hashable, Sendable {
    var code: StatusCode
    var message: String

    init(_ code: StatusCode, _ message: String) {
        self.code = code
        self.message = message
    }

    static func notFound(_ what: String) -> AdminFault { AdminFault(.notFound, "The \(what) was not found.") }

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
    private var members: [String: JSON] = [:]

    private init() {}

    /// `known` in camelCase; others are an error.
    init(_ bytes: [UInt8], known: [String]) throws(AdminFault) {
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

    init(_ json: JSON, known: [String], _ what: String) throws(AdminFault) {
        guard let members = json.members else {
            throw AdminFault(.invalidArgument, "Invalid value for \(what): an object is needed, not \(json.describe).")
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

    subscript(name: String) -> JSON? { members[name] }

    func text(_ name: String) throws(AdminFault) -> String? {
        guard let json = members[name] else { return nil }
        guard let text = json.string else { throw wrong(name, "a string", json) }
        return text
    }

    func bool(_ name: String) throws(AdminFault) -> Bool? {
        guard let json = members[name] else { return nil }
        guard let value = json.bool else { throw wrong(name, "true or false", json) }
        return value
    }

    func array(_ name: String) throws(AdminFault) -> [JSON]? {
        guard let json = members[name] else { return nil }
        guard let items = json.array else { throw wrong(name, "an array", json) }
        return items
    }

    /// Base64 of either alphabet, with padding or without.
    func bytes(_ name: String) throws(AdminFault) -> [UInt8]? {
        guard let text = try text(name) else { return nil }
        let standard = text.utf8.map { $0 == 0x2D ? 0x2B : $0 == 0x5F ? 0x2F : $0 }
        guard let bytes = Base64.decode(String(decoding: standard, as: UTF8.self)) else {
            throw AdminFault(.invalidArgument, "Invalid value for \(name): base64 is needed.")
        }
        return bytes
    }

    /// 64-bit integers come as strings, and as numbers from lazy clients.
    func integer(_ name: String) throws(AdminFault) -> Int64? {
        guard let json = members[name] else { return nil }
        guard let value = json.integer ?? json.string.flatMap({ Int64($0) }) else {
            throw wrong(name, "an integer", json)
        }
        return value
    }

    func wrong(_ name: String, _ wanted: String, _ json: JSON) -> AdminFault {
        AdminFault(.invalidArgument, "Invalid value for \(name): \(wanted) is needed, not \(json.describe).")
    }
}

enum SnakeCase {
    static func camel(_ name: String) -> String {
        let parts = name.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count > 1 else { return name }
        return parts.dropFirst().reduce(String(parts[0])) { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
    }

    /// A field mask: `credentials,gateway_config.gateway_auth_method`, in either case; nil if empty.
    static func mask(_ text: String?) -> Set<String>? {
        let fields = (text ?? "").split(separator: ",").map { part in
            camel(part.drop { $0 == " " }.split(separator: ".").map(String.init).joined(separator: "."))
        }
        return fields.isEmpty ? nil : Set(fields)
    }
}
