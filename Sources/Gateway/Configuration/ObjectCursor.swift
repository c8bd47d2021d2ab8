import Base

/// One value of a configuration with the file it came from: a node may take members from a profile.
struct Field {
    var name: ByteString
    var json: JSON
    var file: String
    var keyPosition: TextPosition

    /// Where the value starts; problems with a value are told there.
    var place: FilePlace { FilePlace(file, json.position) }
    /// The name in messages.
    var shown: String { name.prefix(64) }
    /// Where its key starts; unknown and duplicate keys are told there.
    var keyPlace: FilePlace { FilePlace(file, keyPosition) }
}

/// Reads one object: every key that is asked for counts as known, and `finish` reports the others
/// with what was probably meant. Duplicates are reported at once and the first one is used.
///
/// A getter that finds a wrong value reports it and answers like for a missing key, so that reading
/// goes on and one run tells everything.
struct ObjectCursor {
    let problems: Problems
    let place: FilePlace
    /// Name of the object in messages: `port "bus-a"`.
    let what: String
    /// Declarations of its keys; nil where their names are the owner's choice.
    private let section: KeySection?
    private(set) var fields: [Field] = []
    private var asked: [ByteString] = []
    private var missing: [ByteString] = []

    /// Nil, and reported, if `field` is no object.
    init?(
        _ field: Field, _ what: String, _ problems: Problems, _ section: KeySection? = nil
    ) {
        self.problems = problems
        self.what = what
        self.section = section
        place = field.place
        guard let members = field.json.members else {
            problems.error(field.place, "\(what) must be an object, not \(field.json.describe)")
            return nil
        }
        var seen: [ByteString: TextPosition] = [:]
        for member in members {
            let new = Field(
                name: member.name, json: member.value,
                file: problems.file(of: member.value.position, in: field.file),
                keyPosition: member.position)
            if let first = seen.updateValue(member.position, forKey: member.name) {
                seen[member.name] = first
                problems.error(
                    new.keyPlace,
                    "duplicate key \"\(new.shown)\"; it is given first at line \(first.line)")
            } else {
                fields.append(new)
            }
        }
    }

    /// Takes from `other` the members that are not given here: a profile under a node's own keys. A
    /// key that is `null` here takes away the other's.
    mutating func inherit(_ other: ObjectCursor, except kept: Set<ByteString> = []) {
        let own = Set(fields.map(\.name)).union(kept)
        let theirs = Set(other.fields.map(\.name))
        fields.removeAll { field in
            field.json.isNull && theirs.contains(field.name) && !kept.contains(field.name)
        }
        fields.append(contentsOf: other.fields.filter { !own.contains($0.name) })
    }

    mutating func remove(where unwanted: (Field) -> Bool) { fields.removeAll(where: unwanted) }

    func has(_ key: ByteString) -> Bool { fields.contains { $0.name == key } }

    mutating func take(_ key: ByteString) -> Field? {
        assert(section == nil || section?[key] != nil, "\(key) of \(what) is not declared")
        asked.append(key)
        return fields.first { $0.name == key }
    }

    /// As `take`; `finish` reports it if it is not there.
    mutating func require(_ key: ByteString) -> Field? {
        let field = take(key)
        if field == nil { missing.append(key) }
        return field
    }

    /// Declared values of a key that has its bounds in the table.
    func declared(_ key: ByteString) -> KeyValue {
        guard let declaration = section?[key] else {
            preconditionFailure("\(key) of \(what) is not declared")
        }
        return declaration.value
    }

    /// Known but not used under these circumstances: `why` finishes the sentence `"key" …`.
    mutating func ignore(_ keys: [ByteString], _ why: String) {
        for key in keys {
            guard let field = take(key) else { continue }
            problems.warning(field.keyPlace, "\"\(key)\" \(why)")
        }
    }

    mutating func object(_ key: ByteString) -> ObjectCursor? {
        let inner = section?[key]?.value.sections.first
        return take(key).flatMap { ObjectCursor($0, "\"\(key)\"", problems, inner) }
    }

    /// Reports what was not asked for and what was asked for in vain. A missing key that somebody
    /// mistyped is told once, as the unknown key.
    func finish() {
        // Mostly all is as it should be, and the lists below are not needed.
        if missing.isEmpty, fields.allSatisfy({ asked.contains($0.name) }) { return }
        let known = Set(asked)
        let open = asked.filter { !has($0) }
        var mistyped: Set<ByteString> = []
        for field in fields where !known.contains(field.name) && !problems.isFull {
            let isOwn = field.file == place.file || problems.isSource(field.file)
            let what = isOwn ? self.what : "the profile"
            if let guess = Suggestion.nearest(to: field.name, in: open) {
                mistyped.insert(guess)
                problems.error(
                    field.keyPlace,
                    "unknown key \"\(field.shown)\" in \(what); did you mean \"\(guess)\"?")
            } else {
                var words: [ByteString] = []
                for key in asked where !words.contains(key) { words.append(key) }
                problems.error(
                    field.keyPlace,
                    "unknown key \"\(field.shown)\" in \(what); known here: \(words.map(\.string).joined(separator: ", "))"
                )
            }
        }
        for key in missing where !mistyped.contains(key) {
            problems.error(place, "\"\(key)\" is missing in \(what)")
        }
    }
}
