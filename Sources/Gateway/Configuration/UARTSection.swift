import Base
import Drivers

/// The keys of a node on a UART port, but for its fields.
extension ConfigurationReader {
    static let frameMax = 4096

    func readUART(_ cursor: inout ObjectCursor) -> UARTProtocol? {
        let request = cursor.take("request").flatMap { bytes(of: $0) }
        let frame = cursor.require("frame").flatMap { readFrame($0) }
        let checksum = cursor.take("checksum").flatMap { readChecksum($0, frame: frame) }
        let address = cursor.take("address").flatMap { readAddress($0, frame: frame) }
        return frame.map { UARTProtocol(request: request, frame: $0, checksum: checksum, address: address) }
    }

    /// `"hex:42 4D"` or plain text; one byte at least, 256 at most.
    func bytes(of field: Field) -> [UInt8]? {
        guard let text = field.json.string else {
            problems.error(
                field.place,
                "\"\(field.name)\" must be bytes, \"hex:42 4D\" or text in quotes, not \(field.json.describe)"
            )
            return nil
        }
        var bytes = Array(text.utf8)
        if text.hasPrefix("hex:") {
            guard let decoded = Hex.decode(text.dropFirst(4)) else {
                problems.error(
                    field.place,
                    "\"\(Notice.printable(text))\" is not hexadecimal; write pairs of digits: \"hex:42 4D\"")
                return nil
            }
            bytes = decoded
        }
        guard (1...256).contains(bytes.count) else {
            problems.error(field.place, "\"\(field.name)\" has \(bytes.count) bytes; 1 to 256 are allowed")
            return nil
        }
        return bytes
    }

    private func readFrame(_ field: Field) -> UARTProtocol.Frame? {
        guard var cursor = ObjectCursor(field, "\"frame\"", problems) else { return nil }
        let start = cursor.take("start").flatMap { bytes(of: $0) } ?? []
        let limit = cursor.integer("max", in: 1...Self.frameMax) ?? 256
        var ends: [UARTProtocol.End?] = []
        if let end = cursor.take("end") { ends.append(bytes(of: end).map { .terminator($0) }) }
        if cursor.has("fixed") { ends.append(cursor.integer("fixed", in: 1...limit).map { .fixed($0) }) }
        if let length = cursor.take("length") { ends.append(readLength(length, max: limit)) }
        if cursor.has("silence") {
            let silence = cursor.duration("silence", in: .milliseconds(1)...(.seconds(60)))
            ends.append(silence.map { .silence($0) })
        }
        for key in ["end", "fixed", "length", "silence"] { _ = cursor.take(key) }
        cursor.finish()
        guard ends.count == 1 else {
            problems.error(
                field.place,
                "\"frame\" needs exactly one of end, fixed, length and silence, not \(ends.count)")
            return nil
        }
        return ends[0].map { UARTProtocol.Frame(start: start, end: $0, max: limit) }
    }

    private func readLength(_ field: Field, max limit: Int) -> UARTProtocol.End? {
        guard var cursor = ObjectCursor(field, "\"length\"", problems) else { return nil }
        let at = cursor.integer("at", in: 0...(limit - 1), required: true)
        let bytes = cursor.integer("bytes", in: 1...2) ?? 1
        let adds = cursor.integer("adds", in: -Self.frameMax...Self.frameMax) ?? 0
        cursor.finish()
        return at.map { .length(at: $0, bytes: bytes, adds: adds) }
    }

    private func readChecksum(_ field: Field, frame: UARTProtocol.Frame?) -> UARTProtocol.Checksum? {
        guard var cursor = ObjectCursor(field, "\"checksum\"", problems) else { return nil }
        if !cursor.has("type") { _ = cursor.require("type") }
        let type = cursor.choice("type", default: UARTProtocol.ChecksumType.none)
        let limit = frame?.max ?? Self.frameMax
        let range = -limit...limit
        let from = cursor.integer("from", in: range) ?? 0
        let to = cursor.integer("to", in: range) ?? -type.width
        let at = cursor.integer("at", in: range) ?? -type.width
        let natural: UARTProtocol.Checksum.Order = type == .crc16Modbus ? .little : .big
        let order = cursor.choice("order", default: natural)
        cursor.finish()
        if type.width > 0, at < 0, -at < type.width, let place = cursor.take("at")?.place {
            problems.error(
                place, "\(type.rawValue) takes \(type.width) bytes; at \(at) there are only \(-at) left")
        }
        if from >= 0, to > 0, from >= to, let place = cursor.take("to")?.place {
            problems.error(place, "the checksum covers nothing: \"to\" is \(to), \"from\" is \(from)")
        }
        return type == .none
            ? nil : UARTProtocol.Checksum(type: type, from: from, to: to, at: at, order: order)
    }

    private func readAddress(_ field: Field, frame: UARTProtocol.Frame?) -> UARTProtocol.AddressField? {
        guard var cursor = ObjectCursor(field, "\"address\"", problems) else { return nil }
        let limit = frame?.max ?? Self.frameMax
        let at = cursor.integer("at", in: -limit...(limit - 1))
        let index = cursor.integer("index", in: 0...255)
        let equals = cursor.require("equals").flatMap { field -> [UInt8]? in
            if case .number = field.json.kind {
                return cursor.integer(of: field, in: 0...255).map {
                    cursor.has("at") ? [UInt8($0)] : Array("\($0)".utf8)
                }
            }
            return bytes(of: field)
        }
        let has = (cursor.has("at"), cursor.has("index"))
        cursor.finish()
        if has.0 == has.1 {
            problems.error(field.place, "\"address\" needs one of \"at\" and \"index\"")
            return nil
        }
        guard let equals else { return nil }
        if let at { return .bytes(at: at, equals: equals) }
        return index.map { .item(index: $0, equals: equals) }
    }
}
