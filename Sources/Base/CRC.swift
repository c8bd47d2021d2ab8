/// CRC-16/MODBUS: polynomial 0x8005 reflected, initial value 0xFFFF, sent low byte first
/// (MODBUS over Serial Line V1.02, section 6.2.2).
package enum CRC16 {
    private static let table: [UInt16] = (0..<256).map { index in
        var value = UInt16(index)
        for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xA001 : value >> 1 }
        return value
    }

    package static func checksum(_ bytes: some Sequence<UInt8>) -> UInt16 {
        var value: UInt16 = 0xFFFF
        for byte in bytes {
            value = value >> 8 ^ table[Int(UInt8(truncatingIfNeeded: value) ^ byte)]
        }
        return value
    }

    package static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt16 {
        var value: UInt16 = 0xFFFF
        table.withUnsafeBufferPointer { table in
            for byte in bytes {
                value = value >> 8 ^ table[Int(UInt8(truncatingIfNeeded: value) ^ byte)]
            }
        }
        return value
    }
}

/// CRC-32C (Castagnoli), reflected polynomial 0x82F63B78, initial value and final xor all ones
/// (RFC 3720, appendix B.4), eight bytes a step.
package enum CRC32C {
    private static let tables: [UInt32] = {
        var all = [UInt32](repeating: 0, count: 8 * 256)
        for index in 0..<256 {
            var value = UInt32(index)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
            all[index] = value
        }
        for slice in 1..<8 {
            for index in 0..<256 {
                let previous = all[(slice - 1) * 256 + index]
                all[slice * 256 + index] = previous >> 8 ^ all[Int(previous & 0xFF)]
            }
        }
        return all
    }()

    package static func checksum(_ bytes: ArraySlice<UInt8>, continuing start: UInt32 = 0) -> UInt32
    {
        var value = ~start
        tables.withUnsafeBufferPointer { table in
            bytes.withUnsafeBytes { raw in
                var offset = 0
                while offset + 8 <= raw.count {
                    let low =
                        raw.loadUnaligned(fromByteOffset: offset, as: UInt32.self).littleEndian
                        ^ value
                    let high = raw.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                        .littleEndian
                    value =
                        table[7 * 256 + Int(low & 0xFF)] ^ table[6 * 256 + Int(low >> 8 & 0xFF)]
                        ^ table[5 * 256 + Int(low >> 16 & 0xFF)] ^ table[4 * 256 + Int(low >> 24)]
                    value ^=
                        table[3 * 256 + Int(high & 0xFF)] ^ table[2 * 256 + Int(high >> 8 & 0xFF)]
                    value ^= table[256 + Int(high >> 16 & 0xFF)] ^ table[Int(high >> 24)]
                    offset += 8
                }
                while offset < raw.count {
                    value = value >> 8 ^ table[Int(UInt8(truncatingIfNeeded: value) ^ raw[offset])]
                    offset += 1
                }
            }
        }
        return ~value
    }

    package static func checksum(_ bytes: [UInt8]) -> UInt32 { checksum(bytes[...]) }
}
