/// The command line's table as a manual page (man(7)) and as bash completion: packages ship what
/// `PROGRAM help --man` and `PROGRAM help --completion bash` print, so neither can be out of date.
extension VerbTable {
    package var manualPage: String {
        var lines = [
            ".TH \(program.uppercased()) 1 \"\" \"\(program) \(version)\" \"User Commands\"",
            ".SH NAME",
            "\(program) \\- \(Self.roff(summary))", ".SH SYNOPSIS", ".B \(program)",
            "VERB [options] [arguments]", ".SH DESCRIPTION",
            "Exit codes are those of sysexits.h: 0 done, 64 usage, 65 bad data, 66 no input, 69 unavailable,",
            "70 internal, 74 input or output, 78 configuration.", ".SH VERBS",
        ]
        for verb in verbs {
            lines.append(".SS \(Self.roff(verb.name)) \(Self.roff(verb.arguments))")
            lines.append(
                Self.roff(verb.summary.prefix(1).uppercased() + verb.summary.dropFirst() + "."))
            if !verb.details.isEmpty { lines += [".PP", ".nf", Self.roff(verb.details), ".fi"] }
            for option in verb.options {
                let value = option.value.map { " \\fI\(Self.roff($0))\\fR" } ?? ""
                lines += [
                    ".TP", "\\fB\\-\\-\(Self.roff(option.name))\\fR\(value)",
                    Self.roff(option.help),
                ]
            }
        }
        if !files.isEmpty { lines.append(".SH FILES") }
        for file in files {
            lines += [".TP", ".I \(Self.roff(file.path))", Self.roff(file.meaning)]
        }
        if !seeAlso.isEmpty {
            lines += [".SH SEE ALSO", Self.roff(seeAlso.joined(separator: ", "))]
        }
        return lines.joined(separator: "\n")
    }

    /// Verbs first, then the verb's options, file names everywhere else.
    package var bashCompletion: String {
        let names = verbs.map(\.name).joined(separator: " ")
        let cases = verbs.map { verb in
            let options = (verb.options.map { "--\($0.name)" } + ["--help"]).joined(separator: " ")
            return "        \(verb.name)) words=\"\(options)\" ;;"
        }
        return """
            # bash completion for \(program)
            _\(program)() {
                local word=${COMP_WORDS[COMP_CWORD]} words=""
                COMPREPLY=()
                if [ "$COMP_CWORD" -eq 1 ]; then
                    COMPREPLY=($(compgen -W "\(names) --help --version" -- "$word"))
                    return
                fi
                case ${COMP_WORDS[1]} in
            \(cases.joined(separator: "\n"))
                esac
                case $word in
                    -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
                    *) COMPREPLY=($(compgen -f -- "$word")) ;;
                esac
            }
            complete -o filenames -F _\(program) \(program)
            """
    }

    /// Text as roff takes it: backslashes and hyphens marked, a dot or quote at the start of a line
    /// too.
    private static func roff(_ text: String) -> String {
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
