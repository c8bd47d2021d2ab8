/// The command line's table for a shell that completes words: verbs, the options of a verb, and
/// file names everywhere else. Packages ship what `PROGRAM help --completion SHELL` prints, so it
/// cannot be out of date.
extension VerbTable {
    package enum Shell: String, CaseIterable, Sendable { case bash, zsh, fish }

    package func completion(for shell: Shell) -> String {
        switch shell {
        case .bash: bash
        case .zsh: zsh
        case .fish: fish
        }
    }

    private var bash: String {
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

    private var zsh: String {
        let names = verbs.map { "        '\($0.name):\(Self.escaped($0.summary))'" }
        let cases = verbs.map { verb in
            let options = verb.options.map { option in
                "'--\(option.name)[\(Self.escaped(option.help, marking: "[]:"))]"
                    + (option.value.map { ":\(Self.escaped($0, marking: ":")):_files'" } ?? "'")
            }
            let all = options + ["'--help[what it does]'", "'*:file:_files'"]
            return "        \(verb.name)) _arguments \(all.joined(separator: " ")) ;;"
        }
        return """
            #compdef \(program)
            _\(program)() {
                local -a verbs=(
            \(names.joined(separator: "\n"))
                )
                if (( CURRENT == 2 )); then
                    _describe verb verbs
                    return
                fi
                shift words
                (( CURRENT -= 1 ))
                case $words[1] in
            \(cases.joined(separator: "\n"))
                esac
            }
            compdef _\(program) \(program)
            """
    }

    private var fish: String {
        var lines = ["# fish completion for \(program)"]
        for verb in verbs {
            lines.append(
                "complete -c \(program) -f -n __fish_use_subcommand -a \(verb.name) "
                    + "-d '\(Self.escaped(verb.summary))'"
            )
            for option in verb.options {
                lines.append(
                    "complete -c \(program) -n '__fish_seen_subcommand_from \(verb.name)' "
                        + "-l \(option.name)\(option.value == nil ? "" : " -r") "
                        + "-d '\(Self.escaped(option.help))'")
            }
        }
        return lines.joined(separator: "\n")
    }

    /// Text between single quotes: fish and zsh both take `\'` for one after the quote has ended.
    private static func escaped(_ text: String, marking special: String = "") -> String {
        text.reduce(into: "") { out, character in
            if character == "'" {
                out += "'\\''"
            } else {
                if special.contains(character) { out += "\\" }
                out.append(character)
            }
        }
    }
}
