import Base
import Glibc

/// One verb of a command: what `--help` says about it and what it does.
package struct Verb: Sendable {
    package var name: String
    package var arguments: String
    package var summary: String
    /// More than a line, for `VERB --help`; may be empty.
    package var details: String
    package var options: [Option]
    package var run: @Sendable (Arguments) throws -> ExitCode

    package init(
        _ name: String, _ arguments: String = "", summary: String, details: String = "",
        options: [Option] = [],
        run: @escaping @Sendable (Arguments) throws -> ExitCode
    ) {
        self.name = name
        self.arguments = arguments
        self.summary = summary
        self.details = details
        self.options = options
        self.run = run
    }
}

/// A command line that is a table of verbs.
package struct VerbTable: Sendable {
    package var program: String
    package var summary: String
    package var verbs: [Verb]
    package var version: String
    /// For the manual page: paths that the program knows, and other pages.
    package var files: [(path: String, meaning: String)]
    /// For the manual page: variables that it reads.
    package var environment: [(path: String, meaning: String)]
    package var seeAlso: [String]
    /// Other texts that `help` prints.
    package var texts: [HelpText]
    /// Manual pages beside its own.
    package var pages: @Sendable () -> [ReferencePage]

    package init(
        program: String, summary: String, version: String, verbs: [Verb],
        files: [(path: String, meaning: String)] = [],
        environment: [(path: String, meaning: String)] = [], seeAlso: [String] = [],
        texts: [HelpText] = [], pages: @escaping @Sendable () -> [ReferencePage] = { [] }
    ) {
        self.program = program
        self.summary = summary
        self.version = version
        self.verbs = verbs
        self.files = files
        self.environment = environment
        self.seeAlso = seeAlso
        self.texts = texts
        self.pages = pages
    }

    /// Columns of help that does not go to a terminal.
    private static let widthOfText = 100

    /// Runs the verb that this process was started with, and ends it.
    package func main() -> Never {
        exit(conclude(run(Array(CommandLine.arguments.dropFirst()))).rawValue)
    }

    /// Runs what the words say; complaints go to standard error.
    package func run(_ words: [String]) -> ExitCode {
        guard let first = words.first else {
            Console.complain(overview)
            return .usage
        }
        if ["--help", "-h", "help"].contains(first) {
            return help(words.dropFirst())
        }
        if first == "--version" {
            Console.say("\(program) \(version)")
            return .ok
        }
        guard let verb = verbs.first(where: { $0.name == first }) else { return unknown(first) }
        if words.dropFirst().contains(where: { $0 == "--help" || $0 == "-h" }) {
            Console.say(help(verb))
            return .ok
        }
        do {
            return try verb.run(try Arguments(words.dropFirst(), options: verb.options))
        } catch let misuse as Arguments.Misuse {
            Console.complain(
                "\(program) \(verb.name): \(misuse.message); see \(program) \(verb.name) --help")
            return .usage
        } catch let code as ExitCode {
            return code
        } catch {
            Console.complain("\(program) \(verb.name): \(error)")
            return .software
        }
    }

    /// Results that could not be written make a verb that went well fail. A pipe that its reader
    /// has closed is no surprise to anybody: nothing is said then.
    private func conclude(_ code: ExitCode) -> ExitCode {
        guard let failure = Console.outputFailure else { return code }
        if !failure.isBrokenPipe {
            Console.complain("\(program): standard output: \(failure.words)")
        }
        return code == .ok ? .inputOutput : code
    }

    /// `help`, `help VERB`, `help --man [PAGE]`, `help --completion SHELL`, and `texts`.
    private func help(_ words: ArraySlice<String>) -> ExitCode {
        if let text = texts.first(where: { "--\($0.option)" == words.first }) {
            Console.say(text.text())
            return .ok
        }
        switch words.first {
        case "--man": return showManual(words.dropFirst().first ?? program)
        case "--completion":
            guard let shell = words.dropFirst().first.flatMap({ Shell(rawValue: $0) }) else {
                let known = Shell.allCases.map(\.rawValue).joined(separator: ", ")
                Console.complain("\(program) help: --completion takes one of \(known)")
                return .usage
            }
            Console.say(completion(for: shell))
        case let name?:
            guard let verb = verbs.first(where: { $0.name == name }) else { return unknown(name) }
            Console.say(help(verb))
        case nil: Console.say(overview)
        }
        return .ok
    }

    private func showManual(_ name: String) -> ExitCode {
        let pages = pages()
        if name == program {
            Console.say(manualPage)
        } else if let page = pages.first(where: { $0.name == name }) {
            Console.say(page.manualPage(of: "\(program) \(version)"))
        } else {
            let known = ([program] + pages.map(\.name)).joined(separator: ", ")
            Console.complain("\(program) help: --man takes one of \(known)")
            return .usage
        }
        return .ok
    }

    private func unknown(_ name: String) -> ExitCode {
        let near = Suggestion.nearest(to: name, in: verbs.map(\.name))
        let hint = near.map { "did you mean \"\($0)\"?" } ?? "\(program) --help lists the verbs"
        Console.complain("\(program): no verb \"\(name)\"; \(hint)")
        return .usage
    }

    private var overview: String {
        var lines = [summary, "", "usage: \(program) VERB [options] [arguments]", ""]
        let width = verbs.map { $0.name.count + $0.arguments.count + 1 }.max() ?? 0
        for verb in verbs {
            let left = verb.arguments.isEmpty ? verb.name : "\(verb.name) \(verb.arguments)"
            lines.append(
                "  " + left + String(repeating: " ", count: width - left.count + 2) + verb.summary)
        }
        lines.append(contentsOf: [
            "", "\(program) VERB --help tells more. Exit codes are those of sysexits.h.",
        ])
        return lines.joined(separator: "\n")
    }

    private func help(_ verb: Verb) -> String {
        var usage = "usage: \(program) \(verb.name)"
        if !verb.options.isEmpty { usage += " [options]" }
        if !verb.arguments.isEmpty { usage += " \(verb.arguments)" }
        let width = Machine.terminalWidth(1).map { max(40, $0) } ?? Self.widthOfText
        var lines = TextWrap.lines(of: verb.summary, width: width)
        lines += [""] + TextWrap.lines(of: usage, width: width)
        for part in TextWrap.parts(of: verb.details) {
            switch part {
            case .paragraph(let text): lines += [""] + TextWrap.lines(of: text, width: width)
            case .asItIs(let text): lines += ["", text]
            }
        }
        if !verb.options.isEmpty { lines.append("") }
        let names = verb.options.map { "--\($0.name)" + ($0.value.map { " \($0)" } ?? "") }
        let column = min(names.map(\.count).max() ?? 0, width / 2) + 4
        for (name, option) in zip(names, verb.options) {
            var help = TextWrap.lines(of: option.help, width: max(20, width - column))[...]
            let left = "  " + name
            if left.count + 2 <= column, let first = help.popFirst() {
                lines.append(left + String(repeating: " ", count: column - left.count) + first)
            } else {
                lines.append(left)
            }
            lines += help.map { String(repeating: " ", count: column) + $0 }
        }
        return lines.joined(separator: "\n")
    }
}
