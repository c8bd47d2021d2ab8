import Base

/// The input of a fuzz target as a row of choices. Every reading past the end gives zero, so that
/// each prefix of an input is an input; a loop asks `isAtEnd`.
package struct Choices {
    private var rest: ArraySlice<UInt8>

    package init(_ bytes: [UInt8]) { rest = bytes[...] }

    package var isAtEnd: Bool { rest.isEmpty }

    package mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    package mutating func short() -> UInt16 { UInt16(byte()) << 8 | UInt16(byte()) }

    /// From 0 to `limit - 1`; `limit` from 1 to 65,536.
    package mutating func below(_ limit: Int) -> Int {
        Int(limit <= 256 ? UInt16(byte()) : short()) % limit
    }

    package mutating func bool() -> Bool { byte() & 1 == 1 }

    package mutating func pick<Element>(_ items: [Element]) -> Element { items[below(items.count)] }

    /// So many bytes, fewer at the end of the input.
    package mutating func bytes(_ count: Int) -> [UInt8] {
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    /// A length of one byte, then up to that many bytes.
    package mutating func block() -> [UInt8] { bytes(Int(byte())) }

    /// Everything that is left.
    package mutating func remainder() -> [UInt8] {
        defer { rest = [] }
        return Array(rest)
    }

    /// Up to ten minutes, most of them short.
    package mutating func duration() -> Duration {
        let value = Int64(byte())
        switch value & 3 {
        case 0: return .milliseconds(value >> 2)
        case 1: return .milliseconds((value >> 2) * 16)
        case 2: return .milliseconds((value >> 2) * 250)
        default: return .seconds((value >> 2) * 10)
        }
    }
}
