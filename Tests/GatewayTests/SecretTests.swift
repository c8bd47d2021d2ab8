import Base
import Gateway
import TestKit
import Testing

/// Nothing that stands where a secret may stand is ever in a message, however broken the file is.
@Suite struct SecretTests {
    /// Every piece of a secret begins with it.
    private static let mark = "Qzx"

    /// A configuration with `%` where its secrets stand; the other values are sound.
    private static let plain = """
        {
          bridge: { host: "h", gateway: "gw-1",
            proxy: %,
            username: %,
            password: %,
            clientCertificate: "a.crt", clientKey: %,
          },
          ports: { a: { device: "/d", nodes: {
            "node-1": { unit: 1, points: { x: { holding: 0 } } } } } },
        }
        """
    private static let cloud = """
        {
          bridge: { host: "h", gateway: "gw-1", project: "p", region: "r", registry: "g", privateKey: %, proxy: % },
          ports: { a: { device: "/d", nodes: {
            "node-1": { unit: 1, privateKey: %, points: { x: { holding: 0 } } } } } },
        }
        """

    /// The place of a secret, in which the secret itself was written.
    private static let placed = """
        {
          bridge: { host: "h", gateway: "gw-1",
            proxy: { url: %, password: { env: % } },
            username: { file: % },
            password: { credential: % },
            clientCertificate: "a.crt", clientKey: { env: % },
          },
          ports: { a: { device: "/d", nodes: { "node-1": { unit: 1, points: { x: { holding: 0 } } } } } },
        }
        """

    /// A secret as somebody may write it, mostly wrong. Its pieces hold what breaks a text.
    private static func secret(_ random: inout RandomSource) -> String {
        let joints = [
            "", " ", ": ", ", ", "\"", "'", "\\", "\\q", "{", "}", "[", "]", "-", "/*", "//", "#",
            "\\u12", "`", "“", "=", "@", "%", "\n", "\\\n",
        ]
        func pick<Item>(_ items: [Item]) -> Item { items[Int(random.next() % UInt64(items.count))] }
        var body = ""
        for _ in 0...(random.next() % 3) { body += mark + pick(["1", "a", "_"]) + pick(joints) }
        if random.next() % 4 == 0 { body = pick(["5", "0x", "-", "+", ".", "1e"]) + body }
        if random.next() % 6 == 0 {
            body = "-----BEGIN PRIVATE KEY-----\n\(body)\n\(mark)2\n-----END PRIVATE KEY-----"
        }
        if random.next() % 6 == 0 { body = "http://\(mark):\(body)@host:1" }
        // A line that looks like a member ends what is taken for the secret.
        if body.contains("\n") { body = body.replacing(":", with: ";") }
        switch random.next() % 8 {
        case 0: return body
        case 1: return "\"" + body
        case 2: return body + "\""
        case 3: return "'\(body)'"
        case 4: return "`\(body)`"
        case 5: return "“\(body)”"
        case 6: return "[\"\(body)\"]"
        default: return "\"\(body)\""
        }
    }

    @Test func noMessageQuotesWhatMayBeASecret() {
        var random = RandomSource(seed: 17)
        var told = 0
        for number in Effort.cases(4000) {
            var text = ""
            let templates = [Self.plain, Self.cloud, Self.placed]
            for (index, part) in templates[number % 3].split(separator: "%")
                .enumerated()
            {
                text +=
                    (index == 0
                        ? "" : random.next() % 2 == 0 ? Self.secret(&random) : "\"\(Self.mark)\"")
                    + part
            }
            // A character more or less somewhere, as typing makes it.
            if random.next() % 4 == 0 {
                let place = text.index(
                    text.startIndex, offsetBy: Int(random.next() % UInt64(text.count)))
                if !text[text.index(before: max(place, text.index(after: text.startIndex)))...]
                    .hasPrefix(Self.mark)
                {
                    text.insert(
                        contentsOf: ["\"", ",", "}", ":", " "][Int(random.next() % 5)], at: place)
                }
            }
            let (_, diagnostics) = Configuration.read(
                Array(text.utf8), fileName: "f",
                profileLoader: { _ in .failure(ProfileFailure("x")) })
            told += diagnostics.count
            for each in diagnostics where each.description.contains("Qz") {
                Issue.record("\(each.description)\n\(text)")
                return
            }
        }
        #expect(told > 1000)
    }

    /// The instance: a password without quotes.
    @Test func aPasswordWithoutQuotesIsToldAtItsPlaceAndNotShown() throws {
        let text =
            "{ bridge: { host: \"h\", gateway: \"gw-1\", username: \"u\",\n  password: hunter2,\n }, ports: {} }"
        let (_, diagnostics) = Configuration.read(
            Array(text.utf8), fileName: "f", profileLoader: { _ in .failure(ProfileFailure("x")) })
        let error = try #require(diagnostics.first { $0.severity == .error })
        #expect(
            error.place.position.line == 2 && error.message.contains("double quotes"), "\(error)")
        #expect(!diagnostics.contains { $0.message.contains("hunter2") })
    }

    @Test func aUserBeforeAHostIsNotShown() throws {
        for key in ["host", "fallback"] {
            let text =
                "{ bridge: { host: \"h\", gateway: \"gw-1\", \(key): \"mqtts://u:hunter2@broker:x\" }, ports: {} }"
                .replacing("host: \"h\", gateway: \"gw-1\", host", with: "gateway: \"gw-1\", host")
            let (_, diagnostics) = Configuration.read(
                Array(text.utf8), fileName: "f",
                profileLoader: { _ in .failure(ProfileFailure("x")) })
            #expect(diagnostics.contains { $0.message.contains("broker") }, "\(diagnostics)")
            #expect(!diagnostics.contains { $0.message.contains("hunter2") })
        }
    }

    @Test func aKeyWithADashIsToldHowToWrite() throws {
        let text =
            "{ bridge: { host: \"h\", gateway: \"gw-1\" }, ports: { bus-a: { device: \"/d\", nodes: {} }, c-d: 1 } }"
        let (_, diagnostics) = Configuration.read(
            Array(text.utf8), fileName: "f", profileLoader: { _ in .failure(ProfileFailure("x")) })
        let dashed = diagnostics.filter { $0.message.contains("put in quotes") }
        #expect(dashed.map(\.place.position.column) == [52, 88], "\(diagnostics)")
        #expect(dashed.first?.message == "a key with a dash is put in quotes: \"bus-a\"")
    }
}
