import Base
import FuzzKit
import Spool
import TestKit

/// The journal's recovery. The input is a list of edits of a sound journal of three files; what was
/// edited is then recovered, read to its end and recovered again. It may lose anything, but it must
/// start, stop, keep its sums, and without forged checksums offer nothing that was not written.
package enum RecoveryFuzz: FuzzTarget {
    package static let budget = Duration.milliseconds(300)

    package static func run(_ input: [UInt8]) {
        guard !input.isEmpty else { return }
        let (disk, isForged) = edited(ByteReader(input))
        var run = Run(disk, boot: 9)
        if run.failed != nil { return }
        run.advance(.seconds(3))
        for record in run.drain() where record.kind == .reading && !isForged {
            demand(sound.bodies.contains(record.body), "a record that was never written")
        }
        run.advance(.seconds(20))
        _ = run.drain()
        demand(run.spool.waiting == 0 && run.spool.waitingBytes == 0, "the sums are wrong")
        run.spool.drain(at: run.now)
        run.pump()
        let again = Run(run.disk, boot: 10)
        demand(again.failed == nil, "what recovery left behind does not start")
    }
}

private let moment = Moment(
    Instant(nanoseconds: 5_000_000_000), WallTime(milliseconds: 1_790_000_000_000))

private func settings() -> Journal.Settings {
    guard let gateway = try? DeviceID("gateway") else { fatalError("no device ID") }
    return Journal.Settings(
        identity: "acme/plant/gw-7", gateway: gateway, maxBytes: 1 << 20, minFree: 0, share: 0.5,
        loadMax: 32 << 10)
}

private struct Run {
    var disk: VirtualDisk
    var spool: Journal
    var now = moment
    var failed: String?

    init(_ disk: VirtualDisk, boot: UInt8) {
        self.disk = disk
        spool = Journal(settings(), bootID: [UInt8](repeating: boot, count: 16), seed: UInt64(boot))
        spool.start(at: now)
        pump()
    }

    mutating func pump() {
        var steps = 0
        while let output = spool.next() {
            steps += 1
            demand(steps < 100_000, "the journal never becomes quiet")
            switch output {
            case .disk(let request): spool.completed(request.ticket, disk.perform(request), at: now)
            case .failed(let words): failed = words
            case .notice: break
            }
        }
    }

    mutating func advance(_ duration: Duration) {
        let end = now + duration
        var steps = 0
        while let due = spool.deadline?.due, due <= end.instant {
            steps += 1
            demand(steps < 10_000, "the journal never rests")
            if due > now.instant { now = now + (due - now.instant) }
            spool.timeout(at: now)
            pump()
        }
        now = end
    }

    mutating func drain() -> [StoredRecord] {
        var all: [StoredRecord] = []
        while let device = spool.readyDevices.first, let record = spool.take(device, at: now) {
            all.append(record)
            demand(all.count < 100_000, "more records than can have been there")
            spool.settle(record.seq, at: now)
            pump()
        }
        return all
    }
}

private func journal() -> (disk: VirtualDisk, bodies: Set<[UInt8]>) {
    var run = Run(VirtualDisk(), boot: 1)
    var bodies: Set<[UInt8]> = []
    for round in 0..<3 {
        for index in 0..<12 {
            guard let device = try? DeviceID("node-\(index % 3)") else { continue }
            let body = Array("\"values\":{\"n\":\(round * 100 + index)}".utf8)
            bodies.insert(body)
            run.spool.append(
                Entry(
                    device: device, priority: index == 5, body: body, at: run.now,
                    clockTrusted: round > 0), at: run.now)
            run.pump()
        }
        run.advance(.seconds(2))
        if round == 1 { run.spool.anchor(at: run.now) }
        for _ in 0..<4 {
            if let device = run.spool.readyDevices.first,
                let record = run.spool.take(device, at: run.now)
            {
                run.spool.settle(record.seq, at: run.now)
            }
        }
        run.advance(.seconds(6))
        run = Run(run.disk, boot: UInt8(round + 2))
    }
    return (run.disk, bodies)
}

private let sound = journal()

/// The sound journal after the edits, and whether a checksum was made right again after one.
private func edited(_ edits: ByteReader) -> (disk: VirtualDisk, isForged: Bool) {
    var input = edits
    var disk = sound.disk
    let names = disk.names()
    var isForged = false
    for _ in 0..<64 {
        guard let kind = input.byte(), let file = input.byte(), let place: UInt16 = input.little()
        else { break }
        let name = names[Int(file) % names.count]
        guard var bytes = disk.contents(name), !bytes.isEmpty else { continue }
        // Records first: that is where there is most to break.
        let offset = (Int(place) + (kind & 0x80 == 0 ? Segment.dataStart : 0)) % bytes.count
        switch kind & 7 {
        case 0, 1:
            let new = input.bytes(min(Int(input.byte() ?? 0), input.count)) ?? []
            for (index, byte) in new.enumerated() where offset + index < bytes.count {
                bytes[offset + index] = byte
            }
        case 2: bytes[offset] ^= 1 << (file & 7)
        case 3: for index in offset..<min(offset + 512, bytes.count) { bytes[index] = 0 }
        case 4: bytes.removeLast(bytes.count - offset)
        case 5: disk.delete(name); continue
        case 6:
            // A record's checksum made right again after an edit.
            isForged = true
            let start = offset & ~7
            guard start + 32 <= bytes.count, let header = try? Segment.header(bytes) else {
                continue
            }
            let seed = Record.seed(salt: header.salt)
            bytes.storeLittle(
                CRC32C.checksum(bytes[start..<start + 28], continuing: seed), at: start + 28)
        default:
            for index in offset..<min(offset + 4096, bytes.count) {
                bytes[index] = bytes[index &- offset]
            }
        }
        disk.put(name, bytes)
    }
    return (disk, isForged)
}
