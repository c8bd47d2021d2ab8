import Base

/// How often the gateway has been started, and how the run before has ended.
package struct StartCount: Sendable {
    package enum Reason: String, Hashable, Sendable, CaseIterable {
        /// No earlier run is known.
        case first
        /// The run before was stopped, and the machine has gone on.
        case restart
        /// The run before was stopped, and the machine has booted since.
        case boot
        /// The run before did not end in order, and the machine has gone on.
        case crash
        /// The run before did not end in order, and the machine has booted since: power or reset.
        case power
    }

    /// Name of its document in the state directory.
    static let name = "starts"

    package private(set) var count = 1
    package private(set) var reason = Reason.first
    private let boot: String

    /// - Parameter bootID: another one for every boot of the machine.
    package init(bootID: [UInt8]) {
        boot = Hex.encode(bootID, separator: "").lowercased()
    }

    /// Takes over the document of the run before; nil if there is none.
    package mutating func restore(_ document: [UInt8]?) {
        guard let document, let json = try? JSONReader.parse(document),
            let before = json["starts"]?.integer.flatMap({ Int(exactly: $0) }), before > 0
        else { return }
        count = before.addingReportingOverflow(1).partialValue
        let hasEnded = json["ended"]?.bool == true
        let isSameBoot = json["boot"]?.string?.string == boot
        switch (hasEnded, isSameBoot) {
        case (true, true): reason = .restart
        case (true, false): reason = .boot
        case (false, true): reason = .crash
        case (false, false): reason = .power
        }
    }

    /// `{"starts":N,"boot":"HEX","ended":false}`
    package func document(hasEnded: Bool) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("starts", count)
            writer.member("boot", boot)
            writer.member("ended", hasEnded)
        }
        return writer.bytes
    }
}
