import Base

/// Reads a capture file of a serial line: pcap of link type 250 (RTAC serial), as `capture` and
/// `sniff` write it, or of 147 (user 0), whose packets are the bytes alone.
struct PcapReader {
    struct Packet {
        /// Nanoseconds since 1970, UTC.
        var at: Int64
        var bytes: ArraySlice<UInt8>
    }

    /// Why a file cannot be read, in words that follow its name.
    struct Problem: Error { var message: String }

    private static let fileHeader = 24
    private static let userLink: UInt32 = 147

    private let bytes: [UInt8]
    private let isBig: Bool
    private let isNano: Bool
    private let skipped: Int
    private var place = Self.fileHeader

    init(_ bytes: [UInt8]) throws(Problem) {
        guard bytes.count >= Self.fileHeader else {
            throw Problem(message: "is too short for a capture file")
        }
        let magic = Array(bytes.prefix(4))
        switch magic {
        case [0xD4, 0xC3, 0xB2, 0xA1]: (isBig, isNano) = (false, false)
        case [0xA1, 0xB2, 0xC3, 0xD4]: (isBig, isNano) = (true, false)
        case [0x4D, 0x3C, 0xB2, 0xA1]: (isBig, isNano) = (false, true)
        case [0xA1, 0xB2, 0x3C, 0x4D]: (isBig, isNano) = (true, true)
        case [0x0A, 0x0D, 0x0D, 0x0A]:
            throw Problem(message: "is pcapng: save it as pcap, or `editcap -F pcap IN OUT`")
        default: throw Problem(message: "is no pcap file")
        }
        self.bytes = bytes
        let link = Self.number(bytes, 20, isBig) & 0xFFFF
        switch link {
        case PcapWriter.linkType: skipped = PcapWriter.lineHeader
        case Self.userLink: skipped = 0
        default:
            throw Problem(
                message: "has link type \(link): a serial line's has 250 (RTAC serial) or 147")
        }
    }

    /// The next packet; nil at the end, also of a file that was cut off.
    mutating func next() -> Packet? {
        let start = place + PcapWriter.packetHeader
        guard start <= bytes.count else { return nil }
        let (seconds, fraction) = (number(place), number(place + 4))
        let count = Int(number(place + 8))
        guard count <= bytes.count - start else { return nil }
        place = start + count
        let at = Int64(seconds) * 1_000_000_000 + Int64(fraction) * (isNano ? 1 : 1000)
        return Packet(at: at, bytes: bytes[min(start + skipped, place)..<place])
    }

    private func number(_ offset: Int) -> UInt32 { Self.number(bytes, offset, isBig) }

    private static func number(_ bytes: [UInt8], _ offset: Int, _ isBig: Bool) -> UInt32 {
        let four = bytes[offset..<(offset + 4)]
        return (isBig ? Array(four) : four.reversed()).reduce(0) { $0 << 8 | UInt32($1) }
    }
}
