import Base

/// Identification of a device in its own words: Read Device Identification, function 43 with MEI
/// type 14 (Application Protocol V1.1b3, section 6.21).
package struct DeviceIdentification: Hashable, Sendable {
    /// How much is asked for. The first three are streams that may take several replies.
    package enum Access: UInt8, Hashable, Sendable, CaseIterable {
        /// Objects 0 to 2: vendor, product code, revision. Every device has them.
        case basic = 1
        /// Objects 3 to 0x7F too: URL, names.
        case regular
        /// Objects 0x80 to 0xFF too: the maker's own.
        case extended
        /// One object by its id.
        case individual

        /// The highest object id of a stream.
        package var last: UInt8 {
            switch self {
            case .basic: 2
            case .regular: 0x7F
            case .extended, .individual: 0xFF
            }
        }
    }

    package struct Object: Hashable, Sendable {
        package var id: UInt8
        /// ASCII for the objects that have a name.
        package var value: [UInt8]

        package init(id: UInt8, value: [UInt8]) {
            self.id = id
            self.value = value
        }

        package var name: String { DeviceIdentification.name(of: id) }
    }

    package static let meiType: UInt8 = 14

    /// Access that was asked for.
    package var access: Access
    /// How much the device has: 1 to 3 as `Access`, with 0x80 if it answers single objects too.
    package var conformity: UInt8
    /// Present if more follows: where the next request goes on.
    package var next: UInt8?
    package var objects: [Object]

    package init(access: Access, conformity: UInt8, next: UInt8? = nil, objects: [Object]) {
        self.access = access
        self.conformity = conformity
        self.next = next
        self.objects = objects
    }

    /// The specification's name of an object, in words.
    package static func name(of id: UInt8) -> String {
        switch id {
        case 0: "vendor"
        case 1: "product code"
        case 2: "revision"
        case 3: "vendor URL"
        case 4: "product name"
        case 5: "model name"
        case 6: "application name"
        default: "object \(id)"
        }
    }

    // MARK: the wire

    /// Behind the function code: MEI type, access, conformity, more follows (0 or 0xFF), next
    /// object, number of objects, then per object id, length and bytes.
    func append(to out: inout [UInt8]) {
        out += [Self.meiType, access.rawValue, conformity, next == nil ? 0 : 0xFF, next ?? 0]
        out.append(UInt8(truncatingIfNeeded: objects.count))
        for object in objects {
            out += [object.id, UInt8(truncatingIfNeeded: object.value.count)]
            out += object.value
        }
    }

    /// The client's side; nil if the objects do not fill the data exactly.
    init?(_ data: ArraySlice<UInt8>) {
        var reader = ByteReader(data)
        guard reader.byte() == Self.meiType, let access = reader.byte().flatMap(Access.init),
            let conformity = reader.byte(), let more = reader.byte(), let next = reader.byte(),
            let count = reader.byte()
        else { return nil }
        var objects: [Object] = []
        for _ in 0..<count {
            guard let id = reader.byte(), let length = reader.byte(),
                let value = reader.bytes(Int(length))
            else { return nil }
            objects.append(Object(id: id, value: Array(value)))
        }
        guard reader.isAtEnd else { return nil }
        self.init(
            access: access, conformity: conformity, next: more == 0 ? nil : next, objects: objects)
    }

    // MARK: the server's side

    /// The reply of a device that has `objects` (sorted by id) to a request from object `start` on:
    /// as many as fit one PDU, and where to go on. A stream that starts at an object that does not
    /// exist starts over; a single object that does not exist is exception 2.
    package static func page(
        of objects: [Object], _ access: Access, from start: UInt8
    ) throws(ExceptionCode) -> DeviceIdentification {
        let level: UInt8 = (objects.last?.id).map { $0 > 0x7F ? 3 : $0 > 2 ? 2 : 1 } ?? 1
        var page = DeviceIdentification(access: access, conformity: 0x80 | level, objects: [])
        if access == .individual {
            guard let object = objects.first(where: { $0.id == start }) else {
                throw .illegalDataAddress
            }
            page.objects = [object]
            return page
        }
        let isKnown = objects.contains { $0.id == start && start <= access.last }
        var room = Limits.pdu - 7
        for object in objects where object.id <= access.last && (!isKnown || object.id >= start) {
            guard object.value.count + 2 <= room else {
                page.next = object.id
                break
            }
            room -= object.value.count + 2
            page.objects.append(object)
        }
        return page
    }
}
