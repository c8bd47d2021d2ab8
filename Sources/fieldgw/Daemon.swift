import Base
import Gateway
import Platform

/// The running gateway, asked over its control socket.
struct Daemon {
    static let options = [
        Option(
            "config", "FILE", "the configuration it runs with: tells where its control socket is"),
        Option("control", "SOCKET", "the control socket itself"),
        Option("state", "DIR", "its state directory"),
    ]

    let socket: String

    init(_ arguments: Arguments, configuration: String? = nil) throws {
        socket = try Self.socket(arguments, configuration: arguments["config"] ?? configuration)
    }

    /// Where the gateway is. A file that has errors is no reason not to look at the gateway that
    /// runs: what it says about places counts, and where it cannot be read what the options say.
    private static func socket(_ arguments: Arguments, configuration path: String?) throws -> String
    {
        guard arguments["control"] == nil, let path else { return Places.control(arguments) }
        let bytes: [UInt8]
        do throws(SystemFailure) { bytes = try FileSystem.read(path) } catch {
            let places = [Places.control(PlaceKeys(), path, arguments), Places.control(arguments)]
            guard
                let place = arguments["state"] != nil
                    ? places[0] : places.first(where: FileSystem.exists)
            else {
                Console.complain(
                    "\(path): \(error.words); --state DIR or --control SOCKET says where the gateway is"
                )
                throw ExitCode.noInput
            }
            Console.complain("\(path): \(error.words); asking the gateway at \(place)")
            return place
        }
        let found = ConfigurationFile.examine(bytes, path, loadsFiles: false)
        let place = Places.control(found.places, path, arguments)
        if !found.errors.isEmpty {
            Console.complain(
                "\(path) has errors (`fieldgw check \(path)` tells them); asking the gateway at \(place)"
            )
        }
        return place
    }

    /// An answer that the gateway did not give, or that says no: words for a person and how it ends
    /// a verb.
    struct Failure: Error {
        var words: String
        var code: ExitCode
    }

    typealias Answer = (bytes: [UInt8], document: JSON)

    /// The answer as it came and as a document.
    func answer(
        _ request: String, within limit: Duration = .seconds(5)
    ) throws(Failure) -> Answer {
        let bytes: [UInt8]
        do throws(SystemFailure) {
            bytes = try ControlClient.ask(socket, Array(request.utf8), within: limit)
        } catch {
            let (words, code) = ControlClient.complaint(error, socket)
            throw Failure(words: words, code: code)
        }
        guard let document = try? JSONReader.parse(bytes) else {
            throw Failure(words: "\(socket): the answer is not JSON", code: .badData)
        }
        if let error = document["error"]?.string {
            throw Failure(
                words: "the gateway says: \(Notice.printable(error))",
                code: Self.code(document["kind"]?.string))
        }
        return (bytes, document)
    }

    /// Runs `body`; a failure is complained about and ends the verb.
    static func complaining<Result>(
        _ body: () throws(Failure) -> Result
    ) throws(ExitCode) -> Result {
        do throws(Failure) { return try body() } catch {
            Console.complain(error.words)
            throw error.code
        }
    }

    /// Asks as `answer` does; a failure is complained about and ends the verb.
    func ask(_ request: String, within limit: Duration = .seconds(5)) throws -> Answer {
        try Self.complaining { () throws(Failure) in try answer(request, within: limit) }
    }

    func ask(
        within limit: Duration = .seconds(5), _ body: (inout JSONWriter) -> Void
    ) throws -> Answer {
        var writer = JSONWriter()
        writer.object(body)
        return try ask(writer.text, within: limit)
    }

    static func code(_ kind: ByteString?) -> ExitCode {
        switch kind {
        case "usage": .usage
        case "denied": .noPermission
        case "exception", "checksum": .badData
        default: .unavailable
        }
    }
}
