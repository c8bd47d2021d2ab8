import Foundation

/// The repository's own files, as the layering and size tests read them.
enum Tree {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    struct Source {
        var path: String
        var target: String
        var lines: [String]
    }

    /// Every Swift file below Sources/ or Tests/, with the target it belongs to.
    static func sources(under folder: String) -> [Source] {
        let base = root.appendingPathComponent(folder)
        guard let walk = FileManager.default.enumerator(atPath: base.path) else { return [] }
        var found: [Source] = []
        for case let relative as String in walk where relative.hasSuffix(".swift") {
            guard let target = relative.split(separator: "/").first,
                let text = try? String(
                    contentsOf: base.appendingPathComponent(relative), encoding: .utf8)
            else { continue }
            found.append(
                Source(
                    path: "\(folder)/\(relative)", target: String(target),
                    lines: text.split(separator: "\n", omittingEmptySubsequences: false).map(
                        String.init)))
        }
        return found.sorted { $0.path < $1.path }
    }
}
