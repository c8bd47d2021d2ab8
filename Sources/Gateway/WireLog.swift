import Base
import Modbus

/// Frames of one line for the log, decoded: a line for each request and each reply, with its bytes.
/// Their cost is bounded: frames beyond `burst` and `perSecond` are counted and not decoded.
package struct WireLog: Sendable {
    /// Subsystem of its lines in the log.
    package static let subsystem = "wire"
    package static let burst = 400
    package static let perSecond = 200
    /// Bytes are told as they are when nothing has followed for so long.
    private static let patience = Duration.milliseconds(100)
    /// Longest piece that is told at once: as long as a frame with its request in front of it.
    private static let pieceMax = 2 * Limits.adu

    private struct Frame: Sendable {
        var at: Moment
        var bytes: [UInt8]
    }

    var isModbus: Bool { reader.isModbus }
    private var reader: FrameReader
    private var bucket = TokenBucket(burst: burst, perSecond: Double(perSecond))
    /// The request before what comes now.
    private var request: Frame?
    /// Whether the last request was told: without it a reply means nothing.
    private var isRequestTold = true
    private var received: Frame?
    /// Frames that were not decoded since the last that was.
    private var untold = 0
    private var lines: [String] = []
    /// Time at which `timeout` must be called.
    package private(set) var due: Instant?

    package init(isModbus: Bool) {
        reader = FrameReader(isModbus: isModbus)
    }

    package mutating func sent(_ bytes: [UInt8], at now: Moment) {
        flush()
        tell(Frame(at: now, bytes: bytes), isSent: true)
    }

    package mutating func received(_ bytes: [UInt8], at now: Moment) {
        var frame = received ?? Frame(at: now, bytes: [])
        frame.bytes += bytes
        received = frame
        due = now.instant + Self.patience
        if isWhole(frame.bytes[...]) || frame.bytes.count >= Self.pieceMax { flush() }
    }

    package mutating func timeout(at now: Instant) {
        if let due, due <= now { flush() }
    }

    /// The next line of the log.
    package mutating func next() -> String? { lines.isEmpty ? nil : lines.removeFirst() }

    private func isWhole(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard isModbus else { return bytes.last == 0x0A || bytes.last == 0x0D }
        return FrameReader.isSound(bytes)
            || echo(in: bytes).map { FrameReader.isSound(bytes.dropFirst($0)) } ?? false
    }

    /// Number of bytes in front of a reply that are its request again.
    private func echo(in bytes: ArraySlice<UInt8>) -> Int? {
        guard let request, bytes.count > request.bytes.count, bytes.starts(with: request.bytes)
        else { return nil }
        return request.bytes.count
    }

    private mutating func flush() {
        due = nil
        guard var frame = received.take() else { return }
        if isModbus, !FrameReader.isSound(frame.bytes[...]), let count = echo(in: frame.bytes[...])
        {
            tell(Frame(at: frame.at, bytes: Array(frame.bytes.prefix(count))), isSent: false)
            frame.bytes.removeFirst(count)
        }
        tell(frame, isSent: false)
    }

    private mutating func tell(_ frame: Frame, isSent: Bool) {
        let isTold = (isSent || isRequestTold) && bucket.take(at: frame.at.instant)
        if isSent { (request, isRequestTold) = (frame, isTold) }
        guard isTold else {
            untold += 1
            return
        }
        if untold > 0 {
            lines.append("\(Plural.text(untold, "frame")) before this not logged: too many")
            untold = 0
        }
        let sentence = reader.sentence(of: frame.bytes, isSent: isSent)
        var time = ""
        if !isSent, let request {
            let tenths = max(0, (frame.at.instant - request.at.instant).nanoseconds) / 100_000
            time = "  (+\(tenths / 10).\(tenths % 10) ms)"
        }
        let clock = frame.at.wall.timestamp.dropFirst(11).dropLast()
        lines.append(
            "\(clock) \(isSent ? ">" : "<") \(sentence)\(time)  [\(Hex.encode(frame.bytes))]")
    }
}
