/// A manual page of a file's format (man(7)): sections of entries, each with what it takes.
package struct ReferencePage: Sendable {
    package struct Entry: Sendable {
        package var name: String
        package var value: String
        package var words: String

        package init(name: String, value: String, words: String) {
            self.name = name
            self.value = value
            self.words = words
        }
    }

    package struct Section: Sendable {
        package var title: String
        package var words: String
        package var entries: [Entry]

        package init(title: String, words: String, entries: [Entry]) {
            self.title = title
            self.words = words
            self.entries = entries
        }
    }

    /// As `man 5 NAME` takes it.
    package var name: String
    package var summary: String
    /// Paragraphs before the sections.
    package var description: [String]
    package var sections: [Section]
    package var seeAlso: [String]

    package init(
        name: String, summary: String, description: [String], sections: [Section],
        seeAlso: [String]
    ) {
        self.name = name
        self.summary = summary
        self.description = description
        self.sections = sections
        self.seeAlso = seeAlso
    }

    /// - Parameter program: the program and its version, for the foot of the page.
    func manualPage(of program: String) -> String {
        let roff = VerbTable.roff
        var lines = [
            ".TH \(name.uppercased()) 5 \"\" \"\(program)\" \"File Formats\"", ".SH NAME",
            "\(roff(name)) \\- \(roff(summary))", ".SH DESCRIPTION",
        ]
        for paragraph in description { lines += [".PP", roff(paragraph)] }
        for section in sections {
            lines += [".SH \(roff(section.title.uppercased()))", roff(section.words)]
            for entry in section.entries {
                lines += [
                    ".TP", "\\fB\(roff(entry.name))\\fR (\(roff(entry.value)))", roff(entry.words),
                ]
            }
        }
        lines += [".SH SEE ALSO", roff(seeAlso.joined(separator: ", "))]
        return lines.joined(separator: "\n")
    }
}

/// A text that `PROGRAM help --OPTION` prints.
package struct HelpText: Sendable {
    package var option: String
    package var text: @Sendable () -> String

    package init(_ option: String, _ text: @escaping @Sendable () -> String) {
        self.option = option
        self.text = text
    }
}
