/// Text in lines of a given width.
package enum TextWrap {
    package enum Part: Equatable {
        /// Words that may be broken into lines anywhere between them.
        case paragraph(String)
        /// Lines that begin with blanks: examples, small tables.
        case asItIs(String)
    }

    /// - Parameter text: paragraphs end at an empty line, and where lines are indented.
    package static func parts(of text: String) -> [Part] {
        var parts: [Part] = []
        var isNew = true
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line.allSatisfy({ $0 == " " }) {
                isNew = true
                continue
            }
            switch (parts.last, line.hasPrefix(" ")) {
            case (.paragraph(let before), false) where !isNew:
                parts[parts.count - 1] = .paragraph(before + " " + line)
            case (.asItIs(let before), true) where !isNew:
                parts[parts.count - 1] = .asItIs(before + "\n" + line)
            case (_, let isIndented):
                parts.append(isIndented ? .asItIs(line) : .paragraph(line))
            }
            isNew = false
        }
        return parts
    }

    /// A paragraph in lines of at most `width` columns; a longer word has a line of its own.
    package static func lines(of paragraph: String, width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in paragraph.split(separator: " ") {
            if !line.isEmpty, TextWidth.of(line) + 1 + TextWidth.of(String(word)) > width {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        return line.isEmpty ? lines : lines + [line]
    }
}
