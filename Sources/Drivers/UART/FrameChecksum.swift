import Base

extension UARTProtocol.Checksum {
    /// Whether the frame in this window of `bytes` carries the value that its bytes have;
    /// `checksums` has all of `bytes`. False as well when the frame is too short for the places
    /// that are named.
    func holds(for window: Range<Int>, of bytes: [UInt8], _ checksums: WindowChecksum) -> Bool {
        let count = window.count
        let first = from < 0 ? count + from : from
        let last = to <= 0 ? count + to : to
        let place = at < 0 ? count + at : at
        guard first >= 0, first <= last, last <= count, place >= 0, place <= count - size else {
            return false
        }
        let base = window.lowerBound
        // The mark between an NMEA sentence and its checksum is covered by neither.
        if type == .nmea, last == place - 1, bytes[base + last] != 0x2A { return false }
        let wanted = written(checksums.value(of: (base + first)..<(base + last)))
        let sent = bytes[(base + place)..<(base + place + size)]
        if isText, type != .sdi12 {
            return sent.elementsEqual(wanted) || sent.map(Self.upper) == wanted
        }
        return sent.elementsEqual(wanted)
    }

    /// Characters or bytes in the frame.
    package var size: Int { type.size(asHex: asHex) }

    private var isText: Bool { asHex || type == .nmea || type == .sdi12 }

    /// The value of these bytes as it stands in a frame; hexadecimal digits are upper case.
    package func encoded(of bytes: ArraySlice<UInt8>) -> [UInt8] {
        written(Self.value(type, of: bytes))
    }

    private func written(_ value: UInt16) -> [UInt8] {
        if type == .sdi12 {
            // Six bits a character (SDI-12 Specification V1.4, section 4.4.12.2).
            return [12, 6, 0].map { 0x40 | UInt8(truncatingIfNeeded: value >> $0) & 0x3F }
        }
        let (high, low) = (UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value))
        let binary =
            switch type.width {
            case 0: [UInt8]()
            case 1: [low]
            default: order == .big ? [high, low] : [low, high]
            }
        return isText ? Array(Hex.encode(binary, separator: "").utf8) : binary
    }

    private static func upper(_ character: UInt8) -> UInt8 {
        (0x61...0x66).contains(character) ? character - 0x20 : character
    }

    /// - `nmea`: exclusive or, written as two hexadecimal digits (NMEA 0183, section 5.3).
    /// - `twos-complement`: what makes the sum of all zero; `ones-complement`: one less.
    static func value(_ type: UARTProtocol.ChecksumType, of bytes: ArraySlice<UInt8>) -> UInt16 {
        switch type {
        case .none: return 0
        case .sum8: return sum(bytes) & 0xFF
        case .sum16: return sum(bytes)
        case .twosComplement: return (0 &- sum(bytes)) & 0xFF
        case .onesComplement: return ~sum(bytes) & 0xFF
        case .xor8, .nmea:
            var value: UInt8 = 0
            for byte in bytes { value ^= byte }
            return UInt16(value)
        default: return type.crc?.checksum(bytes) ?? 0
        }
    }

    private static func sum(_ bytes: ArraySlice<UInt8>) -> UInt16 {
        var sum: UInt16 = 0
        for byte in bytes { sum &+= UInt16(byte) }
        return sum
    }
}
