import Foundation
import Testing

/// What the packages ship beside the programs, in the shells and the formatter that read it.
@Suite struct CompletionPeerTests {
    private func help(_ words: [String]) throws -> String {
        let (code, output, errors) = try Peer(try Tools.fieldgw(), ["help"] + words).finish()
        #expect(code == 0 && errors.isEmpty, "\(errors)")
        return output
    }

    private func file(_ shell: String, in workspace: Workspace) throws -> String {
        try workspace.write("completion.\(shell)", try help(["--completion", shell]))
    }

    private func run(_ program: String, package: String, _ words: [String]) throws -> String {
        let (code, output, errors) = try Peer(try Tools.find(program, package: package), words)
            .finish()
        #expect(code == 0 && errors.isEmpty, "\(program): \(errors)")
        return output
    }

    @Test(.timeLimit(.minutes(2)))
    func bashCompletesVerbsAndOptions() throws {
        let workspace = try Workspace()
        defer { withExtendedLifetime(workspace) {} }
        let file = try file("bash", in: workspace)
        for (words, place, wanted) in [
            ("fieldgw sta", 1, "status"), ("fieldgw read --eve", 2, "--every"),
        ] {
            let script =
                "source \(file); COMP_WORDS=(\(words)); COMP_CWORD=\(place); _fieldgw; "
                + "echo \"${COMPREPLY[@]}\""
            #expect(try run("bash", package: "bash", ["-c", script]) == wanted + "\n")
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func fishCompletesVerbsAndOptions() throws {
        let workspace = try Workspace()
        defer { withExtendedLifetime(workspace) {} }
        let file = try file("fish", in: workspace)
        for (words, wanted) in [("fieldgw sta", "status\t"), ("fieldgw read --eve", "--every\t")] {
            let script = "source \(file); complete -C '\(words)'"
            let found = try run("fish", package: "fish", ["--no-config", "-c", script])
            #expect(found.hasPrefix(wanted) && found.split(separator: "\n").count == 1, "\(found)")
        }
    }

    /// zsh completes inside its line editor only, so it is asked for the words that it would offer.
    @Test(.timeLimit(.minutes(2)))
    func zshCompletesVerbsAndOptions() throws {
        let workspace = try Workspace()
        defer { withExtendedLifetime(workspace) {} }
        let file = try file("zsh", in: workspace)
        for (words, count, wanted) in [
            ("fieldgw sta", 2, "status:"), ("fieldgw read --eve", 3, "--every["),
        ] {
            let script = """
                compdef() { :; }; _describe() { print -l "${(@P)2}"; }
                _arguments() { print -l -- "$@"; }
                source \(file); words=(\(words)); CURRENT=\(count); _fieldgw
                """
            let found = try run("zsh", package: "zsh", ["-f", "-c", script])
            #expect(found.split(separator: "\n").contains { $0.hasPrefix(wanted) }, "\(found)")
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func anUnknownShellIsRefused() throws {
        let (code, _, errors) = try Peer(
            try Tools.fieldgw(), ["help", "--completion", "tcsh"]
        ).finish()
        #expect(code == 64 && errors.contains("bash, zsh, fish"), "\(errors)")
    }

    /// Without a warning of the formatter, and in 80 columns but for what is a table.
    @Test(
        .timeLimit(.minutes(2)),
        arguments: [
            ("fieldgw", ["EXIT STATUS", "ENVIRONMENT", "FILES", "fieldgw.service"]),
            ("fieldgw.json5", ["maxBytes", "WRITABLE", "priorityReserve", "[1s]"]),
        ])
    func aManualPageIsSetInEightyColumns(_ name: String, _ parts: [String]) throws {
        let workspace = try Workspace()
        defer { withExtendedLifetime(workspace) {} }
        let page = try workspace.write(name, try help(["--man", name]))
        let (code, output, errors) = try Peer(
            try Tools.find("groff", package: "groff-base"),
            ["-k", "-man", "-Tutf8", "-ww", "-rLL=78n", "-P-c", "-P-b", "-P-u", page]
        ).finish()
        #expect(code == 0 && errors.isEmpty, "\(errors)")
        for part in parts { #expect(output.contains(part), "\(part)") }
        let wide = output.split(separator: "\n").filter { $0.count > 80 }
        #expect(wide.isEmpty, "\(wide.prefix(10))")
    }

    @Test(.timeLimit(.minutes(2)))
    func anUnknownPageIsRefused() throws {
        let (code, _, errors) = try Peer(try Tools.fieldgw(), ["help", "--man", "fstab"]).finish()
        #expect(code == 64 && errors.contains("fieldgw, fieldgw.json5"), "\(errors)")
    }

    /// Where there is no terminal it is no wider than 100 columns.
    @Test(.timeLimit(.minutes(2)))
    func helpIsWrapped() throws {
        for verb in ["run", "check", "read", "write", "scan", "status", "poll"] {
            let wide = try help([verb]).split(separator: "\n").filter { $0.count > 100 }
            #expect(wide.isEmpty, "\(verb): \(wide)")
        }
    }
}
