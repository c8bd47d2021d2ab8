import Base

/// Search for `${NAME}` in texts: some programs put a variable in its place, this one does not.
struct LiteralVariables {
    private let problems: Problems
    private let file: String
    /// Places told of one file at most.
    private static let countMax = 100

    init(_ problems: Problems, file: String) {
        self.problems = problems
        self.file = file
    }

    /// Remarks every key and text that has one. The text itself is not shown: it may be a secret.
    func remark(_ root: JSON) {
        var rest = [root]
        var count = 0
        while let json = rest.popLast(), count < Self.countMax {
            switch json.kind {
            case .string(let text): note(text, at: json.position, &count)
            case .array(let items): rest += items
            case .object(let members):
                for member in members {
                    note(member.name, at: member.position, &count)
                    rest.append(member.value)
                }
            default: break
            }
        }
    }

    private func note(_ text: ByteString, at position: TextPosition, _ count: inout Int) {
        guard Self.hasVariable(text) else { return }
        count += 1
        problems.remark(
            FilePlace(file, position),
            "${NAME} is taken as it is written: no variable is put in its place")
    }

    /// A dollar sign, and a word in braces.
    private static func hasVariable(_ text: ByteString) -> Bool {
        var rest = text.utf8[...]
        while let dollar = rest.firstIndex(of: 0x24) {
            rest = rest[dollar...].dropFirst()
            guard rest.first == 0x7B else { continue }
            let name = rest.dropFirst().prefix { isWord($0) }
            if !name.isEmpty, rest.dropFirst(name.count + 1).first == 0x7D { return true }
        }
        return false
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
        default: false
        }
    }
}
