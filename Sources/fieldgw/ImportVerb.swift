import Base
import Gateway
import Platform

/// Points from descriptions that others have written.
enum ImportVerb {
    static let verb = Verb(
        "import", "csv|modpoll|sunspec FILE",
        summary: "make points of a register table, a modpoll configuration or a SunSpec model",
        details: """
            The points go to standard output, as they stand in `points` (modpoll: in `nodes`).
            Each row that is dropped or guessed is told on standard error with its line.
            csv: the first row names the columns: name, address, table, type, order, scale,
            offset, units, length, access. Addresses such as 40001 are understood. For others
            --base says whether they begin with 0 or 1, and --table what they are where no
            column does.
            sunspec: a model file in JSON, from the address of the model's ID on (--base, 40002
            for the first). Exit code 0, 65 if nothing could be made of it, 66 if it cannot be
            read.
            """,
        options: [
            Option(
                "base", "N", "csv: 0 or 1, the first address; sunspec: address of the model's ID"),
            Option(
                "table", "TABLE", "csv: coil, discrete, input or holding where no column says it"),
        ]
    ) { arguments in
        guard arguments.positional.count == 2 else {
            throw Arguments.Misuse(message: "a format and one FILE are needed")
        }
        let (format, path) = (arguments.positional[0], arguments.positional[1])
        guard ["csv", "modpoll", "sunspec"].contains(format) else {
            throw Arguments.Misuse(
                message: "the format is csv, modpoll or sunspec, not \(format)")
        }
        let bytes: [UInt8]
        do throws(SystemFailure) { bytes = try FileSystem.read(path) } catch {
            Console.complain("\(path): \(error.words)")
            return .noInput
        }
        let made: ImportedNodes
        let settings = try Settings(arguments, format)
        do throws(RegisterTable.Failure) {
            made = try settings.read(format, bytes, path)
        } catch {
            switch error {
            case .needsBase:
                throw Arguments.Misuse(
                    message:
                        "do the addresses begin with 0 or with 1? Say --base 0 or --base 1"
                )
            case .unusable(let line, let message):
                Console.complain("\(path):\(line):1: error: \(message)")
                return .badData
            }
        }
        for each in made.remarks { Console.complain(each.description) }
        let (points, rows) = (Plural.text(made.points, "point"), Plural.text(made.dropped, "row"))
        Console.complain("\(path): \(points), \(rows) dropped")
        guard made.points > 0 else { return .badData }
        Console.say(String(made.text.dropLast()))
        return .ok
    }

    /// Facts about the description that the command line gives.
    private struct Settings {
        var base: Int?
        var table: Table?

        init(_ arguments: Arguments, _ format: String) throws {
            if let word = arguments["base"] {
                guard format != "modpoll" else {
                    throw Arguments.Misuse(message: "--base is for csv and sunspec")
                }
                let allowed = format == "csv" ? 0...1 : 0...65_535
                guard let base = Int(word), allowed.contains(base) else {
                    let wanted = format == "csv" ? "0 or 1" : "an address"
                    throw Arguments.Misuse(message: "--base takes \(wanted), not \(word)")
                }
                self.base = base
            }
            if let word = arguments["table"] {
                guard format == "csv" else {
                    throw Arguments.Misuse(message: "--table is for csv")
                }
                guard let table = Table(rawValue: word), table != .frame else {
                    throw Arguments.Misuse(
                        message: "--table is coil, discrete, input or holding, not \(word)")
                }
                self.table = table
            }
        }

        func read(
            _ format: String, _ bytes: [UInt8], _ path: String
        ) throws(RegisterTable.Failure) -> ImportedNodes {
            switch format {
            case "modpoll": return ModpollTable.read(bytes, file: path)
            case "sunspec":
                return try SunSpecModel.read(bytes, file: path, start: base ?? 40_002)
            default: break
            }
            do throws(RegisterTable.Failure) {
                return try RegisterTable.read(bytes, file: path, base: base, table: table)
            } catch {
                guard case .needsBase = error, let base = askBase() else { throw error }
                return try RegisterTable.read(bytes, file: path, base: base, table: table)
            }
        }

        /// Asks on a terminal; nil without one, or for another answer.
        private func askBase() -> Int? {
            guard Machine.isTerminal(0) else { return nil }
            Console.complain("Do the addresses begin with 0 or with 1 (as in 1 for the first)?")
            return readLine().flatMap { Int($0) }.flatMap { (0...1).contains($0) ? $0 : nil }
        }
    }
}
