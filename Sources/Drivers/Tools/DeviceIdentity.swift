import Base
import Modbus

/// Identity of a unit in its own words: Read Device Identification (43/14) and Report Server ID
/// (17) (Application Protocol V1.1b3, sections 6.21 and 6.13).
package struct DeviceIdentity: Hashable, Sendable {
    /// Objects 0, 1 and 2 of the basic category.
    package var vendor: String?
    package var product: String?
    package var revision: String?
    /// The readable part of the server id, or its bytes in hexadecimal.
    package var server: String?
    package var serverBytes: [UInt8] = []

    package init() {}

    /// Asks for the basic category from object 0 on.
    package static let basicObjects = Request.other(.encapsulatedInterface, [14, 1, 0])
    package static let serverID = Request.other(.reportServerID, [])

    private static let textMax = 60

    package var isEmpty: Bool {
        vendor == nil && product == nil && revision == nil && server == nil
    }

    /// `Eastron SDM120 1.02`, or nothing.
    package var text: String {
        let named = [vendor, product, revision].compactMap { $0 }
        return (named.isEmpty ? [server].compactMap { $0 } : named).joined(separator: " ")
    }

    /// The data of an answer to function 43, behind the function code.
    package mutating func take(identification data: [UInt8]) {
        takeObjects([FunctionCode.encapsulatedInterface.rawValue] + data)
    }

    /// The data of an answer to function 17, behind the function code.
    package mutating func take(serverID data: [UInt8]) {
        serverBytes = Array(data.dropFirst())
        server = Self.words(serverBytes[...])
    }

    /// Takes what an answer to one of the two requests says; anything else changes nothing.
    package mutating func take(_ response: Response) {
        let pdu = response.pdu
        switch pdu.first {
        case FunctionCode.encapsulatedInterface.rawValue: takeObjects(pdu)
        case FunctionCode.reportServerID.rawValue: take(serverID: Array(pdu.dropFirst()))
        default: break
        }
    }

    /// Code, MEI type 14, id code, conformity, more follows, next object, number of objects, then
    /// per object its id, length and bytes.
    private mutating func takeObjects(_ pdu: [UInt8]) {
        var reader = ByteReader(pdu)
        guard let head = reader.bytes(7), head[head.startIndex + 1] == 14, let count = head.last
        else { return }
        for _ in 0..<count {
            guard let id = reader.byte(), let length = reader.byte(),
                let bytes = reader.bytes(Int(length))
            else { return }
            guard let text = Self.words(bytes) else { continue }
            switch id {
            case 0: vendor = text
            case 1: product = text
            case 2: revision = text
            default: break
            }
        }
    }

    /// The printable characters if that is most of it, hexadecimal otherwise; nil if there is
    /// nothing.
    private static func words(_ bytes: ArraySlice<UInt8>) -> String? {
        let printable = bytes.filter { (0x20...0x7E).contains($0) }
        guard printable.count * 3 >= bytes.count * 2, !printable.isEmpty else {
            return bytes.isEmpty ? nil : Hex.encode(bytes.prefix(textMax / 3))
        }
        var text = printable.prefix(textMax)
        while let last = text.last, last == 0x20 { text.removeLast() }
        while let first = text.first, first == 0x20 { text.removeFirst() }
        return text.isEmpty ? nil : String(decoding: text, as: UTF8.self)
    }
}
