import Base

extension UARTProtocol.Checksum {
    /// Whether the frame carries the value that its bytes have. False as well when the frame is too
    /// short for the places that are named.
    func holds(for frame: [UInt8]) -> Bool {
        let first = from < 0 ? frame.count + from : from
        let last = to <= 0 ? frame.count + to : to
        let place = at < 0 ? frame.count + at : at
        guard first >= 0, first <= last, last <= frame.count, place >= 0,
            place <= frame.count - type.width
        else { return false }
        // The mark between an NMEA sentence and its checksum is covered by neither.
        if type == .nmea, last == place - 1, frame[last] != 0x2A { return false }
        let covered = frame[first..<last]
        guard let sent = sent(in: frame, at: place) else { return false }
        return sent == Self.value(type, of: covered)
    }

    private func sent(in frame: [UInt8], at place: Int) -> UInt16? {
        switch type {
        case .none: return 0
        case .sum8, .xor8, .crc8, .twosComplement: return UInt16(frame[place])
        case .nmea:
            guard let high = Self.digit(frame[place]), let low = Self.digit(frame[place + 1]) else {
                return nil
            }
            return UInt16(high << 4 | low)
        case .sum16, .crc16Modbus, .crc16CCITT, .crc16Xmodem:
            let (first, second) = (UInt16(frame[place]), UInt16(frame[place + 1]))
            return order == .big ? first << 8 | second : second << 8 | first
        }
    }

    private static func digit(_ character: UInt8) -> UInt8? {
        switch character {
        case 0x30...0x39: character - 0x30
        case 0x41...0x46: character - 0x41 + 10
        case 0x61...0x66: character - 0x61 + 10
        default: nil
        }
    }

    /// - `crc8`: polynomial 0x07, initial value 0 (CRC-8/SMBUS).
    /// - `crc16-ccitt`: polynomial 0x1021, initial value 0xFFFF (CRC-16/IBM-3740).
    /// - `crc16-xmodem`: the same with initial value 0.
    /// - `nmea`: exclusive or, written as two hexadecimal digits (NMEA 0183, section 5.3).
    /// - `twos-complement`: what makes the sum of all zero.
    static func value(_ type: UARTProtocol.ChecksumType, of bytes: ArraySlice<UInt8>) -> UInt16 {
        switch type {
        case .none: return 0
        case .sum8: return sum(bytes) & 0xFF
        case .sum16: return sum(bytes)
        case .twosComplement: return (0 &- sum(bytes)) & 0xFF
        case .xor8, .nmea:
            var value: UInt8 = 0
            for byte in bytes { value ^= byte }
            return UInt16(value)
        case .crc8:
            var value: UInt8 = 0
            for byte in bytes {
                value ^= byte
                for _ in 0..<8 { value = value & 0x80 == 0 ? value << 1 : value << 1 ^ 0x07 }
            }
            return UInt16(value)
        case .crc16Modbus: return CRC16.checksum(bytes)
        case .crc16CCITT: return ccitt(bytes, from: 0xFFFF)
        case .crc16Xmodem: return ccitt(bytes, from: 0)
        }
    }

    private static func sum(_ bytes: ArraySlice<UInt8>) -> UInt16 {
        var sum: UInt16 = 0
        for byte in bytes { sum &+= UInt16(byte) }
        return sum
    }

    private static func ccitt(_ bytes: ArraySlice<UInt8>, from start: UInt16) -> UInt16 {
        var value = start
        for byte in bytes {
            // Eight steps of the polynomial at once.
            var high = UInt8(truncatingIfNeeded: value >> 8) ^ byte
            high ^= high >> 4
            let wide = UInt16(high)
            value = value << 8 ^ wide << 12 ^ wide << 5 ^ wide
        }
        return value
    }
}
