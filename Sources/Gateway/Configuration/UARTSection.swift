import Base
import Drivers

/// The keys of a node on a UART port, but for its fields and address.
extension ConfigurationReader {
    static let frameMax = 4096

    /// Replacement for `{id}` in the bytes of a node, so that one profile serves many addresses.
    struct NodeKey {
        var text: ByteString
        /// For bytes in hexadecimal.
        var number: UInt8?
        /// Of the node, where a missing `id` is told.
        var place: FilePlace
        var what: String
        var isGiven = true
    }

    func readKey(_ cursor: inout ObjectCursor) -> NodeKey {
        var key = NodeKey(
            text: "", number: nil, place: cursor.place, what: cursor.what, isGiven: false)
        guard let field = cursor.take("id") else { return key }
        key.isGiven = true
        if case .number = field.json.kind {
            guard let value = cursor.integer(of: field, in: 0...255) else { return key }
            key.text = ByteString("\(value)")
            key.number = UInt8(value)
        } else if let text = cursor.string(of: field) {
            if text.count > 32 {
                problems.error(field.place, "\"id\" has \(text.count) bytes; 1 to 32 are allowed")
            }
            key.text = text
        }
        return key
    }

    func readUART(_ cursor: inout ObjectCursor, _ key: NodeKey) -> UARTProtocol? {
        let request = cursor.take("request").flatMap { readRequest($0, key) }
        let frame = cursor.require("frame").flatMap { readFrame($0, key) }
        let checksum = cursor.take("checksum").flatMap { readChecksum($0, frame: frame) }
        return frame.map { UARTProtocol(request: request, frame: $0, checksum: checksum) }
    }

    /// `"hex:42 4D"` or plain text; one byte at least, 256 at most. `{id}` is the node's `id`: in
    /// text as it is written, in hexadecimal the byte of that number.
    func bytes(of field: Field, _ key: NodeKey? = nil) -> [UInt8]? {
        guard let text = field.json.string else {
            problems.error(
                field.place,
                "\"\(field.name)\" must be bytes, \"hex:42 4D\" or text in quotes, not \(field.json.describe)"
            )
            return nil
        }
        guard var bytes = expand(text, field, key) else { return nil }
        if text.hasPrefix("hex:") {
            guard let decoded = Hex.decode(String(decoding: bytes.dropFirst(4), as: UTF8.self))
            else {
                problems.error(
                    field.place,
                    "\"\(Notice.printable(text))\" is not hexadecimal; write pairs of digits: \"hex:42 4D\""
                )
                return nil
            }
            bytes = decoded
        }
        guard (1...256).contains(bytes.count) else {
            problems.error(
                field.place, "\"\(field.name)\" has \(bytes.count) bytes; 1 to 256 are allowed")
            return nil
        }
        return bytes
    }

    private func expand(_ text: ByteString, _ field: Field, _ key: NodeKey?) -> [UInt8]? {
        let mark = Array("{id}".utf8)
        var rest = Array(text.utf8)[...]
        guard let key, rest.indices.contains(where: { rest[$0...].starts(with: mark) }) else {
            return Array(rest)
        }
        guard key.isGiven else {
            problems.error(
                key.place,
                "\"id\" is missing in \(key.what): its request, frame or address has {id} in it")
            return nil
        }
        var value = Array(key.text.utf8)
        if text.hasPrefix("hex:") {
            guard let number = key.number else {
                problems.error(
                    field.place, "{id} in \"hex:\" needs an \"id\" that is a number from 0 to 255")
                return nil
            }
            value = Array(Hex.encode([number]).utf8)
        }
        var out: [UInt8] = []
        while let byte = rest.first {
            if rest.starts(with: mark) {
                out += value
                rest = rest.dropFirst(mark.count)
            } else {
                out.append(byte)
                rest = rest.dropFirst()
            }
        }
        return out
    }

    /// The bytes, or `{ send, checksum, end }`: what is covered, its checksum, and what comes
    /// behind.
    private func readRequest(_ field: Field, _ key: NodeKey) -> [UInt8]? {
        guard field.json.members != nil else { return bytes(of: field, key) }
        guard var cursor = ObjectCursor(field, "\"request\"", problems) else { return nil }
        var send = cursor.require("send").flatMap { bytes(of: $0, key) }
        let checksum = cursor.take("checksum").flatMap {
            readChecksum($0, frame: nil, isRequest: true)
        }
        let end = cursor.take("end").flatMap { bytes(of: $0, key) } ?? []
        cursor.finish()
        if let checksum, let covered = send {
            send = covered + checksum.encoded(of: covered.dropFirst(max(0, checksum.from)))
        }
        return send.map { $0 + end }
    }

    private func readFrame(_ field: Field, _ key: NodeKey) -> UARTProtocol.Frame? {
        guard var cursor = ObjectCursor(field, "\"frame\"", problems) else { return nil }
        let start = cursor.take("start").flatMap { bytes(of: $0, key) } ?? []
        let limit = cursor.integer("max", in: 1...Self.frameMax) ?? 256
        var ends: [UARTProtocol.End?] = []
        if let end = cursor.take("end") { ends.append(bytes(of: end, key).map { .terminator($0) }) }
        if cursor.has("fixed") {
            ends.append(cursor.integer("fixed", in: 1...limit).map { .fixed($0) })
        }
        if let length = cursor.take("length") { ends.append(readLength(length, max: limit)) }
        if cursor.has("silence") {
            let silence = cursor.duration("silence", in: .milliseconds(1)...(.seconds(60)))
            ends.append(silence.map { .silence($0) })
        }
        for key: ByteString in ["end", "fixed", "length", "silence"] { _ = cursor.take(key) }
        cursor.finish()
        guard ends.count == 1 else {
            problems.error(
                field.place,
                "\"frame\" needs exactly one of end, fixed, length and silence, not \(ends.count)")
            return nil
        }
        let frame = ends[0].map { UARTProtocol.Frame(start: start, end: $0, max: limit) }
        if let frame { checkRoom(of: frame, at: field.place) }
        return frame
    }

    /// The shortest frame holds its start and its end.
    private func checkRoom(of frame: UARTProtocol.Frame, at place: FilePlace) {
        let (parts, room) =
            switch frame.end {
            case .fixed(let count): ("\"start\"", (frame.start.count, count))
            case .terminator(let end):
                ("\"start\" and \"end\"", (frame.start.count + end.count, frame.max))
            case .length(let at, let bytes, _, _):
                ("\"start\" and \"length\"", (max(frame.start.count, at + bytes), frame.max))
            case .silence: ("\"start\"", (frame.start.count, frame.max))
            }
        guard room.0 > room.1 else { return }
        problems.error(
            place, "\"frame\": \(parts) take \(room.0) bytes, and a frame has at most \(room.1)")
    }

    private func readLength(_ field: Field, max limit: Int) -> UARTProtocol.End? {
        guard var cursor = ObjectCursor(field, "\"length\"", problems) else { return nil }
        let at = cursor.integer("at", in: 0...(limit - 1), required: true)
        let bytes = cursor.integer("bytes", in: 1...2) ?? 1
        let adds = cursor.integer("adds", in: -Self.frameMax...Self.frameMax) ?? 0
        let order = cursor.choice("order", default: UARTProtocol.Checksum.Order.big)
        cursor.finish()
        return at.map { .length(at: $0, bytes: bytes, adds: adds, order: order) }
    }

    /// Its name alone, or `{ type, from, to, at, order, as }`. Without places it stands at the end
    /// of the frame, before a terminator, and covers everything before; an NMEA checksum stands
    /// behind its asterisk and covers what follows the start.
    private func readChecksum(
        _ field: Field, frame: UARTProtocol.Frame?, isRequest: Bool = false
    ) -> UARTProtocol.Checksum? {
        var object = field
        if field.json.string != nil {
            let member = JSON.Member(name: "type", position: field.json.position, value: field.json)
            object.json = JSON(.object([member]), at: field.json.position)
        }
        guard var cursor = ObjectCursor(object, "\"checksum\"", problems) else { return nil }
        if !cursor.has("type") { _ = cursor.require("type") }
        let type = cursor.choice("type", default: UARTProtocol.ChecksumType.none)
        let order = cursor.choice("order", default: type.naturalOrder)
        let form = cursor.choice("as", default: ChecksumForm.binary)
        let limit = frame?.max ?? Self.frameMax
        let range = -limit...limit
        let size = type.size(asHex: form == .hex)
        var tail = 0
        if case .terminator(let end)? = frame?.end { tail = end.count }
        let at = (isRequest ? nil : cursor.integer("at", in: range)) ?? -(size + tail)
        let mark = type == .nmea ? 1 : 0
        let from =
            cursor.integer("from", in: range)
            ?? (at == 0 ? size : type == .nmea ? frame?.start.count ?? 0 : 0)
        let to =
            (isRequest ? nil : cursor.integer("to", in: range)) ?? (at == 0 ? -tail : at - mark)
        cursor.finish()
        if size > 0, at < 0, -at < size, let place = cursor.take("at")?.place {
            problems.error(
                place, "\(type.rawValue) takes \(size) bytes; at \(at) there are only \(-at) left")
        }
        if from >= 0, to > 0, from >= to, let place = cursor.take("to")?.place {
            problems.error(
                place, "the checksum covers nothing: \"to\" is \(to), \"from\" is \(from)")
        }
        return type == .none
            ? nil
            : UARTProtocol.Checksum(
                type: type, from: from, to: to, at: at, order: order, asHex: form == .hex)
    }

    private enum ChecksumForm: String, CaseIterable { case binary, hex }
}
