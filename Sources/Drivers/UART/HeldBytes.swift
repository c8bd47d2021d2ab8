import Base

/// The bytes that a cutter holds, with what is known of every place: whether a start or a
/// terminator begins there, and what its checksum has come to. Each is found out once, when the
/// byte comes.
struct HeldBytes: Sendable {
    private(set) var bytes: [UInt8] = []
    /// Bytes before this place are given up.
    private(set) var head = 0
    /// Bit 0: a start begins here; bit 1: a terminator.
    private var marks: [UInt8] = []
    private var starts: PatternMarks
    private var ends: PatternMarks
    private var checksums: WindowChecksum
    /// No terminator begins before this index.
    private var searched = 0
    /// Steps taken since the beginning: bytes looked at, compared and copied, checksums compared.
    private(set) var work = 0

    init(start: [UInt8], terminator: [UInt8], checksum: UARTProtocol.ChecksumType) {
        starts = PatternMarks(start)
        ends = PatternMarks(terminator)
        checksums = WindowChecksum(checksum)
    }

    var count: Int { bytes.count - head }

    mutating func append(_ chunk: ArraySlice<UInt8>) {
        compact()
        for byte in chunk {
            bytes.append(byte)
            marks.append(0)
            checksums.append(byte)
            work += 1
            if starts.append(byte, &work) { mark(starts.pattern.count, 1) }
            if ends.append(byte, &work) { mark(ends.pattern.count, 2) }
        }
    }

    /// An occurrence of `length` bytes ends with the last byte.
    private mutating func mark(_ length: Int, _ bit: UInt8) {
        let place = bytes.count - length
        if place >= head { marks[place] |= bit }
    }

    mutating func skip(_ count: Int) { head += count }

    /// Drops what cannot begin a frame; false while too little is held to tell.
    mutating func align(_ skipped: inout Int) -> Bool {
        guard !starts.pattern.isEmpty else { return count > 0 }
        let open = bytes.count - starts.partial(atMost: count)
        while head < bytes.count {
            if marks[head] & 1 != 0 { return true }
            if head == open { return false }
            head += 1
            skipped += 1
            work += 1
        }
        return false
    }

    /// Where the first terminator begins that stands `offset` bytes behind the head or later.
    mutating func terminator(behind offset: Int) -> Int? {
        searched = max(searched, head + offset)
        while searched + ends.pattern.count <= bytes.count {
            if marks[searched] & 2 != 0 { return searched }
            searched += 1
            work += 1
        }
        return nil
    }

    /// Where the last start before `end` begins; nil if that is the head.
    mutating func lastStart(before end: Int) -> Int? {
        var place = end - starts.pattern.count
        while place > head {
            work += 1
            if marks[place] & 1 != 0 { return place }
            place -= 1
        }
        return nil
    }

    mutating func holds(_ checksum: UARTProtocol.Checksum, first count: Int) -> Bool {
        work += 1
        return checksum.holds(for: head..<(head + count), of: bytes, checksums)
    }

    mutating func copy(first count: Int) -> [UInt8] {
        work += count
        return Array(bytes[head..<(head + count)])
    }

    /// Removes the bytes that were given up when they are half of all, so that a byte is moved once
    /// or twice.
    private mutating func compact() {
        guard head > 0, head >= bytes.count - head else { return }
        work += count
        bytes.removeFirst(head)
        marks.removeFirst(head)
        checksums.removeFirst(head)
        searched = max(0, searched - head)
        head = 0
    }
}
