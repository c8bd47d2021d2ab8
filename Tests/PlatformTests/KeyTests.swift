import Base
import Glibc
import Platform
import Testing

@Suite struct KeyTests {
    static let input = Array("eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJwIn0".utf8)

    @Test(arguments: PrivateKey.Kind.allCases)
    func signsWhatItsPublicHalfVerifiesAndNothingElse(kind: PrivateKey.Kind) throws {
        let key = try PrivateKey.generate(kind)
        let algorithm: SigningAlgorithm = kind == .ec ? .es256 : .rs256
        let other: SigningAlgorithm = kind == .ec ? .rs256 : .es256
        #expect(key.algorithm == algorithm)
        var signature = try key.sign(Self.input)
        #expect(signature.count == (kind == .ec ? 64 : 256))
        func verifies(_ algorithm: SigningAlgorithm, _ input: [UInt8], _ signature: [UInt8]) -> Bool
        {
            PublicKey.verify(
                algorithm, publicKeyPEM: key.publicPEM, input: input, signature: signature)
        }
        #expect(verifies(algorithm, Self.input, signature))
        #expect(!verifies(other, Self.input, signature))
        #expect(!verifies(algorithm, Self.input + [0], signature))
        #expect(!verifies(algorithm, Self.input, []))
        #expect(!verifies(algorithm, Self.input, signature.dropLast()))
        #expect(!verifies(algorithm, Self.input, signature + [0]))
        #expect(!verifies(algorithm, Self.input, [UInt8](repeating: 0, count: signature.count)))
        signature[signature.count / 2] ^= 1
        #expect(!verifies(algorithm, Self.input, signature))
    }

    /// One ECDSA signature in 128 has an r or s shorter than 32 bytes, which DER writes without its
    /// leading zero. 400 signatures meet several of them.
    @Test func padsEveryES256SignatureTo64Bytes() throws {
        let key = try PrivateKey.generate(.ec)
        let verifier = try PublicKey(pem: key.publicPEM)
        for index in 0..<UInt8(200) {
            for half: UInt8 in [0, 1] {
                let signature = try key.sign([index, half])
                #expect(signature.count == 64)
                #expect(verifier.verify([index, half], signature: signature))
            }
        }
    }

    @Test(arguments: PrivateKey.Kind.allCases)
    func readsBackTheKeyItWrote(kind: PrivateKey.Kind) throws {
        let scratch = CredentialFolder()
        defer { scratch.remove() }
        let key = try PrivateKey.generate(kind)
        let text = try key.privatePEM()
        #expect(text.hasPrefix("-----BEGIN PRIVATE KEY-----\n"))
        #expect(key.publicPEM.hasPrefix("-----BEGIN PUBLIC KEY-----\n"))
        let path = scratch.write("key.pem", text)
        for location in [path, "file:\(path)", "file://\(path)"] {
            #expect(try PrivateKey.load(location).publicPEM == key.publicPEM)
        }
    }

    @Test(arguments: [0o640, 0o604, 0o620, 0o660, 0o644, 0o601] as [mode_t])
    func refusesAKeyThatOthersCanUse(mode: mode_t) throws {
        let scratch = CredentialFolder()
        defer { scratch.remove() }
        let path = scratch.write("key.pem", try PrivateKey.generate(.ec).privatePEM(), mode: mode)
        for location in [path, "file:\(path)"] {
            let error = refusal { _ = try PrivateKey.load(location) }
            #expect(error?.kind == .openToOthers)
            #expect(error?.message.contains("(mode \(String(mode, radix: 8)))") == true)
            #expect(error?.message.contains("`chmod 600 \(path)`") == true)
        }
    }

    /// systemd gives a credential to its unit with an access list, which stat shows as mode 0440.
    @Test func takesASystemdCredentialWithGroupRead() throws {
        let scratch = CredentialFolder()
        defer { scratch.remove() }
        let path = scratch.write("key.pem", try PrivateKey.generate(.ec).privatePEM(), mode: 0o440)
        _ = try PrivateKey.load(path, credentialsDirectory: scratch.path)
        for directory in [nil, "", "/run/x", "/"] as [String?] {
            let error = refusal { _ = try PrivateKey.load(path, credentialsDirectory: directory) }
            #expect(error?.kind == .openToOthers)
        }
        let open = scratch.write("open.pem", "x", mode: 0o444)
        let error = refusal { _ = try PrivateKey.load(open, credentialsDirectory: scratch.path) }
        #expect(error?.kind == .openToOthers)
    }

    /// `LoadCredential=keys:/etc/fieldgw/keys`: the unit cannot read root's file, systemd's copy is
    /// meant.
    @Test(arguments: ["keys_gw-7.pem", "gw-7.pem"])
    func takesWhatSystemdHandsOverForAFileOutOfReach(_ name: String) throws {
        let scratch = CredentialFolder()
        defer { scratch.remove() }
        _ = scratch.write(name, try PrivateKey.generate(.ec).privatePEM(), mode: 0o440)
        let configured = "/nonexistent/keys/gw-7.pem"
        _ = try PrivateKey.load(configured, credentialsDirectory: scratch.path)
        #expect(
            refusal { _ = try PrivateKey.load(configured, credentialsDirectory: nil) }?.kind
                == .missing)
        #expect(
            refusal {
                _ = try PrivateKey.load(
                    "/nonexistent/keys/gw-8.pem", credentialsDirectory: scratch.path)
            }?.kind == .missing)
    }

    @Test func namesTheFileThatCannotBeUsed() throws {
        let scratch = CredentialFolder()
        defer { scratch.remove() }
        let cases: [(String, CredentialError.Kind)] = [
            (scratch.path + "/none.pem", .missing), (scratch.path, .unreadable),
            (scratch.write("empty.pem", ""), .malformed),
            (scratch.write("text.pem", "hello"), .malformed),
            (scratch.write("public.pem", try PrivateKey.generate(.ec).publicPEM), .malformed),
        ]
        for (path, kind) in cases {
            let error = refusal { _ = try PrivateKey.load(path) }
            #expect(error?.kind == kind)
            #expect(error?.message.hasPrefix(path) == true)
        }
    }

    @Test(arguments: [
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024", "ecparam -name secp384r1 -genkey",
        "ecparam -name secp256k1 -genkey", "genpkey -algorithm ED25519",
        "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048",
    ])
    func refusesOtherTypesAndSizes(command: String) throws {
        let scratch = CredentialFolder()
        defer { scratch.remove() }
        let text = try #require(shell("openssl \(command)"), "the openssl command is missing")
        let error = refusal { _ = try PrivateKey.load(scratch.write("key.pem", text)) }
        #expect(error?.kind == .unsupported)
        #expect(error?.message.contains("use RSA with 2048 bits or more, or EC P-256") == true)
    }

    /// The default callback of OpenSSL asks for a passphrase on the terminal and never returns.
    @Test func refusesAnEncryptedKeyWithoutAsking() throws {
        let scratch = CredentialFolder()
        defer { scratch.remove() }
        let text = try #require(shell("openssl genpkey -algorithm RSA -aes256 -pass pass:secret"))
        let error = refusal { _ = try PrivateKey.load(scratch.write("key.pem", text)) }
        #expect(error?.kind == .malformed)
        #expect(error?.message.contains("encrypted") == true)
        #expect(error?.message.contains("openssl pkcs8") == true)
    }

    @Test func readsTheOlderPEMForms() throws {
        let scratch = CredentialFolder()
        defer { scratch.remove() }
        let ec = try #require(shell("openssl ecparam -name prime256v1 -genkey"))
        #expect(try PrivateKey.load(scratch.write("ec.pem", ec)).algorithm == .es256)
        let rsa = try #require(shell("openssl genrsa -traditional 2048"))
        #expect(try PrivateKey.load(scratch.write("rsa.pem", rsa)).algorithm == .rs256)
    }

    @Test(arguments: PrivateKey.Kind.allCases)
    func agreesWithTheOpenSSLCommand(kind: PrivateKey.Kind) throws {
        let scratch = CredentialFolder()
        defer { scratch.remove() }
        let key = try PrivateKey.generate(kind)
        let keyPath = scratch.write("key.pem", try key.privatePEM())
        let publicPath = scratch.write("public.pem", key.publicPEM)
        let inputPath = scratch.write("input", String(decoding: Self.input, as: UTF8.self))
        // Theirs by ours.
        let hex = try #require(
            shell(
                "openssl dgst -sha256 -sign \(keyPath) \(inputPath) | od -An -v -tx1 | tr -d ' \\n'"
            ))
        let theirs = try #require(Hex.decode(hex))
        let raw = kind == .ec ? try #require(rawSignature(theirs)) : theirs
        #expect(
            PublicKey.verify(
                key.algorithm, publicKeyPEM: key.publicPEM, input: Self.input, signature: raw))
        // Ours by theirs.
        let ours = try key.sign(Self.input)
        let signature = scratch.write("signature", bytes: kind == .ec ? derSignature(ours) : ours)
        let verdict = shell(
            "openssl dgst -sha256 -verify \(publicPath) -signature \(signature) \(inputPath)")
        #expect(verdict == "Verified OK\n")
    }

    @Test func takesTheKeyOutOfACertificate() throws {
        let pair = try TestCertificates().issue(names: ["gw-7"])
        let signature = try PrivateKey(pem: pair.key).sign(Self.input)
        #expect(
            PublicKey.verify(
                .es256, publicKeyPEM: pair.certificate, input: Self.input, signature: signature))
        #expect(
            refusal { _ = try PublicKey(pem: "-----BEGIN CERTIFICATE-----\nAAAA\n") }?.kind
                == .malformed)
        #expect(refusal { _ = try PublicKey(pem: "") }?.kind == .malformed)
    }

    @Test func tellsPathsFromStoreURIs() {
        for (location, scheme) in [
            ("gw-7.pem", nil), ("/etc/fieldgw/gw:7.pem", nil), ("./pkcs11:x", nil), ("c:key", nil),
            ("", nil),
            ("pkcs11:token=t;object=k?pin-source=/p", "pkcs11"), ("handle:0x81000000", "handle"),
            ("FILE:/k.pem", "file"),
        ] as [(String, String?)] {
            #expect(PrivateKey.storeScheme(of: location) == scheme)
        }
    }

    @Test func saysWhatAStoreNeedsAndHidesItsPIN() {
        let error = refusal {
            _ = try PrivateKey.load("pkcs11:token=none;object=k?pin-value=12345")
        }
        #expect(error?.kind == .store)
        #expect(error?.message.contains("pkcs11:token=none;object=k") == true)
        #expect(error?.message.contains("12345") == false)
    }

    /// SEQUENCE { INTEGER r, INTEGER s } to r‖s, written here once more so that both ways are
    /// checked.
    private func rawSignature(_ der: [UInt8]) -> [UInt8]? {
        var reader = ByteReader(der)
        guard reader.byte() == 0x30, reader.byte() != nil else { return nil }
        var raw: [UInt8] = []
        for _ in 0..<2 {
            guard reader.byte() == 2, let count = reader.byte(),
                let bytes = reader.bytes(Int(count))
            else {
                return nil
            }
            let digits = bytes.drop { $0 == 0 }
            raw += [UInt8](repeating: 0, count: 32 - digits.count) + digits
        }
        return raw
    }

    private func derSignature(_ raw: [UInt8]) -> [UInt8] {
        let body = [raw[..<32], raw[32...]].flatMap { half in
            var digits = Array(half.drop { $0 == 0 })
            if digits.first ?? 0x80 >= 0x80 { digits.insert(0, at: 0) }
            return [2, UInt8(digits.count)] + digits
        }
        return [0x30, UInt8(body.count)] + body
    }
}
