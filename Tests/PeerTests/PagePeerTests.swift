import Foundation
import Testing

/// The page of the real daemon in Debian's Chromium. What it looks like is kept in
/// .build/screenshots for a person.
@Suite(.serialized) struct PagePeerTests {
    @Test(.timeLimit(.minutes(5))) func thePageShowsWhatIsAndWorks() throws {
        let workspace = try Workspace()
        let shots = Tools.root.appendingPathComponent(".build/screenshots").path
        let look = try Peer(
            try Tools.python(),
            [
                "-B", "-u", Tools.peer("page.py"), try Tools.fieldgw(), try Tools.fieldsim(),
                try Tools.find("chromedriver", package: "chromium-driver"),
                try Tools.find("chromium", package: "chromium"),
                workspace.url.path, shots,
            ])
        var lines: [String] = []
        while let line = look.line(within: .seconds(150)) { lines.append(line) }
        let (code, _, errors) = look.finish()
        #expect(code == 0, "\(lines) \(errors)")
        #expect(lines.count { $0.hasPrefix("ok: ") } == 8, "\(lines)")
    }
}
