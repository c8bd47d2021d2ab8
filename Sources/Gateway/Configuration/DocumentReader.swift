import Base

/// Reads a configuration's files and merges them: `include: ["common.json5"]`. Of two files the
/// one that includes goes before the included one, and of two included ones the later. Objects are
/// merged by key, everything else is replaced, and `null` takes away. Each value keeps its place.
struct DocumentReader {
    static let depthMax = 8
    static let filesMax = 64

    private let problems: Problems
    private let surroundings: Surroundings
    /// The main file first.
    private(set) var files: [String] = []
    /// Files that were included before, by path; nil in place of one that cannot be used.
    private var included: [ByteString: JSON?] = [:]
    private(set) var texts: [[UInt8]] = []

    init(_ problems: Problems, _ surroundings: Surroundings) {
        self.problems = problems
        self.surroundings = surroundings
    }

    mutating func read(_ bytes: [UInt8], file: String) -> JSON? {
        let root = merged(bytes, file, under: [])
        problems.sources = files
        return root.map { root in
            let named = surroundings.hostName.map { fill(root, hostName: $0) } ?? root
            var nodes = NumberedNodes(problems)
            return nodes.expand(named)
        }
    }

    private mutating func merged(
        _ bytes: [UInt8], _ file: String, under chain: [String]
    ) -> JSON? {
        let source = files.count
        files.append(file)
        texts.append(bytes)
        let (json, errors) = JSONReader.parseAll(bytes, source: source)
        if !errors.isEmpty { problems.veil(SecretText(bytes).broken(by: errors), in: file) }
        for error in errors { problems.syntax(FilePlace(file, error.position), error.message) }
        guard let root = json else { return nil }
        LiteralVariables(problems, file: file).remark(root)
        guard let members = root.members,
            let place = members.firstIndex(where: { $0.name == "include" })
        else { return root }
        let include = members[place].value
        var base: JSON?
        for item in include.array ?? [include] {
            guard let other = included(item, file, under: chain + [file]) else { continue }
            base = base.map { other.merged(over: $0) } ?? other
        }
        var rest = members
        rest.remove(at: place)
        let own = JSON(.object(rest), at: root.position)
        return base.map { own.merged(over: $0) } ?? own
    }

    private mutating func included(
        _ item: JSON, _ file: String, under chain: [String]
    ) -> JSON? {
        let place = FilePlace(file, item.position)
        guard let name = item.string, !name.isEmpty else {
            problems.error(
                place,
                "\"include\" must be a path or a list of paths, not "
                    + (item.string == nil ? item.describe : "empty"))
            return nil
        }
        let path = RelativePath.resolve(name.string, beside: file)
        let shown = Notice.printable(ByteString(path))
        guard !chain.contains(where: { ByteString($0) == ByteString(path) }) else {
            problems.error(place, "\"\(shown)\" includes itself")
            return nil
        }
        if let known = included[ByteString(path)] { return known }
        guard files.count < Self.filesMax, chain.count < Self.depthMax else {
            problems.error(
                place,
                "\"include\" goes on for too long: at most \(Self.filesMax) files, "
                    + "\(Self.depthMax) within each other")
            return nil
        }
        switch surroundings.load(path) {
        case .failure(let failure):
            problems.error(place, "the included file \"\(shown)\" \(failure.message)")
            return nil
        case .success(let bytes):
            let json = merged(bytes, path, under: chain)
            if let json, json.members == nil {
                problems.error(
                    FilePlace(path, json.position),
                    "an included file must be an object, not \(json.describe)")
            }
            let usable = json?.members == nil ? nil : json
            included[ByteString(path)] = .some(usable)
            return usable
        }
    }

    /// Keys whose own texts stay as they are: a secret in the clear is never changed.
    private static let secrets: Set<ByteString> = ["password", "token", "proxy"]

    /// Puts the host's name in place of `{hostname}` in keys and texts.
    private func fill(_ json: JSON, hostName: String) -> JSON {
        let mark = Array("{hostname}".utf8)
        let isThere = texts.contains { text in
            text.indices.contains { text[$0] == mark[0] && text[$0...].starts(with: mark) }
        }
        return isThere
            ? json.replacing("{hostname}", with: hostName, except: Self.secrets) : json
    }
}

extension JSON {
    /// Lays this value over another one: objects by key, everything else replaces.
    func merged(over base: JSON) -> JSON {
        guard let own = members, let under = base.members else { return self }
        var places: [ByteString: Int] = [:]
        for (index, member) in own.enumerated() where places[member.name] == nil {
            places[member.name] = index
        }
        var used: Set<Int> = []
        var result: [Member] = []
        for member in under {
            guard let place = places[member.name] else {
                result.append(member)
                continue
            }
            used.insert(place)
            var mine = own[place]
            if mine.value.isNull { continue }
            mine.value = mine.value.merged(over: member.value)
            result.append(mine)
        }
        // What the file says twice stays there twice, so that it is told.
        result += own.indices.filter { !used.contains($0) }.map { own[$0] }
        return JSON(.object(result), at: position)
    }

    /// The same with a text in place of a mark in every key and text.
    func replacing(
        _ mark: String, with text: String, except keys: Set<ByteString> = []
    ) -> JSON {
        func fill(_ old: ByteString) -> ByteString {
            let parts = old.string.split(separator: mark, omittingEmptySubsequences: false)
            return parts.count > 1 ? ByteString(parts.joined(separator: text)) : old
        }
        switch kind {
        case .string(let old): return JSON(.string(fill(old)), at: position)
        case .array(let items):
            return JSON(
                .array(items.map { $0.replacing(mark, with: text, except: keys) }), at: position)
        case .object(let members):
            let filled = members.map { member -> Member in
                // An object says where the secret is kept, or has other members.
                if keys.contains(member.name), member.value.members == nil { return member }
                return Member(
                    name: fill(member.name), position: member.position,
                    value: member.value.replacing(mark, with: text, except: keys))
            }
            return JSON(.object(filled), at: position)
        default: return self
        }
    }
}
