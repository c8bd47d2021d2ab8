import Base

/// A range of IP addresses: `10.0.0.0/8`, `192.168.1.20`, `fd00::/8`.
package struct AddressRange: Hashable, Sendable {
    /// Sixteen bytes; an IPv4 address stands behind ::ffff:0:0/96.
    private let bytes: [UInt8]
    private let prefix: Int

    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let bytes = Self.bytes(of: String(parts[0])) else { return nil }
        let isShort = !parts[0].utf8.contains(UInt8(ascii: ":"))
        var prefix = 128
        if parts.count == 2 {
            guard let bits = Int(parts[1]), (0...(isShort ? 32 : 128)).contains(bits) else {
                return nil
            }
            prefix = bits + (isShort ? 96 : 0)
        }
        self.bytes = bytes
        self.prefix = prefix
    }

    /// - Parameter address: without a port.
    package func contains(_ address: String) -> Bool {
        guard let other = Self.bytes(of: address) else { return false }
        return (0..<prefix).allSatisfy { bit in
            let difference = bytes[bit / 8] ^ other[bit / 8]
            return difference & (0x80 >> UInt8(bit % 8)) == 0
        }
    }

    private static func bytes(of text: String) -> [UInt8]? {
        // The interface of a link-local address is no part of it.
        let address = text.split(separator: "%", omittingEmptySubsequences: false)[0]
        guard address.utf8.contains(UInt8(ascii: ":")) else {
            guard let bytes = short(address) else { return nil }
            let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
            return mapped + bytes
        }
        return long(String(address))
    }

    private static func short(_ text: Substring) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { $0.utf8.first == UInt8(ascii: "+") ? nil : UInt8($0) }
        return parts.count == 4 && bytes.count == 4 ? bytes : nil
    }

    private static func long(_ text: String) -> [UInt8]? {
        let bytes = Array(text.utf8)
        let colon = UInt8(ascii: ":")
        let gaps = bytes.indices.dropLast().filter { bytes[$0] == colon && bytes[$0 + 1] == colon }
        guard let gap = gaps.first else {
            return groups(bytes[...]).flatMap { $0.count == 16 ? $0 : nil }
        }
        guard gaps.count == 1, let head = groups(bytes[..<gap]),
            let tail = groups(bytes[(gap + 2)...]), head.count + tail.count <= 14
        else { return nil }
        return head + [UInt8](repeating: 0, count: 16 - head.count - tail.count) + tail
    }

    private static func groups(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        if text.isEmpty { return [] }
        var bytes: [UInt8] = []
        for slice in text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false) {
            let part = String(decoding: slice, as: UTF8.self)
            if slice.contains(UInt8(ascii: ".")) {
                guard let short = short(part[...]) else { return nil }
                bytes += short
            } else {
                guard (1...4).contains(slice.count), slice.first != UInt8(ascii: "+"),
                    let group = UInt16(part, radix: 16)
                else { return nil }
                bytes.appendBig(group)
            }
        }
        return bytes
    }
}
