import Base

/// Windows of loaded records: one 64 KiB read serves every device that has come to it, and a device
/// whose window is full keeps its own place and stops nobody.
extension Spool {
    /// What one device may hold loaded: its part of the bound.
    var windowMax: Int { max(settings.loadMax / (activeDevices + 1), 4096) }

    func hasRoom(_ device: Int, _ size: Int) -> Bool {
        devices[device].window.isEmpty || devices[device].window.bytes + size <= windowMax
    }

    private func wantsLoad(_ device: Int) -> Bool {
        let state = devices[device]
        guard state.unloaded > 0 else { return false }
        return state.window.isEmpty
            || state.window.bytes <= windowMax / 2 && state.window.bytes + state.blocked <= windowMax
    }

    mutating func pushWindow(_ item: Item) {
        devices[item.device].window.append(item)
        devices[item.device].blocked = 0
        loadedBytes += item.size
        refresh(item.device)
    }

    /// Unloads the newest records of the fullest windows until every one keeps to its part.
    mutating func evict() {
        while loadedBytes > settings.loadMax {
            let sizes = devices.indices.map { devices[$0].window.bytes }
            guard let fullest = sizes.indices.max(by: { sizes[$0] < sizes[$1] }),
                devices[fullest].window.bytes > windowMax
            else { return }
            let before = loadedBytes
            while devices[fullest].window.bytes > windowMax, devices[fullest].window.count > 1,
                let last = devices[fullest].window.last, last.segment != 0
            {
                _ = devices[fullest].window.popLast()
                loadedBytes -= last.size
                devices[fullest].unloaded += 1
                devices[fullest].resume = Position(segment: last.segment, offset: last.offset)
                if let place = catalogue.index(of: last.segment) { catalogue[place].loaded(fullest, -1) }
            }
            if loadedBytes == before { return }
        }
    }

    /// Asks for the next chunk of the device that is furthest behind among those that want one.
    mutating func loadMore() {
        endLanes()
        guard loading == nil, phase == .running, unreadable?.isHeld != true else { return }
        var best: Position?
        for device in devices.indices where devices[device].unloaded > 0 {
            settlePosition(device)
            guard wantsLoad(device), !isRewriting(devices[device].resume.segment) else { continue }
            let resume = devices[device].resume
            if best.map({ resume < $0 }) ?? true { best = resume }
        }
        guard let best else { return }
        requestLoad(best, SegmentScanner.chunkSize)
    }

    private func isRewriting(_ segment: UInt64) -> Bool {
        catalogue.index(of: segment).map { catalogue[$0].isRewriting } ?? false
    }

    private mutating func requestLoad(_ position: Position, _ count: Int) {
        loading = (position, count)
        request(
            .read(name: Segment.name(position.segment), offset: position.offset, count: count), .load)
    }

    /// Moves a device's position on to the next segment that holds something of it. What a segment
    /// should have held, but the reader did not find, is lost and counted.
    private mutating func settlePosition(_ device: Int) {
        while devices[device].unloaded > 0 {
            let position = devices[device].resume
            let place = catalogue.place(of: position.segment)
            guard place < catalogue.segments.count else {
                loseUnread(device, devices[device].unloaded)
                return
            }
            let segment = catalogue[place]
            let unread = segment.tallies[device]?.unloaded ?? 0
            if segment.firstSeq == position.segment {
                if unread > 0, position.offset < segment.end { return }
                if unread > 0 { loseUnread(device, unread, in: place) }
                devices[device].resume = Position(segment: segment.firstSeq + 1, offset: Segment.dataStart)
            } else {
                devices[device].resume = Position(segment: segment.firstSeq, offset: Segment.dataStart)
            }
        }
    }

    private mutating func loseUnread(_ device: Int, _ records: Int, in place: Int) {
        guard let tally = catalogue[place].tallies[device] else { return }
        let bytes = tally.alive > 0 ? tally.bytes / tally.alive * records : 0
        catalogue[place].alive -= records
        let priority = tally.bytes > 0 ? Int(Double(tally.priorityBytes) * Double(bytes) / Double(tally.bytes)) : 0
        catalogue[place].tallies[device]?.count(-records, -bytes, priority: -priority, unloaded: -records)
        if catalogue[place].tallies[device]?.alive == 0 { catalogue[place].tallies[device] = nil }
        devices[device].unloaded -= records
        count(device, records: -records, bytes: -bytes, priority: -priority)
        counters.damaged += records
        lose(Gap(
            device: devices[device].id, from: tally.from, to: tally.to, count: records,
            fromTime: tally.fromTime, toTime: tally.toTime, reason: .damage))
        refill(device)
        refresh(device)
        reap(catalogue[place].firstSeq)
    }

    private mutating func loseUnread(_ device: Int, _ records: Int) {
        devices[device].unloaded -= records
        count(device, records: -records, bytes: 0, priority: 0)
        counters.damaged += records
        lose(Gap(device: devices[device].id, from: 0, to: 0, count: records, reason: .damage))
        refill(device)
        refresh(device)
    }

    mutating func loaded(_ result: Result<DiskAnswer, DiskFailure>) {
        guard let load = loading else { return }
        loading = nil
        var bytes: [UInt8] = []
        if case .success(.bytes(let read)) = result { bytes = read }
        if case .failure(let failure) = result {
            counters.failures += 1
            guard !holdLoading(load.position, failure) else { return }
        }
        if let place = catalogue.index(of: load.position.segment), !catalogue[place].isRemoving {
            let larger = distribute(bytes, load, place)
            if larger > load.count {
                requestLoad(load.position, larger)
                return
            }
        }
        evict()
        loadMore()
    }

    /// Hands the records of a chunk to the devices that wait for them. Answers how many bytes the
    /// first record needs if the chunk was too short for it, else 0.
    private mutating func distribute(
        _ bytes: [UInt8], _ load: (position: Position, count: Int), _ place: Int
    ) -> Int {
        let base = load.position.offset
        let (seed, end) = (catalogue[place].seed, catalogue[place].end)
        var offset = base
        var blocked: Set<Int> = []
        let stop = min(base + bytes.count, end)
        while offset + Record.headerSize <= stop {
            guard let header = Record.header(in: bytes, at: offset - base, seed: seed) else {
                offset += Record.alignment
                continue
            }
            guard offset + header.size <= stop else {
                if offset == base, offset + header.size <= end, header.size > load.count {
                    return header.size
                }
                break
            }
            offer(header, at: offset, in: bytes, base: base, place, &blocked)
            offset += header.size
        }
        // A chunk that could not be read, or ends in rubbish, is passed over.
        let isShort = bytes.count < min(load.count, end - base)
        let isWhole = offset + Record.headerSize > end
        let reached = isShort ? base + load.count : isWhole ? end : offset
        let next = Position(segment: load.position.segment, offset: max(reached, base + Record.alignment))
        for device in devices.indices where devices[device].unloaded > 0 && !blocked.contains(device) {
            if load.position <= devices[device].resume, devices[device].resume < next {
                devices[device].resume = next
            }
        }
        trimShares()
        return 0
    }

    private mutating func offer(
        _ header: Record.Header, at offset: Int, in bytes: [UInt8], base: Int, _ place: Int,
        _ blocked: inout Set<Int>
    ) {
        guard header.type == Record.RecordType.data.rawValue,
            !catalogue[place].settled.contains(offset: offset)
        else { return }
        let start = offset - base + Record.headerSize
        let payload = start..<start + header.payloadLength
        guard CRC32C.checksum(bytes[payload]) == header.payloadCRC,
            let parts = Record.Parts(bytes, payload),
            let main = devices.index(ofName: bytes[parts.device])
        else { return }
        let device = devices.queue(of: main, seq: header.seq)
        let here = Position(segment: catalogue[place].firstSeq, offset: offset)
        let resume = devices[device].resume
        guard devices[device].unloaded > 0, resume <= here, !blocked.contains(device),
            Position(segment: here.segment, offset: base) <= resume
        else { return }
        guard hasRoom(device, header.size) else {
            devices[device].resume = here
            devices[device].blocked = header.size
            blocked.insert(device)
            return
        }
        devices[device].unloaded -= 1
        devices[device].resume = Position(segment: here.segment, offset: offset + header.size)
        catalogue[place].loaded(device, 1)
        pushWindow(item(header, parts, device, bytes, at: here, catalogue[place].header))
    }

    /// Makes the record of a header and payload; this is where a loaded body is copied.
    func item(
        _ header: Record.Header, _ parts: Record.Parts, _ device: Int, _ bytes: [UInt8], at here: Position,
        _ segment: Segment.Header
    ) -> Item {
        let record = StoredRecord(
            seq: header.seq, device: devices[device].id,
            subfolder: parts.subfolder.isEmpty ? "" : String(decoding: bytes[parts.subfolder], as: UTF8.self),
            kind: parts.kind, priority: header.flags.contains(.priority), body: Array(bytes[parts.body]),
            at: Moment(Instant(nanoseconds: Int64(bitPattern: header.bootTime)), parts.wall),
            clockTrusted: header.flags.contains(.clockTrusted), thisBoot: segment.bootID == bootID)
        return Item(
            record: record, device: device, segment: here.segment, offset: here.offset, size: header.size,
            gap: parts.kind == .gap ? Gap(body: record.body) : nil)
    }
}
