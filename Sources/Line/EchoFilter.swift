/// Takes our own request out of what is heard: on two wires many adapters hear themselves, and a
/// request that ends like a frame would pass for the answer. Only a whole request at the very
/// beginning counts; anything else comes through as it was.
package struct EchoFilter: Sendable {
    private let request: [UInt8]
    /// How much of the request has come, and is held back.
    private var matched = 0
    private var isOver: Bool
    /// Bytes that were the echo.
    package private(set) var taken = 0

    /// - Parameter start: what the answer begins with; one that begins with the whole request has
    ///   no echo that could be told from it.
    package init(_ request: [UInt8], start: [UInt8]) {
        self.request = request
        isOver = request.isEmpty || start.starts(with: request)
    }

    package mutating func pass(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var rest = bytes
        while !isOver, let byte = rest.first {
            guard byte == request[matched] else { return (Array(release()) + Array(rest))[...] }
            rest = rest.dropFirst()
            matched += 1
            if matched == request.count {
                isOver = true
                taken = matched
                matched = 0
            }
        }
        return rest
    }

    /// Gives out the bytes that were held back, when nothing more is to be expected.
    package mutating func release() -> ArraySlice<UInt8> {
        isOver = true
        defer { matched = 0 }
        return request[..<matched]
    }
}
