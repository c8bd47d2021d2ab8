/// CONNACK, section 3.2. Codes 1–5 are the specification's; others are passed on as they come,
/// because bridges in the field use them (ClearBlade: 0x13).
package struct Connack: Hashable, Sendable {
    package var sessionPresent: Bool
    package var code: UInt8

    package init(sessionPresent: Bool = false, code: UInt8) {
        self.sessionPresent = sessionPresent
        self.code = code
    }

    init(body: ArraySlice<UInt8>) throws(ProtocolFault) {
        var fields = FieldReader(body, of: .connack)
        let flags = try fields.byte()
        code = try fields.byte()
        try fields.end()
        guard flags & 0xFE == 0 else { throw .connackFlags(flags) }
        sessionPresent = flags == 1
        guard !sessionPresent || code == 0 else { throw .sessionPresent(code: code) }
    }

    package func append(to bytes: inout [UInt8]) {
        bytes.appendHeader(.connack, length: 2)
        bytes.append(sessionPresent ? 1 : 0)
        bytes.append(code)
    }

    /// Table 3.1 in words, for the log.
    package static func describe(_ code: UInt8) -> String {
        switch code {
        case 0: "accepted"
        case 1: "unacceptable protocol version"
        case 2: "client id rejected"
        case 3: "server unavailable"
        case 4: "bad user name or password"
        case 5: "not authorised"
        default: "return code \(code)"
        }
    }
}
