import Base

/// Figures of the machine that the gateway runs on, from the texts in which the kernel tells them.
package struct MachineFigures: Hashable, Sendable {
    /// Processes that wanted to run, averaged over 1, 5 and 15 minutes.
    package private(set) var load: [Double] = []
    /// Bytes of memory, and of these what can still be had.
    package private(set) var memory: Int?
    package private(set) var memoryAvailable: Int?
    /// Bytes that this process has in memory.
    package private(set) var resident: Int?
    /// Bytes of the journal's file system, and of these what is free.
    package private(set) var disk: Int?
    package private(set) var diskFree: Int?
    /// Of the warmest sensor, in degrees Celsius.
    package private(set) var temperature: Double?

    package init() {}

    /// - Parameter text: of `/proc/loadavg`.
    package mutating func take(loadavg text: String) {
        let words = text.split(separator: " ").prefix(3)
        let figures = words.compactMap { Double($0) }.filter(\.isFinite)
        load = figures.count == 3 ? figures : []
    }

    /// - Parameter text: of `/proc/meminfo`.
    package mutating func take(meminfo text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count >= 2, let kibibytes = Int(words[1]),
                (0..<(1 << 42)).contains(kibibytes)
            else { continue }
            switch words[0] {
            case "MemTotal:": memory = kibibytes << 10
            case "MemAvailable:": memoryAvailable = kibibytes << 10
            default: break
            }
        }
    }

    /// - Parameter text: of `/proc/self/status`.
    package mutating func take(status text: String) {
        for line in text.split(separator: "\n") where line.hasPrefix("VmRSS:") {
            let digits = line.filter { ("0"..."9").contains($0) }
            if let kibibytes = Int(digits), kibibytes < 1 << 42 { resident = kibibytes << 10 }
        }
    }

    /// - Parameter texts: of `/sys/class/thermal/thermal_zone*/temp`, in thousandths of a degree.
    package mutating func take(temperatures texts: [String]) {
        let sound = -60_000...200_000
        temperature = texts.compactMap { Int($0) }.filter(sound.contains).max().map {
            Double($0) / 1000
        }
    }

    package mutating func take(disk: Int, free: Int) {
        (self.disk, diskFree) = (disk, free)
    }

    /// `"load":[…],"memoryBytes",…`: what is known.
    func write(_ writer: inout JSONWriter) {
        if !load.isEmpty {
            writer.key("load")
            writer.array { writer in for figure in load { writer.number(figure) } }
        }
        let rows = [
            ("memoryBytes", memory), ("memoryAvailableBytes", memoryAvailable),
            ("residentBytes", resident), ("diskBytes", disk), ("diskFreeBytes", diskFree),
        ]
        for (name, value) in rows { if let value { writer.member(name, value) } }
        if let temperature { writer.member("temperature", temperature) }
    }
}
