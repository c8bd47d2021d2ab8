import Base
import CLinux
import Glibc

/// The names of files that are about to replace others, and which of them an interrupted
/// replacement left behind: those alone are removed, by name and by their first bytes.
enum TemporaryName {
    static let suffix = ".tmp"
    private static let mark = ".fieldgw-"
    private static let digits = 16

    static func make(for name: String) -> String {
        name + mark
            + Machine.random(digits / 2).map { byte in
                let text = String(byte, radix: 16)
                return text.utf8.count < 2 ? "0" + text : text
            }.joined() + suffix
    }

    /// The name of the file that it was to replace; nil if it is none of ours. Earlier versions had
    /// no number.
    static func target(of name: String) -> String? {
        guard name.hasSuffix(suffix) else { return nil }
        let plain = name.dropLast(suffix.count)
        let number = plain.suffix(digits)
        let target = plain.dropLast(digits + mark.count)
        if plain.dropLast(digits).hasSuffix(mark), number.utf8.allSatisfy(isDigit), !target.isEmpty
        {
            return String(target)
        }
        return isOurs(plain) ? String(plain) : nil
    }

    /// The first bytes of a file for `target`, as far as it was written.
    static func isBeginning(_ bytes: ArraySlice<UInt8>, of target: String) -> Bool {
        if bytes.allSatisfy({ $0 == 0 }) { return true }
        func begins(_ magic: some Collection<UInt8>) -> Bool {
            magic.starts(with: bytes.prefix(magic.count))
        }
        if target.hasPrefix("seg-") { return begins("FGWSPOOL".utf8) }
        if target.hasSuffix(".pcap") {
            return begins([0xD4, 0xC3, 0xB2, 0xA1]) || begins([0x4D, 0x3C, 0xB2, 0xA1])
        }
        // With a head of white space, or JSON from its first byte on.
        if target.hasSuffix(".doc"), let first = bytes.first {
            return [0x0A, 0x7B, 0x5B].contains(first)
        }
        return false
    }

    private static func isOurs(_ name: Substring) -> Bool {
        if name.hasPrefix("seg-"), name.hasSuffix(".log") {
            let number = name.dropFirst(4).dropLast(4)
            return number.utf8.count == 16 && number.utf8.allSatisfy(isDigit)
        }
        if name.hasPrefix("capture-"), name.hasSuffix(".pcap") { return true }
        guard name.hasSuffix(".doc") else { return false }
        return ["clock", "bridge", "losses", "numbers"].contains(name.dropLast(4))
            || ["learned-", "config-", "commands-"].contains { name.hasPrefix($0) }
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
    }
}
