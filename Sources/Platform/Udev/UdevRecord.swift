/// What udev knows of a device node: the lines of /run/udev/data/c<major>:<minor>. Empty where udev does not
/// run.
struct UdevRecord {
    /// E: lines.
    private(set) var properties: [String: String] = [:]
    /// S: lines: links under /dev, without it.
    private(set) var links: [String] = []

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

    subscript(_ name: String) -> String? { properties[name] }
}
