import Base
import Spool
import TestKit

/// A journal on a virtual disk under a virtual clock.
struct Rig {
    static let start = Moment(
        Instant(nanoseconds: 1_000_000_000), WallTime(milliseconds: 1_790_000_000_000))
    static let gateway = device("gateway")

    static func device(_ name: String) -> DeviceID {
        guard let id = try? DeviceID(name) else { fatalError("\(name) is no device ID") }
        return id
    }

    static func settings(
        maxBytes: Int = 4 << 20, share: Double = 1, loadMax: Int = 2 << 20,
        sync: Duration = .seconds(1)
    ) -> Journal.Settings {
        Journal.Settings(
            identity: "acme/plant/gw-7", gateway: gateway, maxBytes: maxBytes, minFree: 0,
            share: share,
            sync: sync, loadMax: loadMax)
    }

    var disk: VirtualDisk
    var spool: Journal
    var now: Moment
    var notices: [Notice] = []
    var failed: String?
    /// The machine stops before the n-th operation; `isInside`: in the middle of it.
    var stopBefore: Int?
    var stopsInside = false
    var isStopped = false
    /// Requests that the test holds back.
    var holdsBack = false
    var held: [DiskRequest] = []

    init(
        _ settings: Journal.Settings = Rig.settings(), disk: VirtualDisk = VirtualDisk(),
        boot: UInt8 = 1, seed: UInt64 = 1, now: Moment = Rig.start, floor: UInt64? = nil,
        starts: Bool = true
    ) {
        self.disk = disk
        self.now = now
        spool = Journal(settings, bootID: [UInt8](repeating: boot, count: 16), seed: seed)
        if starts {
            spool.start(numbersFrom: floor, at: now)
            pump()
        }
    }

    /// Carries out what the journal asks for, until it is quiet.
    mutating func pump() {
        for _ in 0..<1_000_000 {
            guard !isStopped, let output = spool.next() else { return }
            switch output {
            case .notice(let notice): notices.append(notice)
            case .failed(let message): failed = message
            case .disk(let request):
                if let stopBefore, disk.operations >= stopBefore {
                    if stopsInside { disk.interrupted(request) }
                    isStopped = true
                } else if holdsBack {
                    held.append(request)
                } else {
                    spool.completed(request.ticket, disk.perform(request), at: now)
                }
            }
        }
        fatalError("the journal never becomes quiet")
    }

    mutating func release() {
        holdsBack = false
        let requests = held
        held = []
        for request in requests { spool.completed(request.ticket, disk.perform(request), at: now) }
        pump()
    }

    /// Lets time pass, firing every deadline.
    mutating func advance(_ duration: Duration) {
        let end = now + duration
        for _ in 0..<100_000 {
            guard !isStopped, let due = spool.deadline?.due, due <= end.instant else { break }
            if due > now.instant { now = now + (due - now.instant) }
            spool.timeout(at: now)
            pump()
        }
        now = end
    }

    @discardableResult
    mutating func append(
        _ device: DeviceID, _ text: String, priority: Bool = false, trusted: Bool = true
    ) -> UInt64? {
        let seq = spool.append(
            Entry(
                device: device, priority: priority, body: Array(text.utf8), at: now,
                clockTrusted: trusted),
            at: now)
        pump()
        return seq
    }

    /// Takes and settles all that is ready, in the order offered.
    mutating func drainAll(limit: Int = 1_000_000) -> [StoredRecord] {
        var all: [StoredRecord] = []
        while all.count < limit, let device = spool.readyDevices.first,
            let record = spool.take(device, at: now)
        {
            all.append(record)
            spool.settle(record.seq, at: now)
            pump()
        }
        return all
    }

    /// The process is killed; the page cache lives.
    func killed(
        boot: UInt8 = 1, seed: UInt64 = 2, settings: Journal.Settings = Rig.settings()
    ) -> Rig {
        Rig(settings, disk: disk, boot: boot, seed: seed, now: now)
    }

    /// The power goes and comes back: another boot.
    func powerCut(seed: UInt64, settings: Journal.Settings = Rig.settings()) -> Rig {
        var disk = disk
        disk.crash(seed: seed)
        return Rig(
            settings, disk: disk, boot: UInt8(truncatingIfNeeded: seed | 1), seed: seed, now: now)
    }
}

extension StoredRecord {
    var text: String { String(decoding: body, as: UTF8.self) }
}
