/// Colours of a terminal: of sixteen, so that every terminal and every theme has them.
package enum Colour: String, Sendable {
    case red = "31"
    case yellow = "33"
    case bold = "1"

    package func paint(_ text: String) -> String {
        text.isEmpty ? text : "\u{1B}[\(rawValue)m\(text)\u{1B}[0m"
    }

    package static let option = Option(
        "color", "WHEN", "auto (default: on a terminal, unless NO_COLOR is set), always or never")

    /// Whether results are coloured, by `--color` and the environment (no-color.org).
    package static func isWanted(_ arguments: Arguments) throws(Arguments.Misuse) -> Bool {
        switch arguments["color"] {
        case "always": true
        case "never": false
        case nil, "auto":
            Console.isTerminal && Machine.environment("NO_COLOR") == nil
                && Machine.environment("TERM") != "dumb"
        case let word?:
            throw Arguments.Misuse(message: "--color is auto, always or never, not \(word)")
        }
    }
}
