import Base

/// A file system that exists only here: answers `DiskRequest`s at once and in order, remembers what
/// was synced, and after `crash` keeps of the rest what its seed says, in torn 512-byte sectors.
package struct VirtualDisk: Sendable {
    package struct Key: Hashable, Sendable {
        package var volume: DiskRequest.Volume
        package var name: String
    }

    struct File: Sendable {
        /// What a power cut leaves for certain, and what a reader sees.
        var durable: [UInt8]
        var view: [UInt8]
        var dirty: [Range<Int>] = []
        var isPoisoned = false

        mutating func sync() {
            if durable.count != view.count { durable = view; dirty = [] }
            for range in dirty { durable.replaceSubrange(range, with: view[range]) }
            dirty = []
        }
    }

    /// A change of the directory that its sync has not covered yet.
    enum Change: Sendable {
        case add(Key, Int)
        case remove(Key)
        case rename(Key, Key)
    }

    package static let sector = 512

    /// Bytes of all files together; more answers ENOSPC.
    package var capacity: Int
    /// Taken by others; counts against `capacity`.
    package var foreignBytes = 0
    package var isLocked = false
    /// Every operation that changes something fails with this while set.
    package var outage: DiskFailure?
    /// Of this volume alone; nil: of all.
    package var outageVolume: DiskRequest.Volume?
    /// Pulled out: reading fails too.
    package var isAway = false
    /// Offsets that cannot be read in any file.
    package var unreadable: Range<Int>?
    /// Fails the n-th operation (from 0, over the life of this value) once.
    package var failAt: [Int: DiskFailure] = [:]
    package private(set) var operations = 0
    package private(set) var syncs = 0
    package private(set) var bytesWritten = 0
    /// The most that its files ever took together, those included that are about to replace one.
    package private(set) var peak = 0

    private var files: [Int: File] = [:]
    private var entries: [Key: Int] = [:]
    private var durableEntries: [Key: Int] = [:]
    private var changes: [Change] = []
    private var nextFile = 0

    package init(capacity: Int = 1 << 40) { self.capacity = capacity }

    package var used: Int {
        entries.values.reduce(foreignBytes) { $0 + (files[$1]?.view.count ?? 0) }
    }

    package func names(_ volume: DiskRequest.Volume = .spool) -> [String] {
        entries.keys.filter { $0.volume == volume }.map { $0.name }.sorted()
    }

    /// A file's bytes as a reader sees them.
    package func contents(_ name: String, _ volume: DiskRequest.Volume = .spool) -> [UInt8]? {
        entries[Key(volume: volume, name: name)].flatMap { files[$0]?.view }
    }

    /// Puts a file there, durably: for damage and foreign files.
    package mutating func put(
        _ name: String, _ bytes: [UInt8], _ volume: DiskRequest.Volume = .spool
    ) {
        let key = Key(volume: volume, name: name)
        nextFile += 1
        files[nextFile] = File(durable: bytes, view: bytes)
        entries[key] = nextFile
        durableEntries[key] = nextFile
    }

    package mutating func delete(_ name: String, _ volume: DiskRequest.Volume = .spool) {
        entries[Key(volume: volume, name: name)] = nil
        durableEntries[Key(volume: volume, name: name)] = nil
    }

    package mutating func flip(_ name: String, byte: Int, bit: Int) {
        guard let file = entries[Key(volume: .spool, name: name)] else { return }
        files[file]?.view[byte] ^= 1 << UInt8(bit)
        files[file]?.durable[byte] ^= 1 << UInt8(bit)
    }

    /// Carries one operation out.
    package mutating func perform(_ request: DiskRequest) -> Result<DiskAnswer, DiskFailure> {
        defer { operations += 1 }
        if let failure = failAt.removeValue(forKey: operations) {
            poison(request)
            return .failure(failure)
        }
        if isAway { return .failure(DiskFailure(.io, "the disk is away")) }
        if let outage, Self.changes(request.operation),
            outageVolume.map({ $0 == request.volume }) ?? true
        {
            // A file system that is read-only takes nothing at all.
            if outage.kind != .readOnly { poison(request) }
            return .failure(outage)
        }
        do {
            return .success(try carryOut(request, complete: true))
        } catch {
            return .failure(error)
        }
    }

    /// The machine dies in the middle of this operation: nothing of it is durable yet.
    package mutating func interrupted(_ request: DiskRequest) {
        _ = try? carryOut(request, complete: false)
    }

    private static func changes(_ operation: DiskRequest.Operation) -> Bool {
        switch operation {
        case .read, .load, .space, .sync: false
        case .open, .create, .write, .replace, .remove, .rename: true
        }
    }

    /// A failed write may have left any part of it, un-synced; the file takes no more.
    private mutating func poison(_ request: DiskRequest) {
        guard case .write(let name, _, _) = request.operation,
            let file = entries[Key(volume: request.volume, name: name)]
        else { return }
        _ = try? carryOut(request, complete: false)
        files[file]?.isPoisoned = true
    }

    private mutating func carryOut(
        _ request: DiskRequest, complete: Bool
    ) throws(DiskFailure) -> DiskAnswer {
        let volume = request.volume
        func key(_ name: String) -> Key { Key(volume: volume, name: name) }
        func file(_ name: String) throws(DiskFailure) -> Int {
            guard let found = entries[key(name)] else {
                throw DiskFailure(.missing, "\(name): ENOENT")
            }
            return found
        }
        switch request.operation {
        case .open:
            if isLocked { throw DiskFailure(.locked, "another process holds the lock") }
            syncDirectory()
            let all = entries.filter { $0.key.volume == volume }.sorted {
                $0.key.name < $1.key.name
            }
            let listed = all.map {
                DiskAnswer.Entry(name: $0.key.name, size: files[$0.value]?.view.count ?? 0)
            }
            return .listing(listed, space)
        case .create(let name, let size, let header):
            guard entries[key(name)] == nil else { throw DiskFailure(.exists, "\(name): EEXIST") }
            try take(max(size, header.count))
            make(key(name), header, size: max(size, header.count), complete: complete)
        case .write(let name, let extents, let sync):
            try write(file(name), extents, sync: sync && complete)
        case .read(let name, let offset, let count):
            if let unreadable, unreadable.overlaps(offset..<offset + count) {
                throw DiskFailure(.io, "EIO at \(offset)")
            }
            let bytes = files[try file(name)]?.view ?? []
            let start = min(max(offset, 0), bytes.count)
            return .bytes(Array(bytes[start..<min(start + max(count, 0), bytes.count)]))
        case .sync(let name):
            files[try file(name)]?.sync()
        case .load(let name): return .bytes(files[try file(name)]?.view ?? [])
        case .replace(let name, let bytes):
            try take(bytes.count)
            make(key(name), bytes, size: bytes.count, complete: complete)
        case .remove(let name):
            _ = try file(name)
            changes.append(.remove(key(name)))
            entries[key(name)] = nil
        case .rename(let name, let to):
            entries[key(to)] = try file(name)
            entries[key(name)] = nil
            changes.append(.rename(key(name), key(to)))
        case .space: return .space(space)
        }
        return .done
    }

    private var space: DiskSpace {
        DiskSpace(available: Int64(max(capacity - used, 0)), total: Int64(capacity))
    }

    private mutating func take(_ bytes: Int) throws(DiskFailure) {
        guard used + bytes <= capacity else { throw DiskFailure(.noSpace, "ENOSPC") }
        peak = max(peak, used + bytes)
    }

    private mutating func make(_ key: Key, _ bytes: [UInt8], size: Int, complete: Bool) {
        nextFile += 1
        let view = bytes + [UInt8](repeating: 0, count: size - bytes.count)
        var file = File(durable: [UInt8](repeating: 0, count: size), view: view)
        file.dirty = [0..<bytes.count]
        if complete { file.sync() }
        files[nextFile] = file
        entries[key] = nextFile
        changes.append(.add(key, nextFile))
        if complete { syncDirectory() }
    }

    private mutating func write(
        _ id: Int, _ extents: [DiskRequest.Extent], sync: Bool
    ) throws(DiskFailure) {
        guard files[id]?.isPoisoned == false else { throw DiskFailure(.io, "the file is poisoned") }
        for extent in extents {
            let end = extent.offset + extent.bytes.count
            let size = files[id]?.view.count ?? 0
            if end > size {
                try take(end - size)
                files[id]?.view.append(contentsOf: repeatElement(0, count: end - size))
                files[id]?.durable.append(contentsOf: repeatElement(0, count: end - size))
            }
            files[id]?.view.replaceSubrange(extent.offset..<end, with: extent.bytes)
            files[id]?.dirty.append(extent.offset..<end)
            bytesWritten += extent.bytes.count
        }
        if sync {
            files[id]?.sync()
            syncs += 1
        }
    }

    private mutating func syncDirectory() {
        durableEntries = entries
        changes = []
        let named = Set(entries.values)
        files = files.filter { named.contains($0.key) }
    }

    /// The power goes: of what was not synced, `seed` decides sector by sector and name by name.
    package mutating func crash(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let keepAll = random.chance(0.2)
        let keepNone = !keepAll && random.chance(0.2)
        func keeps(_ random: inout RandomSource) -> Bool {
            keepAll || !keepNone && random.chance(0.5)
        }
        for change in changes where keeps(&random) {
            switch change {
            case .add(let key, let file): durableEntries[key] = file
            case .remove(let key): durableEntries[key] = nil
            case .rename(let key, let to):
                guard let file = durableEntries.removeValue(forKey: key) else { continue }
                durableEntries[to] = file
            }
        }
        for id in files.keys.sorted() {
            guard var file = files[id] else { continue }
            for range in file.dirty {
                var start = range.lowerBound
                while start < range.upperBound {
                    let end = min((start / Self.sector + 1) * Self.sector, range.upperBound)
                    if keeps(&random) {
                        file.durable.replaceSubrange(start..<end, with: file.view[start..<end])
                    }
                    start = end
                }
            }
            files[id] = File(durable: file.durable, view: file.durable)
        }
        entries = durableEntries
        syncDirectory()
    }
}
