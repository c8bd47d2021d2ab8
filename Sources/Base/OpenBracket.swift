/// Search for the bracket of a JSON5 text that its author forgot to close. A parser notices only
/// at the end of the text. The bracket is told by indentation: a closing bracket that stands
/// further left than the line of its opening one was meant for an outer one.
struct OpenBracket {
    /// The opening bracket, `{` or `[`.
    let bracket: Unicode.Scalar
    let position: TextPosition

    private struct Open {
        var byte: UInt8
        var position: TextPosition
        /// Blanks before the first other character of its line.
        var indent: Int
    }

    /// Nil if every bracket is closed.
    static func find(in text: [UInt8]) -> OpenBracket? {
        var scan = Scan()
        var index = 0
        while index < text.count, !scan.isBeyond {
            let next = index + 1 < text.count ? text[index + 1] : 0
            index += scan.take(text[index], next)
        }
        return scan.found.map {
            OpenBracket(bracket: Unicode.Scalar($0.byte), position: $0.position)
        }
    }

    /// State of the search behind some bytes.
    private struct Scan {
        private enum Mode { case plain, string(UInt8), line, block }

        private var mode = Mode.plain
        private var open: [Open] = []
        private var suspect: Open?
        private var position = TextPosition(line: 1, column: 1)
        private var indent = 0
        private var isBlank = true
        /// A closing bracket without an opening one: what follows tells nothing.
        private(set) var isBeyond = false

        /// The one that is told: by its indentation, or else the innermost.
        var found: Open? { open.isEmpty ? nil : suspect ?? open.last }

        /// Takes one byte, or two that belong together, and answers how many.
        mutating func take(_ byte: UInt8, _ next: UInt8) -> Int {
            switch mode {
            case .plain:
                switch byte {
                case 0x22, 0x27: mode = .string(byte)
                case 0x2F where next == 0x2F: mode = .line
                case 0x2F where next == 0x2A: mode = .block
                case 0x7B, 0x5B: open.append(Open(byte: byte, position: position, indent: indent))
                case 0x7D, 0x5D: close(byte == 0x7D ? 0x7B : 0x5B)
                default: break
                }
            case .string(let quote):
                if byte == 0x5C {
                    step(byte)
                    step(next)
                    return 2
                }
                if byte == quote || byte == 0x0A { mode = .plain }
            case .line: if byte == 0x0A { mode = .plain }
            case .block:
                if byte == 0x2A, next == 0x2F {
                    mode = .plain
                    step(byte)
                    step(next)
                    return 2
                }
            }
            step(byte)
            return 1
        }

        private mutating func close(_ opening: UInt8) {
            guard let top = open.last else {
                isBeyond = true
                return
            }
            let isLeft = isBlank && position.line > top.position.line && indent < top.indent
            if suspect == nil, isLeft || top.byte != opening { suspect = top }
            // A bracket of the other kind closes the next one of its own kind.
            if top.byte == opening {
                open.removeLast()
            } else if open.count > 1 {
                open.remove(at: open.count - 2)
            }
        }

        private mutating func step(_ byte: UInt8) {
            if byte == 0x0A {
                position = TextPosition(line: position.line + 1, column: 1)
                (indent, isBlank) = (0, true)
                return
            }
            guard byte & 0xC0 != 0x80 else { return }
            position.column += 1
            if isBlank, byte == 0x20 || byte == 0x09 {
                indent += 1
            } else {
                isBlank = false
            }
        }
    }
}
