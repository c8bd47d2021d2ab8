/// PINGREQ and PINGRESP, sections 3.12 and 3.13: two bytes each.
package struct Pingreq: Hashable, Sendable {
    package init() {}

    init(body: ArraySlice<UInt8>) throws(ProtocolFault) {
        try FieldReader(body, of: .pingreq).end()
    }

    package func append(to bytes: inout [UInt8]) { bytes.appendHeader(.pingreq, length: 0) }
}

package struct Pingresp: Hashable, Sendable {
    package init() {}

    init(body: ArraySlice<UInt8>) throws(ProtocolFault) {
        try FieldReader(body, of: .pingresp).end()
    }

    package func append(to bytes: inout [UInt8]) { bytes.appendHeader(.pingresp, length: 0) }
}
