import Adapter
import Base

/// Import of a SunSpec model file (JSON, as the SunSpec Alliance publishes them): its points from
/// the register of the model's ID on.
package enum SunSpecModel {
    /// - Parameter start: address of the model's ID.
    package static func read(
        _ bytes: [UInt8], file: String, start: Int
    ) throws(RegisterTable.Failure) -> ImportedNodes {
        let root: JSON
        do throws(JSONError) { root = try JSONReader.parse(bytes) } catch {
            throw .unusable(line: error.position.line, message: error.message)
        }
        guard let group = root["group"], group["points"]?.array != nil else {
            throw .unusable(line: 1, message: "it has no \"group\" with \"points\"")
        }
        var made = ImportedNodes(file: file)
        var reader = GroupReader(address: start)
        reader.read(group, prefix: "", depth: 0, &made)
        made.nodes = [ImportedNodes.Node(name: "unit-1", unit: 1, points: reader.points)]
        made.finish(hasNodes: false)
        return made
    }

    private struct GroupReader {
        var address: Int
        var points: [ImportedPoint] = []
        private var isAddressKnown = true

        init(address: Int) { self.address = address }

        mutating func read(
            _ group: JSON, prefix: String, depth: Int, _ made: inout ImportedNodes
        ) {
            for point in group["points"]?.array ?? [] { read(point, prefix: prefix, &made) }
            for inner in group["groups"]?.array ?? [] where depth < 8 {
                let name = inner["name"]?.string?.string ?? "group"
                let count = inner["count"]?.integer ?? (inner["count"] == nil ? 1 : 0)
                guard isAddressKnown, (1...64).contains(count), points.count < 10_000 else {
                    isAddressKnown = false
                    made.drop(
                        inner.position.line,
                        "the group \"\(RegisterTable.shown(name))\" is there as often as the "
                            + "device says: read its count, and give the points of each one")
                    continue
                }
                for number in 1...count {
                    let part = count == 1 ? name : "\(name)\(number)"
                    read(inner, prefix: "\(prefix)\(part)_", depth: depth + 1, &made)
                }
            }
        }

        private mutating func read(
            _ point: JSON, prefix: String, _ made: inout ImportedNodes
        ) {
            let line = point.position.line
            let word = point["type"]?.string?.string ?? ""
            guard let name = point["name"]?.string,
                let size = point["size"]?.integer.flatMap({ Int(exactly: $0) }),
                (1...125).contains(size), isAddressKnown
            else {
                isAddressKnown = false
                made.drop(line, "a point without name and size; what follows has no address")
                return
            }
            let place = address
            address += size
            if word == "pad" { return }
            guard let type = Self.types[ByteString(word)] else {
                made.drop(line, "\"\(RegisterTable.shown(word))\" is no type that is known")
                return
            }
            var made = ImportedPoint(
                name: prefix + ImportWords.name(name.string), table: .holding, address: place,
                type: type, position: TextPosition(line: line, column: 1))
            if type == .string { made.length = size }
            made.units = point["units"]?.string.map { ImportWords.name($0.string) }
            addMeaning(point, word, size, prefix, &made)
            points.append(made)
        }

        private static let types: [ByteString: ValueType] = [
            "int16": .int16, "uint16": .uint16, "count": .uint16, "acc16": .uint16,
            "enum16": .uint16, "raw16": .uint16, "sunssf": .int16, "int32": .int32,
            "uint32": .uint32, "acc32": .uint32, "enum32": .uint32, "int64": .int64,
            "uint64": .uint64, "acc64": .uint64, "float32": .float32, "float64": .float64,
            "string": .string, "bitfield16": .bits, "bitfield32": .bits, "bitfield64": .bits,
            "ipaddr": .uint32, "eui48": .uint64,
        ]

        /// Codes of points that a device does not implement.
        private static let missing: [ByteString: String] = [
            "int16": "0x8000", "sunssf": "0x8000", "uint16": "0xFFFF", "enum16": "0xFFFF",
            "bitfield16": "0xFFFF", "int32": "0x80000000", "uint32": "0xFFFFFFFF",
            "enum32": "0xFFFFFFFF", "bitfield32": "0xFFFFFFFF", "int64": "0x8000000000000000",
            "uint64": "0xFFFFFFFFFFFFFFFF", "bitfield64": "0xFFFFFFFFFFFFFFFF",
        ]

        private func addMeaning(
            _ point: JSON, _ word: String, _ size: Int, _ prefix: String,
            _ made: inout ImportedPoint
        ) {
            func add(_ key: ByteString, _ kind: JSON.Kind) {
                made.others.append(
                    JSON.Member(
                        name: key, position: made.position, value: JSON(kind, at: made.position)))
            }
            if word == "sunssf" { add("hidden", .bool(true)) }
            if let factor = point["sf"] {
                if let name = factor.string {
                    add("scaleFrom", .string(ByteString(prefix + name.string)))
                } else if let power = factor.integer, (-10...10).contains(power) {
                    made.scale = Decimal(1, exponent: Int(power)).double
                }
            }
            if let code = Self.missing[ByteString(word)] { add("invalid", .number(code)) }
            let symbols = (point["symbols"]?.array ?? []).compactMap { symbol in
                symbol["name"]?.string.flatMap { name in
                    symbol["value"]?.integer.map { (name, $0) }
                }
            }
            func member(_ name: ByteString, _ kind: JSON.Kind) -> JSON.Member {
                JSON.Member(
                    name: name, position: made.position, value: JSON(kind, at: made.position))
            }
            if word.hasPrefix("bitfield") {
                made.length = size == 1 ? nil : size
                let bits = symbols.map { member($0.0, .number("\($0.1)")) }
                let all = member(
                    "all", .array([JSON(.number("0")), JSON(.number("\(16 * size - 1)"))]))
                add("bits", .object(bits.isEmpty ? [all] : bits))
            } else if !symbols.isEmpty, word.hasPrefix("enum") {
                add("map", .object(symbols.map { member(ByteString("\($0.1)"), .string($0.0)) }))
            }
        }
    }
}
