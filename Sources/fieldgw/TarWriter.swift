import Base

/// An archive of files in memory (POSIX ustar): one header of 512 bytes a file, its bytes padded to
/// 512, and two empty blocks at the end.
struct TarWriter {
    private static let block = 512
    private static let nameMax = 100

    private(set) var bytes: [UInt8] = []

    /// - Parameter time: seconds since 1970.
    mutating func add(_ name: String, _ content: [UInt8], time: Int64) {
        var header = [UInt8](repeating: 0, count: Self.block)
        func put(_ text: String, at offset: Int) {
            for (place, byte) in text.utf8.enumerated() { header[offset + place] = byte }
        }
        func octal(_ value: Int64, _ digits: Int) -> String {
            let text = String(max(0, value), radix: 8)
            return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
        }
        put(String(decoding: name.utf8.prefix(Self.nameMax), as: UTF8.self), at: 0)
        put("0000644", at: 100)
        put("0000000", at: 108)
        put("0000000", at: 116)
        put(octal(Int64(content.count), 11), at: 124)
        put(octal(time, 11), at: 136)
        put("        0", at: 148)  // The checksum counts itself as blanks; 0 is a plain file.
        put("ustar", at: 257)
        put("00", at: 263)
        put(octal(header.reduce(0) { $0 + Int64($1) }, 6), at: 148)
        header[154] = 0
        bytes += header + content
        pad()
    }

    private mutating func pad() {
        let rest = bytes.count % Self.block
        if rest > 0 { bytes += [UInt8](repeating: 0, count: Self.block - rest) }
    }

    mutating func finish() { bytes += [UInt8](repeating: 0, count: 2 * Self.block) }
}
