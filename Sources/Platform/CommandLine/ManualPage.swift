/// The command line's table as a manual page (man(7)): packages ship what `PROGRAM help --man`
/// prints, so it cannot be out of date.
extension VerbTable {
    package var manualPage: String {
        var lines = [
            ".TH \(program.uppercased()) 1 \"\" \"\(program) \(version)\" \"User Commands\"",
            ".SH NAME",
            "\(program) \\- \(Self.roff(summary))", ".SH SYNOPSIS", ".B \(program)",
            "VERB [options] [arguments]", ".SH VERBS",
        ]
        for verb in verbs {
            lines.append(".SS \(Self.roff(verb.name)) \(Self.roff(verb.arguments))")
            lines.append(
                Self.roff(verb.summary.prefix(1).uppercased() + verb.summary.dropFirst() + "."))
            for part in TextWrap.parts(of: verb.details) {
                switch part {
                case .paragraph(let text): lines += [".PP", Self.roff(text)]
                case .asItIs(let text): lines += [".PP", ".nf", Self.roff(text), ".fi"]
                }
            }
            for option in verb.options {
                let value = option.value.map { " \\fI\(Self.roff($0))\\fR" } ?? ""
                lines += [
                    ".TP", "\\fB\\-\\-\(Self.roff(option.name))\\fR\(value)",
                    Self.roff(option.help),
                ]
            }
        }
        lines.append(".SH EXIT STATUS")
        for code in ExitCode.allCases {
            lines += [".TP", ".B \(code.rawValue)", Self.roff(code.meaning)]
        }
        for (title, entries) in [("ENVIRONMENT", environment), ("FILES", files)]
        where !entries.isEmpty {
            lines.append(".SH \(title)")
            for entry in entries {
                lines += [".TP", ".I \(Self.roff(entry.path))", Self.roff(entry.meaning)]
            }
        }
        if !seeAlso.isEmpty {
            lines += [".SH SEE ALSO", Self.roff(seeAlso.joined(separator: ", "))]
        }
        return lines.joined(separator: "\n")
    }

    /// Text as roff takes it: backslashes and hyphens marked, a dot or quote at the start of a line
    /// too.
    static func roff(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            var out = ""
            for character in line {
                switch character {
                case "\\": out += "\\e"
                case "-": out += "\\-"
                default: out.append(character)
                }
            }
            return out.hasPrefix(".") || out.hasPrefix("'") ? "\\&" + out : out
        }.joined(separator: "\n")
    }
}
