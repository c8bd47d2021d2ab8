import Foundation
import Testing

/// `top` and `watch` in a real terminal: tmux, whose windows can be read back.
@Suite(.serialized) struct TerminalPeerTests {
    /// A gateway with 60 units of which two do not answer, and a terminal beside it.
    private final class Site {
        let workspace = try! Workspace()
        let file: String
        private let tmux: String
        private let socket: String
        private let bus: Peer
        private let gateway: Peer

        init() throws {
            tmux = try Tools.find("tmux", package: "tmux")
            socket = workspace.path("tmux")
            let link = workspace.path("bus")
            bus = try Peer(
                try Tools.fieldsim(),
                [
                    "bus", "--units", "60", "--baud", "115200", "--parity", "none", "--dead",
                    "3,57", "--link", link,
                ], quiet: true)
            try Tools.until("the bus is there") { FileManager.default.fileExists(atPath: link) }
            let nodes = (1...60).map {
                "\"meter-\($0)\": { unit: \($0), points: { count: { holding: 0, units: \"W\" } } }"
            }
            file = try workspace.write(
                "gateway.json5",
                """
                {
                  bridge: { host: "127.0.0.1", port: \(try Tools.freePort()), tls: false,
                    gateway: "gw" },
                  spool: { directory: "spool" }, state: "state", clock: "trust",
                  ports: { "bus-a": { device: "\(link)", driver: "modbus-rtu", baud: 115200,
                    parity: "none", every: "2s", responseTimeout: "500ms",
                    nodes: { \(nodes.joined(separator: ",\n")) } } },
                }
                """)
            gateway = try Self.run(file)
            let file = file
            try Tools.until("the state of every unit is known") {
                let units = try Peer(try Tools.fieldgw(), ["top", "--json", "--config", file])
                    .finish().output.split(separator: "\n")
                func count(_ state: String) -> Int {
                    units.count { $0.contains("\"state\":\"\(state)\"") }
                }
                return count("offline") == 2 && count("online") == 58
            }
        }

        private static func run(_ file: String) throws -> Peer {
            try Peer(try Tools.fieldgw(), ["run", "--config", file], quiet: true)
        }

        func run() throws -> Peer { try Self.run(file) }

        @discardableResult func command(_ words: [String]) throws -> String {
            try Peer(tmux, ["-S", socket, "-f", "/dev/null"] + words).finish().output
        }

        /// - Parameter verb: what is typed behind the program's name.
        /// - Parameter environment: what is typed before it.
        func start(
            _ verb: String, _ environment: String = "", width: Int, height: Int
        ) throws {
            try command([
                "new-session", "-d", "-s", "t", "-x", "\(width)", "-y", "\(height)", "sh",
            ])
            try command(["set-option", "-g", "status", "off"])
            try command(["resize-window", "-t", "t", "-x", "\(width)", "-y", "\(height)"])
            let line = "\(environment) \(try Tools.fieldgw()) \(verb) --config \(file)"
            try command(["send-keys", "-t", "t", "clear; \(line)", "Enter"])
        }

        func end() throws { #expect(gateway.end().code == 0) }

        func keys(_ names: String...) throws { try command(["send-keys", "-t", "t"] + names) }

        /// - Parameter joined: lines that the terminal has wrapped are one.
        func screen(joined: Bool = false) throws -> [String] {
            try command(["capture-pane"] + (joined ? ["-J"] : []) + ["-p", "-t", "t"]).split(
                separator: "\n", omittingEmptySubsequences: false
            ).map(String.init)
        }

        func wait(_ what: String, _ holds: ([String]) -> Bool) throws {
            do {
                try Tools.until(what, within: 20) { holds(try screen()) }
            } catch {
                Issue.record("\(what): \(try screen().joined(separator: "\n"))")
                throw error
            }
        }

        func isAlternate() throws -> Bool {
            try command(["display-message", "-p", "-t", "t", "#{alternate_on}"]).hasPrefix("1")
        }

        deinit { _ = try? command(["kill-server"]) }

        func stop() throws {
            try command(["kill-server"])
            if !gateway.hasEnded { try end() }
            bus.stop()
        }
    }

    private static let headers: [Int: String] = [
        40: "port   unit  device    state    last an…",
        80: "port   unit  device    state    requests/s  timeouts/s  ",
        200: "port   unit  device    state    requests/s  timeouts/s  damaged/s  exceptions/s  "
            + "load %  last answer",
    ]

    @Test(.timeLimit(.minutes(5)), arguments: headers.keys.sorted())
    func topFitsScrollsFiltersAndLeavesTheTerminalAsItWas(_ width: Int) throws {
        let site = try Site()
        try site.start("top", width: width, height: 24)
        try site.wait("the table is there") { $0.contains { $0.contains("q quit") } }
        var screen = try site.screen()
        #expect(try site.screen(joined: true).allSatisfy { $0.count <= width }, "\(screen)")
        #expect(screen[2].hasPrefix(Self.headers[width] ?? "?"), "\(screen)")
        // Trouble first: both dead units, then the line or a unit that is well.
        let dead = ["bus-a     3  meter-3   offline", "bus-a    57  meter-57  offline"]
        #expect(Set(screen[3...4].map { String($0.prefix(30)) }) == Set(dead), "\(screen)")
        #expect(!screen[5].contains("offline"), "\(screen)")
        #expect(try site.isAlternate())

        try site.keys("NPage")
        try site.wait("it is scrolled") { $0.contains { $0.hasPrefix("21-40 of 61") } }
        try site.keys("Home", "/", "1", "7", "Enter")
        try site.wait("it is filtered") { $0.contains { $0.contains("filter 17") } }
        try site.keys("Escape")
        try site.wait("the filter is over") { $0.contains { $0.hasPrefix("1-20 of 61") } }

        try site.command(["resize-window", "-t", "t", "-x", "60", "-y", "12"])
        try site.wait("it has the new size") { $0.contains { $0.hasPrefix("1-8 of 61") } }
        screen = try site.screen()
        #expect(screen.count <= 13, "\(screen)")
        #expect(try site.screen(joined: true).allSatisfy { $0.count <= 60 }, "\(screen)")

        try site.keys("C-c")
        try site.wait("the terminal is as it was") { !$0.contains { $0.contains("q quit") } }
        #expect(try !site.isAlternate())
        try site.keys("echo A-B | tr A-B C-D", "Enter")
        // What was typed before the shell was ready may stand before it.
        try site.wait("it echoes again") {
            $0.contains { $0.hasSuffix("C-D") && !$0.contains("tr ") }
        }
        try site.stop()
    }

    @Test(.timeLimit(.minutes(5))) func watchFitsAndEndsWithItsKey() throws {
        let site = try Site()
        try site.start("watch", width: 80, height: 24)
        try site.wait("values are there") { $0.contains { $0.contains("meter-1 ") } }
        let screen = try site.screen()
        #expect(try site.screen(joined: true).allSatisfy { $0.count <= 80 }, "\(screen)")
        #expect(screen[0].hasPrefix("device"), "\(screen)")
        try site.keys("q")
        try site.wait("it is over") { !$0.contains { $0.contains("q quit") } }
        #expect(try !site.isAlternate())

        // Printed once, it is not wider either.
        try site.command(["resize-window", "-t", "t", "-x", "40", "-y", "24"])
        let fieldgw = try Tools.fieldgw()
        try site.keys("clear; \(fieldgw) top --once --config \(site.file); echo printed", "Enter")
        try site.wait("it was printed") { $0.contains { $0.hasPrefix("printed") } }
        #expect(try site.screen().contains { $0.hasPrefix("bus-a    60") })
        #expect(try site.screen(joined: true).allSatisfy { $0.count <= 40 })
        try site.stop()
    }

    /// A gateway that is started again is awaited, and its last answer stays until then.
    @Test(.timeLimit(.minutes(5))) func aGatewayThatIsGoneIsAwaited() throws {
        let site = try Site()
        try site.start("top", width: 80, height: 24)
        try site.wait("the table is there") { $0.contains { $0.contains("q quit") } }
        try site.end()
        try site.wait("it is told") { $0.contains { $0.hasPrefix("as it was before: ") } }
        #expect(try site.screen().contains { $0.contains("meter-57  offline") })
        let again = try site.run()
        try site.wait("it is back") { screen in
            !screen.contains { $0.hasPrefix("as it was before: ") }
                && screen.contains { $0.contains("q quit") }
        }
        #expect(again.end().code == 0)
        try site.keys("q")
        try site.wait("it is over") { !$0.contains { $0.contains("q quit") } }
        try site.keys("\(try Tools.fieldgw()) top --config \(site.file); echo code $?", "Enter")
        try site.wait("nothing answers") { $0.contains { $0.hasPrefix("code 69") } }
        #expect(try !site.isAlternate())
        try site.stop()
    }

    @Test(.timeLimit(.minutes(5))) func statusSaysWhyTheBridgeIsAwayAndWhenTheNextTryIs() throws {
        let site = try Site()
        var told = ""
        try Tools.until("a next try is told") {
            let status = try Peer(try Tools.fieldgw(), ["status", "--config", site.file]).finish()
            told =
                status.output.split(separator: "\n").first { $0.hasPrefix("bridge away") }
                .map(String.init) ?? ""
            return told.contains("; next try in ")
        }
        #expect(told.hasPrefix("bridge away, since 20") && told.contains("refuses"), "\(told)")
        try site.stop()
    }

    /// Colours only where a person sees them and wants them.
    @Test(.timeLimit(.minutes(5))) func coloursAreWantedOrNot() throws {
        let site = try Site()
        func isColoured(_ words: String, _ environment: String = "") throws -> Bool {
            try site.start("top \(words)", environment, width: 80, height: 24)
            try site.wait("the table is there") { $0.contains { $0.contains("q quit") } }
            let text = try site.command(["capture-pane", "-e", "-p", "-t", "t"])
            try site.command(["kill-session", "-t", "t"])
            return text.contains("\u{1B}[31m")
        }
        // Empty is as good as not set; tests have it set.
        #expect(try isColoured("", "NO_COLOR="))
        #expect(try !isColoured("", "NO_COLOR=1"))
        #expect(try !isColoured("--color never"))
        #expect(try isColoured("--color always", "NO_COLOR=1"))
        // Not on a terminal: a pipe has none unless it is asked for.
        for (words, isPainted) in [([], false), (["--color", "always"], true)] {
            let printed = try Peer(
                try Tools.fieldgw(), ["top", "--config", site.file] + words
            ).finish()
            #expect(printed.output.contains("\u{1B}[31mbus-a     3") == isPainted, "\(printed)")
        }
        let wrong = try Peer(
            try Tools.fieldgw(), ["top", "--color", "blue", "--config", site.file]
        ).finish()
        #expect(wrong.code == 64 && wrong.errors.contains("auto, always or never"), "\(wrong)")
        try site.stop()
    }
}
