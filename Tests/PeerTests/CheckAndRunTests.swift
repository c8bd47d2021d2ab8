import Base
import Foundation
import Glibc
import Platform
import Testing

/// `check` finds whatever `run` refuses: random sound configurations with random defects in their
/// text, keys, certificates and directories, given to both programs.
@Suite(.serialized) struct CheckAndRunTests {
    /// A configuration in the making, and the files beside it.
    private struct Draft {
        var bridge: [String: String]
        var extra = ""
        var nodes = #""unit-1": { unit: 1, points: { a: { holding: 0 } } }"#
        var state = "state"
        var spool = "spool"

        var text: String {
            let members = bridge.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            return """
                {
                  bridge: { \(members.joined(separator: ", ")) },
                  state: "\(state)", spool: { directory: "\(spool)" }, \(extra)
                  ports: { "bus-a": { device: "nowhere", driver: "modbus-rtu", nodes: { \(nodes) } } },
                }
                """
        }
    }

    /// Keys and certificates, sound and not, made once: names in the workspace.
    private final class Site {
        let workspace = try! Workspace()

        init() throws {
            let openssl = try Tools.find("openssl", package: "openssl")
            func make(_ words: [String]) throws {
                let (code, _, errors) = try Peer(openssl, words).finish()
                guard code == 0 else {
                    throw MissingPeer(
                        description: "openssl \(words.joined(separator: " ")): \(errors)")
                }
            }
            for name in ["a", "b"] {
                let (key, certificate) = (
                    workspace.path("\(name).pem"), workspace.path("\(name).crt")
                )
                try make([
                    "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                    key,
                ])
                try make([
                    "req", "-x509", "-new", "-key", key, "-subj", "/CN=\(name)", "-days", "2",
                    "-out", certificate,
                ])
            }
            try make([
                "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out",
                workspace.path("p384.pem"),
            ])
            try make([
                "pkey", "-in", workspace.path("a.pem"), "-aes-128-cbc", "-passout", "pass:secret",
                "-out",
                workspace.path("locked.pem"),
            ])
            try workspace.write("empty.pem", "")
            try workspace.write(
                "garbage.pem",
                "-----BEGIN PRIVATE KEY-----\nbm90aGluZw==\n-----END PRIVATE KEY-----\n")
            try workspace.write("file", "x")
            let open = try String(contentsOfFile: workspace.path("a.pem"), encoding: .utf8)
            try workspace.write("open.pem", open, mode: 0o644)
            for name in ["a", "b", "p384", "locked"] { chmod(workspace.path("\(name).pem"), 0o600) }
            try FileManager.default.createDirectory(
                atPath: workspace.path("folder"), withIntermediateDirectories: true)
        }
    }

    private static let plain = Draft(bridge: [
        "host": "\"127.0.0.1\"", "gateway": "\"gw-1\"", "tls": "false", "port": "1",
    ])
    private static let certified = Draft(bridge: [
        "host": "\"127.0.0.1\"", "gateway": "\"gw-1\"", "port": "1", "ca": "\"a.crt\"",
        "clientCertificate": "\"a.crt\"",
        "clientKey": "\"a.pem\"",
    ])
    private static let cloud = Draft(bridge: [
        "host": "\"127.0.0.1\"", "gateway": "\"gw-1\"", "port": "1", "ca": "\"a.crt\"",
        "project": "\"p\"",
        "region": "\"r\"", "registry": "\"g\"", "privateKey": "\"a.pem\"",
    ])

    private static let files = [
        "b.pem", "b.crt", "p384.pem", "locked.pem", "empty.pem", "garbage.pem", "open.pem",
        "folder", "missing.pem",
        "file/below.pem", "pkcs11:token=none", "file:a.pem",
    ]

    /// One random defect, or a change that is none.
    private static func spoil(_ draft: inout Draft, _ random: inout RandomSource) {
        let file = "\"\(files[Int(random.next() % UInt64(files.count))])\""
        switch random.next() % 12 {
        case 0: draft.bridge["privateKey"] = file
        case 1: draft.bridge["ca"] = file
        case 2: draft.bridge["clientCertificate"] = file
        case 3: draft.bridge["clientKey"] = file
        case 4: draft.bridge["privateKey"] = "[\"a.pem\", \(file)]"
        case 5:
            draft.nodes =
                "\"unit-1\": { unit: 1, privateKey: \(file), points: { a: { holding: 0 } } }"
        case 6: draft.state = ["file", "file/below", "folder", "new/deep"][Int(random.next() % 4)]
        case 7: draft.spool = ["file", "file/below", "folder", "journal"][Int(random.next() % 4)]
        case 8:
            draft.nodes +=
                [", x: {}", ", \"unit-1\": { unit: 2, points: {} }", ""][Int(random.next() % 3)]
        case 9:
            draft.bridge["gateway"] =
                ["\"gw 1\"", "\"other-gw\"", "\"\"", "7"][Int(random.next() % 4)]
        case 10:
            draft.extra =
                ["control: \"folder\",", "clock: \"maybe\",", "logLevel: \"debug\","][
                    Int(random.next() % 3)]
        default:
            draft.bridge.removeValue(
                forKey: draft.bridge.keys.sorted()[Int(random.next() % UInt64(draft.bridge.count))])
        }
    }

    /// How `run` ends by itself; nil if it is ready and then ends cleanly.
    private func run(
        _ file: String, _ workspace: Workspace
    ) throws -> (code: Int32, errors: String)? {
        let path = workspace.path("notify")
        unlink(path)
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(bound == 0)
        let environment =
            ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" } + [
                "NOTIFY_SOCKET=\(path)"
            ]
        let gateway = try Peer(
            try Tools.fieldgw(), ["run", "--config", file], environment: environment)
        var said = [UInt8](repeating: 0, count: 4096)
        for _ in 0..<2000 {
            let count = recv(descriptor, &said, said.count, Int32(MSG_DONTWAIT))
            if count > 0, String(decoding: said[..<count], as: UTF8.self).contains("READY=1") {
                #expect(gateway.stop() == 0)
                return nil
            }
            if gateway.hasEnded {
                let end = gateway.finish()
                return (end.code, end.errors)
            }
            usleep(5000)
        }
        throw MissingPeer(description: "the gateway neither became ready nor ended")
    }

    @Test(.timeLimit(.minutes(3))) func checkFindsWhateverRunRefuses() throws {
        let site = try Site()
        // A journal of gw-1, in which another gateway has no business.
        var first = Self.plain
        first.spool = "journal"
        let file = try site.workspace.write("gateway.json5", first.text)
        #expect(try run(file, site.workspace) == nil)
        var random = RandomSource(seed: 22)
        var refused = 0
        for number in 0..<90 {
            var draft = [Self.plain, Self.certified, Self.cloud][number % 3]
            if number >= 3 { Self.spoil(&draft, &random) }
            if number % 4 == 3 { Self.spoil(&draft, &random) }
            try site.workspace.write("gateway.json5", draft.text)
            let check = try Peer(try Tools.fieldgw(), ["check", file]).finish()
            let end = try run(file, site.workspace)
            #expect(
                (check.code == 0) == (end == nil),
                "\(draft.text)\ncheck \(check)\nrun \(String(describing: end))")
            guard let end else { continue }
            refused += 1
            #expect(
                check.code == 78 && [69, 78].contains(end.code),
                "\(draft.text)\ncheck \(check)\nrun \(end)")
            #expect(end.code == 78 || end.errors.contains("journal"), "\(end)")
            // Each defect has its place in the file.
            #expect(check.errors.contains("\(file):"), "\(check)")
        }
        #expect(
            (20...85).contains(refused),
            "\(refused) of 90 were refused: the defects are all of one kind")
    }

    /// The examples of the kind: both ended `run` with 78 after `check` had found nothing.
    @Test(
        .timeLimit(.minutes(5)),
        arguments: [
            ("clientKey", "b.pem", "does not belong to"),
            ("clientCertificate", "a.pem", "a.pem holds a private key and no certificate"),
            ("clientKey", "a.crt", "a.crt holds a certificate and no private key"),
            ("ca", "a.pem", "a.pem holds a private key and no certificate"),
        ])
    func aCertificateThatCannotWorkIsAnErrorAtItsPlace(
        _ key: String, _ value: String, _ words: String
    ) throws {
        let site = try Site()
        var draft = Self.certified
        draft.bridge[key] = "\"\(value)\""
        let file = try site.workspace.write("gateway.json5", draft.text)
        let check = try Peer(try Tools.fieldgw(), ["check", file]).finish()
        #expect(
            check.code == 78 && check.errors.contains(words) && check.errors.contains("\(file):2:"),
            "\(check)")
    }

    @Test(
        .timeLimit(.minutes(5)),
        arguments: [
            (".", 78, ". is a directory, not a serial line"),
            ("gateway.json5", 78, "gateway.json5 is a file, not a serial line"),
            ("/dev/shm", 78, "/dev/shm is a directory, not a serial line"),
            ("/dev/ptmx", 0, ""),
        ])
    func aPortThatIsNoLineIsToldAtItsDevice(_ device: String, _ code: Int32, _ words: String) throws
    {
        let workspace = try Workspace()
        let file = try workspace.write(
            "gateway.json5",
            """
            { bridge: { host: "127.0.0.1", gateway: "gw-1", tls: false }, state: "state",
              ports: { a: { device: "\(device)",
                nodes: { d: { unit: 1, points: { x: { coil: 0 } } } } } } }
            """)
        let check = try Peer(try Tools.fieldgw(), ["check", file]).finish()
        #expect(check.code == code, "\(check)")
        #expect(check.errors.contains("serial line") == !words.isEmpty, "\(check)")
        #expect(words.isEmpty || check.errors.contains(words), "\(check)")
        #expect(words.isEmpty || check.errors.contains("\(file):2:"), "\(check)")
    }

    /// `run` starts with these and tells them when it is too late; `check` tells them before.
    @Test(
        .timeLimit(.minutes(5)),
        arguments: [
            (-20, -1, "ended on"), (1, 300, "is valid only from"), (-20, 20, "ends on"),
            (-20, 40, nil),
        ] as [(Int64, Int64, String?)])
    func aCertificateThatIsOutOfItsTimeIsAWarning(
        _ from: Int64, _ to: Int64, _ words: String?
    ) throws {
        let workspace = try Workspace()
        let authority = try TestCertificates()
        let pair = try authority.issue(
            names: ["gw"], usage: .client, validFrom: .seconds(from * 86_400),
            validTo: .seconds(to * 86_400))
        try workspace.write("ca.crt", authority.authority.certificate)
        try workspace.write("gw.crt", pair.certificate)
        try workspace.write("gw.pem", pair.key, mode: 0o600)
        try workspace.write("both.pem", pair.key + pair.certificate, mode: 0o600)
        try expectKeyWarning(workspace, words)
        var draft = Self.certified
        for (key, name) in [
            ("ca", "ca.crt"), ("clientCertificate", "gw.crt"), ("clientKey", "gw.pem"),
        ] {
            draft.bridge[key] = "\"\(name)\""
        }
        draft.extra = """
            http: { listen: "127.0.0.1:8420", certificate: "gw.crt", key: "gw.pem" },
            """
        let file = try workspace.write("gateway.json5", draft.text)
        let check = try Peer(try Tools.fieldgw(), ["check", file]).finish()
        #expect(check.code == 0, "\(check)")
        for (line, what) in [(2, "the client certificate"), (3, "the door's certificate")] {
            let told = check.errors.split(separator: "\n").first { $0.contains(what) }
            #expect((told != nil) == (words != nil), "\(check)")
            guard let words, let told else { continue }
            #expect(
                told.contains("\(what) \(words) ") && told.contains("\(file):\(line):"), "\(check)")
        }
    }

    /// The same of a certificate that stands beside the private key in its file.
    private func expectKeyWarning(_ workspace: Workspace, _ words: String?) throws {
        let file = try workspace.write(
            "cloud.json5",
            """
            { bridge: { host: "127.0.0.1", project: "acme", region: "eu", registry: "plant",
                gateway: "gw-7", privateKey: "both.pem", ca: "ca.crt" },
              state: "state", ports: {} }
            """)
        let check = try Peer(try Tools.fieldgw(), ["check", file]).finish()
        let what = "the certificate in the private key's file"
        #expect(check.errors.contains(what) == (words != nil), "\(check)")
        if let words { #expect(check.errors.contains("\(what) \(words) "), "\(check)") }
    }

    @Test(
        .timeLimit(.minutes(5)),
        arguments: [
            ("control: \"file\",", "is there and is no socket"),
            ("control: \"folder\",", "is there and is no socket"),
            ("control: \"\(String(repeating: "x", count: 108))\",", "bytes, and 107 are allowed"),
            ("logLevel: \"info\",", ""),
        ])
    func aControlSocketThatCannotBeMadeIsAWarning(_ extra: String, _ words: String) throws {
        let site = try Site()
        var draft = Self.plain
        draft.extra = extra
        let file = try site.workspace.write("gateway.json5", draft.text)
        let check = try Peer(try Tools.fieldgw(), ["check", file]).finish()
        #expect(
            check.code == 0 && check.errors.contains("no control socket: ") == !words.isEmpty,
            "\(check)")
        #expect(words.isEmpty || check.errors.contains(words), "\(check)")
    }

    @Test(.timeLimit(.minutes(5))) func aDirectoryInAFileSystemOfTheKernelIsAWarning() throws {
        let site = try Site()
        for path in ["/proc/nope", "/sys/nope/below"] {
            for key in ["state", "spool"] {
                var draft = Self.plain
                if key == "state" { draft.state = path } else { draft.spool = path }
                let file = try site.workspace.write("gateway.json5", draft.text)
                let check = try Peer(try Tools.fieldgw(), ["check", file]).finish()
                #expect(
                    check.code == 0 && check.errors.contains("\(path) cannot be made in /"),
                    "\(check)")
                #expect(check.errors.contains("nothing is kept there"), "\(check)")
            }
        }
    }

    @Test(.timeLimit(.minutes(5))) func aFileThatIsTooLongSaysWhatIsAllowed() throws {
        let workspace = try Workspace()
        let file = try workspace.write(
            "gateway.json5", String(repeating: " ", count: (4 << 20) + 1))
        let check = try Peer(try Tools.fieldgw(), ["check", file]).finish()
        #expect(check.code == 66 && check.errors.contains("4MiB are allowed"), "\(check)")
    }
}
