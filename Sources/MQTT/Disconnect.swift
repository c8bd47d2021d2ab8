/// DISCONNECT, section 3.14: the client's last packet; no will is published after it.
package struct Disconnect: Hashable, Sendable {
    package init() {}

    init(body: ArraySlice<UInt8>) throws(ProtocolFault) {
        try FieldReader(body, of: .disconnect).end()
    }

    package func append(to bytes: inout [UInt8]) { bytes.appendHeader(.disconnect, length: 0) }
}
