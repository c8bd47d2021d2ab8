import Base

/// How a document stands in its file in the state directory: behind a head that holds its length
/// and its checksum, so that a damaged file is known as one whatever is wrong with it.
///
/// | offset | bytes | part |
/// |---|---|---|
/// | 0 | 1 | newline |
/// | 1 | 64 | 64 bits, the highest first, a space for 0 and a tab for 1: the length, then the CRC-32C |
/// | 65 | 1 | newline |
/// | 66 | length | the document |
///
/// The checksum is that of the length, 32 bits, little endian, and the document. The head is white
/// space, which JSON ignores: versions without it read these files too. Theirs have none and are
/// read as they are.
package enum StateDocument {
    package static let headSize = 66

    package enum Content: Hashable, Sendable {
        case sound([UInt8])
        /// JSON without a head, as earlier versions wrote it.
        case unmarked([UInt8])
        case damaged
    }

    package static func file(_ document: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = [0x0A]
        bytes.reserveCapacity(headSize + document.count)
        let bits = UInt64(UInt32(clamping: document.count)) << 32 | UInt64(checksum(document[...]))
        for place in 0..<64 { bytes.append(bits >> UInt64(63 - place) & 1 == 1 ? 0x09 : 0x20) }
        bytes.append(0x0A)
        return bytes + document
    }

    package static func content(of file: [UInt8]) -> Content {
        guard let first = file.first else { return .damaged }
        guard first <= 0x20 else {
            return (try? JSONReader.parse(file)) == nil ? .damaged : .unmarked(file)
        }
        guard file.count >= headSize, file[0] == 0x0A, file[65] == 0x0A else { return .damaged }
        var bits: UInt64 = 0
        for byte in file[1..<65] {
            guard byte == 0x09 || byte == 0x20 else { return .damaged }
            bits = bits << 1 | (byte == 0x09 ? 1 : 0)
        }
        let document = file[headSize...]
        guard bits >> 32 == UInt64(document.count),
            UInt32(truncatingIfNeeded: bits) == checksum(document)
        else {
            return .damaged
        }
        return .sound(Array(document))
    }

    private static func checksum(_ document: ArraySlice<UInt8>) -> UInt32 {
        var length: [UInt8] = []
        length.appendLittle(UInt32(clamping: document.count))
        return CRC32C.checksum(document, continuing: CRC32C.checksum(length))
    }
}
