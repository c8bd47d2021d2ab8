import Foundation
import Gateway
import Testing

/// What we tell people to copy must be accepted.
@Suite struct ExampleConfigurationTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private func diagnostics(_ text: String, _ name: String) -> [Diagnostic] {
        Configuration.read(Array(text.utf8), fileName: name) { profile in
            let path = Self.root.appendingPathComponent("board/profiles/\(profile).json5").path
            guard let data = FileManager.default.contents(atPath: path) else {
                return .failure(ProfileFailure("is not in board/profiles"))
            }
            return .success(ProfileFile(path: path, bytes: Array(data)))
        }.1
    }

    private func text(_ path: String) throws -> String {
        try String(contentsOf: Self.root.appendingPathComponent(path), encoding: .utf8)
    }

    /// Nothing but that the host is one to be filled in.
    private func problems(_ text: String, _ name: String) -> [String] {
        diagnostics(text, name)
            .filter {
                $0.severity == .error
                    || !$0.message.contains("\"mqtt.your-region.example\" is a placeholder")
            }
            .map(\.description)
    }

    @Test(arguments: ["raspberry-pi", "industrial-pc"])
    func everyExampleOfABoardHasNoProblem(_ board: String) throws {
        let folder = Self.root.appendingPathComponent("board/\(board)").path
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter {
            $0.hasSuffix(".json5")
        }
        #expect(!names.isEmpty)
        for name in names {
            let path = "board/\(board)/\(name)"
            #expect(problems(try text(path), path) == [])
        }
    }

    @Test func everyConfigurationInTheDocumentsHasNoProblem() throws {
        let names = try FileManager.default.contentsOfDirectory(
            atPath: Self.root.appendingPathComponent("board/docs").path)
        let all = try (["README.md"] + names.sorted().map { "board/docs/\($0)" }).map(text).joined(
            separator: "\n")
        let blocks = all.components(separatedBy: "```json5\n").dropFirst()
            .map { $0.components(separatedBy: "\n```")[0] }
            // Others show a part of one.
            .filter { $0.hasPrefix("{") }
        #expect(blocks.count >= 3)
        for block in blocks { #expect(problems(block, "a document") == []) }
    }
}
