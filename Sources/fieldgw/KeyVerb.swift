import Base
import Bridge
import Gateway
import Platform

/// Key pairs for the bridge, and a token to look at.
enum KeyVerb {
    static let verb = Verb(
        "key", "generate|public|token [FILE]",
        summary: "make a key pair, print its public half, or a token",
        details: """
            key generate --type ec|rsa FILE   writes a new private key to FILE (mode 600), never over another
            key public FILE                   prints the public key to register at the bridge
            key token --config FILE           prints a JWT as the gateway would send it now
            """,
        options: [
            Option("type", "ec|rsa", "ec (ES256, the default) or rsa (RS256, 2048 bits)"),
            Option("config", "FILE", "the gateway's configuration"),
        ]
    ) { arguments in
        switch arguments.positional.first {
        case "generate": return try generate(arguments)
        case "public": return try showPublic(arguments)
        case "token": return try showToken(arguments)
        case let other?:
            throw Arguments.Misuse(message: "key \(other) is not known: generate, public or token")
        case nil:
            throw Arguments.Misuse(message: "what to do is missing: generate, public or token")
        }
    }

    private static func file(_ arguments: Arguments) throws -> String {
        guard arguments.positional.count == 2 else {
            throw Arguments.Misuse(message: "one FILE is needed")
        }
        return arguments.positional[1]
    }

    private static func generate(_ arguments: Arguments) throws -> ExitCode {
        let path = try file(arguments)
        let word = arguments["type"] ?? "ec"
        guard let kind = PrivateKey.Kind(rawValue: word) else {
            throw Arguments.Misuse(message: "--type is ec or rsa, not \(word)")
        }
        let key = try PrivateKey.generate(kind)
        do { try FileSystem.create(path, Array(try key.privatePEM().utf8), mode: 0o600) } catch let
            error as SystemFailure
        {
            Console.complain(
                "\(path): \(error.words)"
                    + (FileSystem.exists(path) ? "; a key is never overwritten" : ""))
            return .inputOutput
        }
        Console.complain(
            "\(path): a new private key for \(key.algorithm.rawValue); register this public key:")
        Console.say(key.publicPEM.trimmed)
        return .ok
    }

    private static func showPublic(_ arguments: Arguments) throws -> ExitCode {
        do { Console.say(try PrivateKey.load(try file(arguments)).publicPEM.trimmed) } catch let
            error as CredentialError
        {
            Console.complain(error.message)
            return error.kind == .missing ? .noInput : .configuration
        }
        return .ok
    }

    private static func showToken(_ arguments: Arguments) throws -> ExitCode {
        guard let path = arguments["config"] else {
            throw Arguments.Misuse(message: "--config FILE is needed")
        }
        let bridge = try ConfigurationFile.load(path).configuration.bridge
        guard case .cloudIoT(let project, _, _) = bridge.dialect,
            let location = bridge.privateKeys.first
        else {
            Console.complain(
                "\(path): a plain broker gets no token; it is for a bridge with project, region and registry"
            )
            return .configuration
        }
        let key = try PrivateKey.load(location.value)
        let claims = TokenClaims(
            audience: project.string, lifetime: bridge.tokenLifetime, at: Clock.now().wall)
        let input = claims.signingInput(key.algorithm)
        let token = TokenClaims.token(input: input, signature: try key.sign(input))
        Console.say(String(decoding: token, as: UTF8.self))
        return .ok
    }
}

extension String {
    /// Without line ends at the end.
    var trimmed: String {
        var text = self[...]
        while text.last?.isNewline == true { text.removeLast() }
        return String(text)
    }
}
