import Base
import Spool
import TestKit
import Testing

/// Everything that can befall a journal, as the seed says: outages, full and slow disks, parts that
/// cannot be read, damage, kills, power cuts, lanes, records that come back.
private struct HarshWorld {
    private var random: RandomSource
    private(set) var rig: Rig
    private let settings: Journal.Settings
    private let devices: [DeviceID]
    private var inFlight: [UInt64] = []
    private var count = 0
    /// Statements of the journal about itself that did not hold, after the first step with one.
    private(set) var broken: [String] = []

    init(seed: UInt64) {
        random = RandomSource(seed: seed)
        var settings = Rig.settings(
            maxBytes: [384 << 10, 1 << 20, 3 << 20][Int(seed % 3)], share: seed % 2 == 0 ? 0.3 : 1,
            loadMax: seed % 4 == 1 ? 256 << 10 : 24 << 10)
        settings.minFree = seed % 5 == 0 ? 64 << 10 : 0
        settings.maxAge = seed % 7 == 0 ? .seconds(90) : .seconds(30 * 86_400)
        settings.priorityReserve = seed % 4 == 0 ? 8 << 10 : 4 << 20
        settings.offersEarly = seed % 2 == 1
        settings.memoryMax = seed % 3 == 0 ? 24 << 10 : 200 << 10
        self.settings = settings
        devices = (0..<(seed % 8 == 3 ? 40 : 4)).map { Rig.device("node-\($0)") }
        let disk = VirtualDisk(capacity: seed % 5 == 0 ? 700 << 10 : 1 << 30)
        rig = Rig(settings, disk: disk, seed: seed)
    }

    mutating func step() {
        guard broken.isEmpty else { return }
        switch random.next() % 100 {
        case 0..<35: append()
        case 35..<48: rig.advance(.milliseconds(Int64(random.next() % 900)))
        case 48..<50: rig.advance(.seconds(Int64(random.next() % 200)))
        case 50..<64: take()
        case 64..<76: endFlight()
        case 76..<80: giveBack()
        case 80..<83: rig.spool.split(device)
        case 83: rig.spool.join(device)
        case 84..<91: befall()
        case 91..<95: restart()
        default: if rig.holdsBack { rig.release() } else { rig.holdsBack = random.chance(0.3) }
        }
        rig.pump()
        broken = rig.spool.invariants()
    }

    private var device: DeviceID {
        mutating get { devices[Int(random.next() % UInt64(devices.count))] }
    }

    private mutating func append() {
        for _ in 0...random.next() % 4 {
            count += 1
            let length = random.chance(0.05) ? 15_000 : Int(random.next() % 500)
            rig.append(
                device, "\(count)." + String(repeating: "x", count: length),
                priority: random.chance(0.15), trusted: random.chance(0.9))
        }
    }

    private mutating func take() {
        let lane: Lane = random.chance(0.4) ? .live : .backlog
        let ready = lane == .live ? rig.spool.readyLiveDevices : rig.spool.readyDevices
        guard let device = ready.randomElement(using: &random),
            let record = rig.spool.take(device, lane, at: rig.now)
        else { return }
        inFlight.append(record.seq)
    }

    private mutating func endFlight() {
        guard !inFlight.isEmpty else { return }
        let seq = inFlight.remove(at: Int(random.next() % UInt64(inFlight.count)))
        if random.chance(0.1) {
            rig.spool.reject(seq, at: rig.now)
        } else {
            rig.spool.settle(seq, at: rig.now)
        }
    }

    private mutating func giveBack() {
        for seq in inFlight { rig.spool.giveBack(seq, at: rig.now) }
        inFlight = []
    }

    private mutating func befall() {
        switch random.next() % 8 {
        case 0: rig.disk.outage = DiskFailure(random.chance(0.5) ? .io : .readOnly, "outage")
        case 1: rig.disk.isAway = true
        case 2: (rig.disk.outage, rig.disk.isAway) = (nil, false)
        case 3:
            let kinds: [DiskFailure.Kind] = [.io, .noSpace, .readOnly, .missing, .denied]
            let kind = kinds[Int(random.next() % 5)]
            let place = rig.disk.operations + Int(random.next() % 4)
            rig.disk.failAt[place] = DiskFailure(kind, "once")
        case 4: rig.disk.foreignBytes = random.chance(0.5) ? 0 : 300 << 10
        case 5: rig.disk.unreadable = random.chance(0.5) ? nil : 60_000..<61_000
        case 6: rig.spool.anchor(at: rig.now)
        default: rig.spool.drain(at: rig.now)
        }
    }

    private mutating func restart() {
        if random.chance(0.2) { damage() }
        let seed = random.next()
        let isKilled = random.chance(0.6)
        rig =
            isKilled
            ? rig.killed(seed: seed, settings: settings)
            : rig.powerCut(seed: seed, settings: settings)
        inFlight = []
        if random.chance(0.7) { rig.spool.anchor(at: rig.now) }
    }

    private mutating func damage() {
        guard let name = rig.disk.names().randomElement(using: &random),
            let size = rig.disk.contents(name)?.count, size > 0
        else { return }
        let start = Int(random.next() % UInt64(min(size, 40_000)))
        for index in start..<min(start + 1 + Int(random.next() % 700), size) {
            rig.disk.flip(name, byte: index, bit: Int(random.next() % 8))
        }
    }

    /// All is well again, and the bridge takes everything.
    mutating func end() {
        (rig.disk.outage, rig.disk.isAway, rig.disk.unreadable) = (nil, false, nil)
        rig.disk.foreignBytes = 0
        rig.release()
        giveBack()
        rig.advance(.seconds(310))
        for _ in 0..<20 where rig.spool.waiting > 0 || rig.spool.isMemoryOnly {
            rig.advance(.seconds(15))
            for device in devices + [Rig.gateway] { drain(device) }
        }
        broken += rig.spool.invariants()
        if rig.spool.waiting > 0 { broken.append("\(rig.spool.waiting) records wait for ever") }
    }

    private mutating func drain(_ device: DeviceID) {
        for lane in [Lane.backlog, .live] {
            while let record = rig.spool.take(device, lane, at: rig.now) {
                rig.spool.settle(record.seq, at: rig.now)
                rig.pump()
            }
        }
    }
}

@Suite struct InvariantTests {
    @Test(arguments: Effort.long(6...100)) func holdWhateverHappens(block: Int) {
        for seed in block * 20..<(block + 1) * 20 {
            var world = HarshWorld(seed: UInt64(seed))
            for _ in 0..<300 { world.step() }
            #expect(world.broken == [], "seed \(seed)")
            guard world.broken.isEmpty else { continue }
            world.end()
            #expect(world.broken == [], "seed \(seed)")
        }
    }
}
