/// Record of a device node in udev: the lines of /run/udev/data/c<major>:<minor>. Empty where udev
/// does not run.
struct UdevRecord {
    /// E: lines.
    private(set) var properties: [String: String] = [:]
    /// S: lines: links under /dev, without it.
    private(set) var links: [String] = []

    init() {}

    /// - Parameter folder: the device's folder in sysfs.
    init(_ folder: String, in system: SystemPaths) {
        guard let number = try? FileSystem.text("\(folder)/dev"),
            let text = try? FileSystem.text("\(system.run)/udev/data/c\(number)")
        else { return }
        for line in text.split(separator: "\n") {
            if line.hasPrefix("S:") { links.append(String(line.dropFirst(2))) }
            guard line.hasPrefix("E:") else { continue }
            let pair = line.dropFirst(2).split(separator: "=", maxSplits: 1)
            if pair.count == 2 { properties[String(pair[0])] = String(pair[1]) }
        }
    }

    /// False for what a port of the same name has left behind: udev is slower than the kernel with
    /// new names.
    func isAbout(_ walk: DeviceWalk) -> Bool {
        if let serial = walk.identity.serial, let known = self["ID_SERIAL_SHORT"],
            Self.tame(serial) != known
        {
            return false
        }
        if let socket = walk.socket, let known = self["ID_PATH"], known != socket,
            !known.hasSuffix("-" + socket)
        {
            return false
        }
        return true
    }

    /// As udev writes a serial number: blanks and what no file name should have become underscores.
    private static func tame(_ text: String) -> String {
        let words = text.split { $0 == " " || $0 == "\t" || $0 == "\n" }
        return String(
            words.joined(separator: "_").map { character in
                guard let byte = character.asciiValue else { return character }
                let isFine =
                    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                    || (0x61...0x7A).contains(byte)
                    || "#+-.:=@_\\".utf8.contains(byte)
                return isFine ? character : "_"
            })
    }

    subscript(_ name: String) -> String? { properties[name] }
}
