import Base
import Modbus

/// Several Modbus-RTU units on one line, seen from the line's other end, with the line's time:
/// a request is over when its bytes have crossed the wire, however quickly they were handed over,
/// and a reply comes in chunks no earlier than its bytes could have arrived.
package struct BusSimulator: Sendable {
    package enum Output: Hashable, Sendable {
        case transmit([UInt8])
    }

    package enum Timer: Hashable, Sendable {
        /// The line has been silent long enough to end a frame.
        case silence
        /// The next chunk of a reply has crossed the wire.
        case chunk
    }

    private struct Transmission: Sendable {
        var unit: UInt8
        var bytes: [UInt8]
        var start: Instant
        var end: Instant
        var sent = 0
        var garbled = false
    }

    /// Replies under way at once; only a client that does not wait gets more than one.
    private static let transmissionsMax = 8

    package let description: BusDescription
    package let timing: RTUTiming
    package private(set) var statistics = BusStatistics()
    private var units: [UInt8: BusUnit] = [:]
    private var log: ServedLog
    private var decoder = RequestDecoder()
    private var transmissions: [Transmission] = []
    private var outputs: [Output] = []
    private var head = 0
    private var random: RandomSource
    /// When the last byte of the client has crossed the wire.
    private var received = Instant(nanoseconds: .min)
    /// When the last byte of anyone has crossed the wire.
    private var quiet = Instant(nanoseconds: .min)
    private var silenceDue: Instant?
    /// Sound frames, whoever they were for.
    private var messages = 0
    /// When each unit's latest reply is over.
    private var spokenUntil: [UInt8: Instant] = [:]

    package init(_ description: BusDescription, seed: UInt64) {
        self.description = description
        timing = RTUTiming(baud: description.baud, bitsPerCharacter: description.bitsPerCharacter)
        log = ServedLog(limit: description.logLimit)
        random = RandomSource(seed: seed)
        for (unit, unitDescription) in description.units {
            units[unit] = BusUnit(
                unitDescription, seed: seed ^ UInt64(unit) &* 0x9E37_79B9_7F4A_7C15)
        }
    }

    /// The latest exchanges, oldest first, at most `logLimit`.
    package var served: ArraySlice<Served> { log.latest }

    package func statistics(of unit: UInt8) -> BusUnitStatistics? { units[unit]?.statistics }

    /// Value of a place as a read would give it now, without a request.
    package func value(of unit: UInt8, _ table: Table, _ address: Int, at now: Instant) -> UInt16? {
        units[unit]?.peek(table, address, at: now)
    }

    /// Whether these words, one after the other, left a unit in one reply within that time.
    package func didServe(
        _ words: [UInt16], unit: UInt8, _ table: Table, _ address: Int, between first: Instant,
        and last: Instant
    ) -> Bool {
        log.latest.reversed().contains { entry in
            guard entry.unit == unit, entry.content.table == table, first <= entry.at,
                entry.at <= last
            else {
                return false
            }
            let offset = address - entry.content.address
            guard offset >= 0, offset + words.count <= entry.content.values.count else {
                return false
            }
            return entry.content.values[offset..<(offset + words.count)].elementsEqual(words)
        }
    }

    package func faults(of unit: UInt8) -> BusFaults? { units[unit]?.description.faults }

    package mutating func set(_ faults: BusFaults, of unit: UInt8) {
        units[unit]?.description.faults = faults
    }

    /// Another device under the same id: what it says it is, and what else it answers.
    package mutating func set(_ functions: BusUnitFunctions, of unit: UInt8) {
        units[unit]?.description.functions = functions
    }

    /// The line was closed at the other end: what was under way is lost, values and writes stay.
    package mutating func disconnect() {
        transmissions.removeAll()
        spokenUntil.removeAll()
        outputs.removeAll()
        head = 0
        silenceDue = nil
        decoder = RequestDecoder()
    }

    package var deadline: (due: Instant, reason: Timer)? {
        let chunk = transmissions.map(chunkDue).min()
        switch (chunk, silenceDue) {
        case (let chunk?, let silence?):
            return chunk <= silence ? (chunk, .chunk) : (silence, .silence)
        case (let chunk?, nil): return (chunk, .chunk)
        case (nil, let silence?): return (silence, .silence)
        case (nil, nil): return nil
        }
    }

    package mutating func next() -> Output? {
        guard head < outputs.count else {
            outputs.removeAll(keepingCapacity: true)
            head = 0
            return nil
        }
        defer { head += 1 }
        return outputs[head]
    }

    /// Bytes that the other end began to send at `now`; they cross the wire from then on, or from
    /// the end of those before them.
    package mutating func receive(_ bytes: ArraySlice<UInt8>, at now: Instant) {
        guard !bytes.isEmpty else { return }
        timeout(at: now)
        let start = max(now, received)
        let end = start + timing.time(of: bytes.count)
        if silenceDue == nil {
            statistics.frames += 1
            let isSpeaking = transmissions.contains { $0.start <= start && start < $0.end }
            let isTooSoon =
                quiet.nanoseconds != .min && start + description.jitter < quiet + timing.silence
            if isSpeaking || isTooSoon { statistics.earlyStarts += 1 }
        }
        statistics.bytesReceived += bytes.count
        statistics.busTime += timing.time(of: bytes.count)
        received = end
        quiet = max(quiet, end)
        var heard = Array(bytes)
        for index in transmissions.indices
        where transmissions[index].start < end && start < transmissions[index].end {
            statistics.collisions += 1
            transmissions[index].garbled = true
            heard[0] ^= 0x55
        }
        silenceDue = end + timing.silence + description.jitter
        do {
            if let frame = try decoder.receive(heard[...]) {
                hear(frame, end: end)
                if decoder.pending == 0 { silenceDue = nil }
            }
        } catch {
            statistics.badFrames += 1
        }
    }

    package mutating func timeout(at now: Instant) {
        if let due = silenceDue, due <= now {
            silenceDue = nil
            let pending = decoder.pending
            do {
                if let frame = try decoder.silence() {
                    hear(frame, end: received)
                } else if pending > 0 {
                    statistics.badFrames += 1
                }
            } catch {
                statistics.badFrames += 1
            }
        }
        while let index = transmissions.indices.min(by: {
            chunkDue(transmissions[$0]) < chunkDue(transmissions[$1])
        }),
            chunkDue(transmissions[index]) <= now
        {
            send(index)
        }
    }

    private func chunkDue(_ transmission: Transmission) -> Instant {
        let upTo = min(transmission.sent + max(1, description.chunk), transmission.bytes.count)
        return transmission.start + timing.time(of: upTo)
    }

    private mutating func send(_ index: Int) {
        let transmission = transmissions[index]
        let upTo = min(transmission.sent + max(1, description.chunk), transmission.bytes.count)
        var chunk = Array(transmission.bytes[transmission.sent..<upTo])
        if transmission.garbled {
            for place in chunk.indices {
                chunk[place] ^= UInt8(truncatingIfNeeded: random.next()) | 1
            }
        }
        outputs.append(.transmit(chunk))
        statistics.bytesSent += chunk.count
        statistics.busTime += timing.time(of: chunk.count)
        quiet = max(quiet, transmission.start + timing.time(of: upTo))
        transmissions[index].sent = upTo
        if upTo == transmission.bytes.count { transmissions.remove(at: index) }
    }

    /// A sound frame was complete on the wire at `end`.
    private mutating func hear(_ frame: RequestFrame, end: Instant) {
        messages += 1
        let line = LineCount(messages: messages, errors: statistics.badFrames)
        if frame.unit == 0 {
            for unit in units.keys.sorted() where units[unit]?.description.faults.dead == false {
                units[unit]?.statistics.requests += 1
                let answer = units[unit]?.answer(frame.pdu, at: end, line: line, isBroadcast: true)
                if let content = answer?.served, content.isWrite {
                    units[unit]?.statistics.writes += 1
                    log.append(
                        Served(unit: unit, content: content, at: end, end: end, intact: true))
                }
            }
            return
        }
        guard var unit = units[frame.unit] else {
            statistics.strangers += 1
            return
        }
        defer { units[frame.unit] = unit }
        let faults = unit.description.faults
        unit.statistics.requests += 1
        guard !faults.dead, !random.chance(faults.silence),
            transmissions.count < Self.transmissionsMax
        else {
            unit.statistics.unanswered += 1
            return
        }
        let (answer, content) = unit.answer(frame.pdu, at: end, line: line)
        guard let response = answer else {
            unit.statistics.unanswered += 1
            return
        }
        let (bytes, intact) = damaged(RTUFrame.encode(unit: frame.unit, response.pdu), faults)
        if case .exception = response { unit.statistics.exceptions += 1 }
        if content?.isWrite == true { unit.statistics.writes += 1 }
        unit.statistics.replies += 1
        unit.statistics.damaged += intact ? 0 : 1
        var start = end + max(timing.silence, unit.description.turnaround)
        if random.chance(faults.late) { start += faults.lateBy }
        // A unit answers in order: what is late holds up what comes behind it.
        start = max(start, spokenUntil[frame.unit] ?? start)
        let replyEnd = transmit(bytes, of: frame.unit, from: start)
        spokenUntil[frame.unit] = replyEnd
        if faults.twice > 0, random.chance(faults.twice) {
            spokenUntil[frame.unit] = transmit(
                bytes, of: frame.unit, from: replyEnd + faults.twiceAfter)
        }
        if let content {
            log.append(
                Served(unit: frame.unit, content: content, at: end, end: replyEnd, intact: intact))
        }
    }

    /// Replies that overlap garble each other. Returns the end.
    private mutating func transmit(_ bytes: [UInt8], of unit: UInt8, from start: Instant) -> Instant
    {
        var reply = Transmission(
            unit: unit, bytes: bytes, start: start, end: start + timing.time(of: bytes.count))
        for index in transmissions.indices
        where transmissions[index].start < reply.end && reply.start < transmissions[index].end {
            statistics.collisions += 1
            transmissions[index].garbled = true
            reply.garbled = true
        }
        transmissions.append(reply)
        return reply.end
    }

    private mutating func damaged(
        _ reply: [UInt8], _ faults: BusFaults
    ) -> (bytes: [UInt8], intact: Bool) {
        var bytes = reply
        if random.chance(faults.wrongUnit) {
            bytes = RTUFrame.encode(
                unit: reply[0] == 247 ? 1 : reply[0] &+ 1, Array(reply[1..<(reply.count - 2)]))
        }
        if faults.noise > 0 {
            for index in bytes.indices where random.chance(faults.noise) {
                bytes[index] ^= 1 << UInt8(random.next() & 7)
            }
        }
        if random.chance(faults.truncated) { bytes.removeLast(bytes.count / 2) }
        return (bytes, bytes == reply)
    }
}
