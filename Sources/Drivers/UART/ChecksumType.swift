extension UARTProtocol {
    /// The raw values are the words of the configuration. CRCs are named after their common use;
    /// the names of the RevEng catalogue stand beside them in `crc`.
    package enum ChecksumType: String, Hashable, Sendable, CaseIterable {
        case none, sum8, sum16, xor8, nmea, sdi12
        case twosComplement = "twos-complement"
        case onesComplement = "ones-complement"
        case crc8
        case crc8Smbus = "crc8-smbus"
        case crc8Maxim = "crc8-maxim"
        case crc8J1850 = "crc8-j1850"
        case crc8Rohc = "crc8-rohc"
        case crc8Itu = "crc8-itu"
        case crc8Cdma2000 = "crc8-cdma2000"
        case crc8Wcdma = "crc8-wcdma"
        case crc8DvbS2 = "crc8-dvb-s2"
        case crc8Sensirion = "crc8-sensirion"
        case crc16Modbus = "crc16-modbus"
        case crc16CCITT = "crc16-ccitt"
        case crc16CCITTFalse = "crc16-ccitt-false"
        case crc16Xmodem = "crc16-xmodem"
        case crc16Kermit = "crc16-kermit"
        case crc16X25 = "crc16-x25"
        case crc16ARC = "crc16-arc"
        case crc16USB = "crc16-usb"
        case crc16Maxim = "crc16-maxim"
        case crc16DNP = "crc16-dnp"
        case crc16MCRF4XX = "crc16-mcrf4xx"
        case crc16Genibus = "crc16-genibus"
        case crc16AugCCITT = "crc16-aug-ccitt"
        case crc16Buypass = "crc16-buypass"

        /// Bytes of the value itself.
        package var width: Int {
            switch self {
            case .none: 0
            case .sum8, .xor8, .nmea, .twosComplement, .onesComplement: 1
            case .sum16, .sdi12: 2
            default: crc.map { $0.width / 8 } ?? 0
            }
        }

        /// Characters or bytes that it takes in a frame.
        package func size(asHex: Bool) -> Int {
            switch self {
            case .nmea: 2
            case .sdi12: 3
            default: asHex ? 2 * width : width
            }
        }

        /// Which byte of two comes first where nothing is said: the low one if the bits are
        /// reflected.
        package var naturalOrder: Checksum.Order { crc?.isReflected == true ? .little : .big }

        /// The parameters of the Rocksoft model.
        var crc: CRCModel? {
            switch self {
            case .crc8, .crc8Smbus: CRCModel(8, 0x07)  // CRC-8/SMBUS
            case .crc8Maxim: CRCModel(8, 0x31, isReflected: true)  // CRC-8/MAXIM-DOW
            case .crc8J1850: CRCModel(8, 0x1D, initial: 0xFF, final: 0xFF)  // CRC-8/SAE-J1850
            case .crc8Rohc: CRCModel(8, 0x07, initial: 0xFF, isReflected: true)  // CRC-8/ROHC
            case .crc8Itu: CRCModel(8, 0x07, final: 0x55)  // CRC-8/I-432-1
            case .crc8Cdma2000: CRCModel(8, 0x9B, initial: 0xFF)  // CRC-8/CDMA2000
            case .crc8Wcdma: CRCModel(8, 0x9B, isReflected: true)  // CRC-8/WCDMA
            case .crc8DvbS2: CRCModel(8, 0xD5)  // CRC-8/DVB-S2
            case .crc8Sensirion: CRCModel(8, 0x31, initial: 0xFF)  // CRC-8/NRSC-5
            case .crc16Modbus: CRCModel(16, 0x8005, initial: 0xFFFF, isReflected: true)
            // CRC-16/IBM-3740.
            case .crc16CCITT, .crc16CCITTFalse: CRCModel(16, 0x1021, initial: 0xFFFF)
            case .crc16Xmodem: CRCModel(16, 0x1021)
            case .crc16Kermit: CRCModel(16, 0x1021, isReflected: true)
            case .crc16X25: CRCModel(16, 0x1021, initial: 0xFFFF, final: 0xFFFF, isReflected: true)
            case .crc16ARC, .sdi12: CRCModel(16, 0x8005, isReflected: true)  // CRC-16/ARC
            case .crc16USB: CRCModel(16, 0x8005, initial: 0xFFFF, final: 0xFFFF, isReflected: true)
            case .crc16Maxim: CRCModel(16, 0x8005, final: 0xFFFF, isReflected: true)
            case .crc16DNP: CRCModel(16, 0x3D65, final: 0xFFFF, isReflected: true)
            case .crc16MCRF4XX: CRCModel(16, 0x1021, initial: 0xFFFF, isReflected: true)
            case .crc16Genibus: CRCModel(16, 0x1021, initial: 0xFFFF, final: 0xFFFF)
            case .crc16AugCCITT: CRCModel(16, 0x1021, initial: 0x1D0F)  // CRC-16/SPI-FUJITSU
            case .crc16Buypass: CRCModel(16, 0x8005)  // CRC-16/UMTS
            case .none, .sum8, .sum16, .xor8, .nmea, .twosComplement, .onesComplement: nil
            }
        }
    }
}

/// A CRC of 8 or 16 bits: polynomial, initial value, what the result is combined with, and whether
/// the least significant bit of every byte goes first.
struct CRCModel: Hashable, Sendable {
    let width: Int
    let polynomial: UInt16
    let initial: UInt16
    let final: UInt16
    let isReflected: Bool

    init(
        _ width: Int, _ polynomial: UInt16, initial: UInt16 = 0, final: UInt16 = 0,
        isReflected: Bool = false
    ) {
        self.width = width
        self.polynomial = polynomial
        self.initial = initial
        self.final = final
        self.isReflected = isReflected
    }

    /// Effect of each byte on a register that is zero, in the register's own direction. A register
    /// of 8 bits stands at the top of 16 unless it is reflected.
    private func makeTable() -> [UInt16] {
        let aligned = polynomial << UInt16(16 - width)
        let mirrored = Self.mirror(polynomial, width)
        return (0..<256).map { index in
            var value = isReflected ? UInt16(index) : UInt16(index) << 8
            for _ in 0..<8 {
                if isReflected {
                    value = value & 1 == 1 ? value >> 1 ^ mirrored : value >> 1
                } else {
                    value = value & 0x8000 != 0 ? value << 1 ^ aligned : value << 1
                }
            }
            return value
        }
    }

    private static let tables: [CRCModel: [UInt16]] = {
        var all: [CRCModel: [UInt16]] = [:]
        for model in UARTProtocol.ChecksumType.allCases.compactMap(\.crc) {
            all[model] = model.makeTable()
        }
        return all
    }()

    private static func mirror(_ value: UInt16, _ width: Int) -> UInt16 {
        var result: UInt16 = 0
        for bit in 0..<width where value >> UInt16(bit) & 1 == 1 {
            result |= 1 << UInt16(width - 1 - bit)
        }
        return result
    }

    /// As `makeTable`, made once.
    var table: [UInt16] { Self.tables[self] ?? makeTable() }

    /// The register before the first byte.
    var start: UInt16 { isReflected ? Self.mirror(initial, width) : initial << UInt16(16 - width) }

    /// The checksum for the final value of the register.
    func result(_ register: UInt16) -> UInt16 {
        (isReflected ? register : register >> UInt16(16 - width)) ^ final
    }

    func checksum(_ bytes: ArraySlice<UInt8>) -> UInt16 {
        let table = table
        var value = start
        if isReflected {
            for byte in bytes {
                value = value >> 8 ^ table[Int(UInt8(truncatingIfNeeded: value) ^ byte)]
            }
        } else {
            for byte in bytes {
                value = value << 8 ^ table[Int(UInt8(truncatingIfNeeded: value >> 8) ^ byte)]
            }
        }
        return result(value)
    }
}
