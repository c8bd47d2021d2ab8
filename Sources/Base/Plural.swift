/// A number with its noun: "1 port", "2 ports".
package enum Plural {
    /// - Parameter many: the noun's other form, where an "s" does not make it.
    package static func text(
        _ count: some BinaryInteger, _ one: String, _ many: String? = nil
    ) -> String {
        "\(count) " + form(count, one, many)
    }

    /// The noun or verb alone: "is" or "are".
    package static func form(
        _ count: some BinaryInteger, _ one: String, _ many: String? = nil
    ) -> String {
        count == 1 ? one : many ?? one + "s"
    }
}
