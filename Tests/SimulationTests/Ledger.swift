import Base
import Spool
import TestKit

/// One record as it lies in a segment file, read by the format's field table and by nothing of the
/// journal's own reading code but the header's check.
struct Kept: Hashable {
    var seq: UInt64
    var device: String
    var subfolder: String
    var body: [UInt8]
}

/// What the virtual disk was given and has kept: written, synced, or only found after a crash.
struct Ledger {
    /// Covered by a sync that succeeded: these must arrive.
    private(set) var synced: [UInt64: (record: Kept, at: Instant)] = [:]
    /// Found in a file when recovery synced it: these may be sent.
    private var found: [UInt64: Kept] = [:]
    private var seeds: [String: UInt32] = [:]
    private var unsynced: [String: [Kept]] = [:]
    /// Numbers below are reserved, by the bounds that were synced.
    private(set) var reserved: UInt64 = 0
    /// The same of bounds that were written and not synced yet.
    private var reserving: UInt64 = 0
    /// Records that were synced since they were taken last.
    private var news: [Kept] = []

    /// What may be sent under this number.
    func durable(_ seq: UInt64) -> Kept? { synced[seq]?.record ?? found[seq] }

    mutating func takeNews() -> [Kept] {
        defer { news = [] }
        return news
    }

    /// Takes note of one operation that has ended well. Answers what is wrong about it.
    mutating func observe(_ request: DiskRequest, _ disk: VirtualDisk, at now: Instant) -> String? {
        switch request.operation {
        case .create(let name, _, let header):
            if let head = try? Segment.header(header + [UInt8](repeating: 0, count: 4096)) {
                let seed = Record.seed(salt: head.salt)
                seeds[name] = seed
                reserved = max(
                    reserved, Self.reserve(header, from: Segment.dataStart, seed: seed) ?? 0)
            }
        case .write(let name, let extents, let sync):
            guard let seed = seeds[name] else { return nil }
            for extent in extents where extent.offset >= Segment.dataStart {
                unsynced[name, default: []] += Self.records(extent.bytes, from: 0, seed: seed)
                reserving = max(
                    reserving, Self.reserve(extent.bytes, from: 0, seed: seed) ?? 0)
            }
            if sync { return settle(name, at: now) }
        case .sync(let name):
            if let bytes = disk.contents(name), let header = try? Segment.header(bytes) {
                let seed = Record.seed(salt: header.salt)
                seeds[name] = seed
                for record in Self.records(bytes, from: Segment.dataStart, seed: seed) {
                    found[record.seq] = record
                }
            }
        default: break
        }
        return nil
    }

    private mutating func settle(_ name: String, at now: Instant) -> String? {
        var complaint: String?
        reserved = max(reserved, reserving)
        news += unsynced[name] ?? []
        for record in unsynced.removeValue(forKey: name) ?? [] {
            if let old = synced[record.seq], old.record != record {
                complaint =
                    "seq \(record.seq) of \(record.device) is on the disk twice with different content"
            }
            if synced[record.seq] == nil { synced[record.seq] = (record, now) }
            found[record.seq] = nil
        }
        return complaint
    }

    /// The machine has stopped: what was not synced has no claim any more.
    mutating func stopped() { (unsynced, reserving) = ([:], 0) }

    /// Every sound data record from an offset on, damaged ones skipped.
    private static func records(_ bytes: [UInt8], from start: Int, seed: UInt32) -> [Kept] {
        var all: [Kept] = []
        walk(bytes, from: start, seed: seed) { header, payload in
            if header.type == Record.RecordType.data.rawValue,
                let kept = kept(payload, header.seq)
            {
                all.append(kept)
            }
        }
        return all
    }

    /// The bound of the last reserve record.
    private static func reserve(_ bytes: [UInt8], from start: Int, seed: UInt32) -> UInt64? {
        var bound: UInt64?
        walk(bytes, from: start, seed: seed) { header, payload in
            guard header.type == Record.RecordType.reserve.rawValue, payload.count >= 16 else {
                return
            }
            let place = payload.startIndex + 8
            bound = payload[place..<place + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        return bound
    }

    private static func walk(
        _ bytes: [UInt8], from start: Int, seed: UInt32,
        _ visit: (Record.Header, ArraySlice<UInt8>) -> Void
    ) {
        var offset = start
        while offset + Record.headerSize <= bytes.count {
            guard let header = Record.header(in: bytes, at: offset, seed: seed) else {
                offset += Record.alignment
                continue
            }
            let payload = offset + Record.headerSize
            let end = payload + header.payloadLength
            guard end <= bytes.count, CRC32C.checksum(bytes[payload..<end]) == header.payloadCRC
            else {
                offset += Record.alignment
                continue
            }
            visit(header, bytes[payload..<end])
            offset += header.size
        }
    }

    private static func kept(_ payload: ArraySlice<UInt8>, _ seq: UInt64) -> Kept? {
        guard payload.count >= 12 else { return nil }
        let base = payload.startIndex
        let names = base + 12
        let middle = names + Int(payload[base + 2])
        let body = middle + Int(payload[base + 3])
        guard body <= payload.endIndex else { return nil }
        return Kept(
            seq: seq, device: String(decoding: payload[names..<middle], as: UTF8.self),
            subfolder: String(decoding: payload[middle..<body], as: UTF8.self),
            body: Array(payload[body...]))
    }
}
