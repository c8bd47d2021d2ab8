import Base
import Foundation
import Gateway
import TestKit
import Testing

/// The page for people: one document that needs nothing from elsewhere and says all of it without
/// its script.
@Suite struct PageTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Sources/Gateway/Door")

    /// The embedded texts are those of the page's own files.
    @Test func theEmbeddedTextsAreThoseOfTheFiles() throws {
        let files = try FileManager.default.contentsOfDirectory(
            atPath: Self.folder.appendingPathComponent("Page").path)
        #expect(files.count == 7)
        for file in files {
            let name = file == "page.css" ? "style" : String(file.prefix { $0 != "." })
            let text = try String(
                contentsOf: Self.folder.appendingPathComponent("Page/\(file)"), encoding: .utf8)
            let swift = try String(
                contentsOf: Self.folder.appendingPathComponent("PageText/\(name).swift"),
                encoding: .utf8)
            #expect(
                swift.contains("static let \(name) = ###\"\"\"\n\(text)\"\"\"###\n"),
                "\(file): run board/setup/embed-page")
            #expect(!text.contains("\"\"\"###") && !text.contains("\\###"))
        }
    }

    private func part(_ text: String, _ tag: String) throws -> String {
        let start = try #require(text.range(of: "<\(tag)>")),
            end = try #require(text.range(of: "</\(tag)>"))
        return String(text[start.upperBound..<end.lowerBound])
    }

    @Test func itRunsNothingButItsOwnScript() throws {
        var world = try DoorWorld()
        world.run(for: .seconds(2))
        let reply = try world.ask("/")
        #expect(reply.status == 200 && reply.head.contains("text/html"))
        #expect(reply.body.count < 80 << 10, "\(reply.body.count) bytes")
        for (tag, rule) in [("script", "script-src"), ("style", "style-src")] {
            let digest = Base64.encode(SHA256.digest(Array(try part(reply.text, tag).utf8)))
            #expect(reply.head.contains("\(rule) 'sha256-\(digest)'"), "\(reply.head)")
        }
        #expect(reply.head.contains("default-src 'none'") && !reply.head.contains("unsafe"))
        let markup = reply.text.replacing(try part(reply.text, "script"), with: "").replacing(
            "http://www.w3.org/2000/svg", with: "")
        #expect(
            !markup.contains("://") && !markup.contains("style=\"") && !markup.contains(" onclick"))
        #expect(
            !(try part(reply.text, "script")).replacing("http://www.w3.org/2000/svg", with: "")
                .contains("://"))
    }

    @Test func theOverviewIsRightWithoutAScript() throws {
        var world = try DoorWorld(
            nodes: """
                "a<b>&c": { unit: 1, points: { level: { holding: 0, units: "<m>" }, "raw": { holding: 1, hidden: true } } },
                "gone-2": { unit: 2, points: { a: { holding: 0 } } }
                """)
        world.silent = [2]
        world.run(for: .seconds(30))
        let text = try world.ask("/").text
        #expect(text.contains("<td class=\"who\">a&lt;b&gt;&amp;c</td>") && !text.contains("<b>&c"))
        #expect(text.contains("<span class=\"unit\">&lt;m&gt;</span>") && !text.contains(">raw<"))
        #expect(
            text.contains("○ offline") && text.contains("● online")
                && text.contains("0 of 2 devices attached"))
        #expect(!text.contains("&lt;time") && !text.contains("&amp;lt;"))
        #expect(text.contains("<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>"))
        #expect(
            text.contains("<strong>bridge</strong> ") && text.contains("<strong>gone-2</strong> "))
    }

    @Test func aBrowserComesInWithTheToken() throws {
        var world = try DoorWorld("listen: \"127.0.0.1:8420\", token: \"\(DoorWorld.token)\"")
        let asked = try world.ask("/")
        #expect(
            asked.status == 401 && asked.text.contains("type=\"password\"")
                && !asked.text.contains("meter-1"))
        let wrong = try world.ask("/login", "POST", body: "token=guess")
        #expect(wrong.status == 401 && wrong.text.contains("That was not it."))
        let foreign = try world.ask(
            "/login", "POST", headers: ["Origin: http://evil.example"],
            body: "token=\(DoorWorld.token)")
        #expect(foreign.status == 403)
        let right = try world.ask(
            "/login", "POST", headers: ["Origin: http://localhost:8420"],
            body: "token=\(DoorWorld.token)")
        #expect(right.status == 303 && right.head.contains("Location: /"))
        let header = try #require(
            right.head.split(separator: "\r\n").first { $0.hasPrefix("Set-Cookie: ") })
        #expect(header.contains("HttpOnly; SameSite=Strict") && !header.contains(DoorWorld.token))
        let cookie = try #require(header.dropFirst(12).split(separator: ";").first)
        #expect(try world.ask("/", headers: ["Cookie: a=b; \(cookie)"]).text.contains("meter-1"))
        #expect(try world.ask("/metrics", headers: ["Cookie: \(cookie)"]).status == 200)
        #expect(try world.ask("/", headers: ["Cookie: \(cookie)0"]).status == 401)
    }

    @Test func theSiteTellsWhatPointsAre() throws {
        var world = try DoorWorld(
            nodes: """
                "m": { unit: 7, points: { a: { input: 5, type: "int16", scale: 0.01, units: "V", writable: false },
                  b: { holding: 6, type: "float32", order: "CDAB", writable: { min: 1, max: 9, step: 2 } }, c: { coil: 1 } } }
                """.replacing(", writable: false", with: ""))
        let site = try world.ask("/api/v1/site").json
        #expect(
            site["ports"]?["bus-a"]?["line"]?.string == "115200 8N1"
                && site["actions"]?.bool == false)
        let device = site["devices"]?["m"]
        #expect(device?["address"]?.string == "bus-a:7")
        let points = device?["points"]?.array ?? []
        #expect(
            points.map { $0["place"]?.string } == [
                "input 5 int16", "holding 6 float32 CDAB", "coil 1",
            ])
        #expect(
            points[0]["decimals"]?.integer == 2 && points[1]["decimals"] == nil
                && points[1]["writable"]?["step"]?.double == 2)
    }

    @Test func aLineTellsItsFramesAndItsLastHour() throws {
        var world = try DoorWorld(
            nodes:
                "\"a\": { unit: 1, points: { x: { holding: 3 } } }, \"b\": { unit: 2, points: { x: { holding: 3 } } }"
        )
        world.run(for: .seconds(150))
        world.silent = [2]
        world.run(for: .seconds(300))
        let line = try world.ask("/api/v1/line?port=bus-a").json
        let frames = line["frames"]?.array ?? []
        #expect(
            frames.count == 50
                && frames.contains {
                    $0["text"]?.string == "unit 1  read holding 3" && $0["sent"]?.bool == true
                })
        #expect(
            frames.contains {
                $0["text"]?.string?.string.hasPrefix("unit 1  read holding 3: ") == true
            })
        let strips = try #require(line["strips"]?["1"]?.string),
            silent = try #require(line["strips"]?["2"]?.string)
        #expect(strips.string.suffix(7) == "1111111" && strips.count == 60, "\(strips)")
        #expect(silent.string.hasSuffix("44") && silent.string.contains("1"), "\(silent)")
        #expect(try world.ask("/api/v1/line?port=bus-b").status == 404)
    }
}
