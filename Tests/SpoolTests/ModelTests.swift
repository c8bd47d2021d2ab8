import Base
import Spool
import TestKit
import Testing

/// The journal against the simplest thing that could be right: a list of what was appended.
private struct Model {
    struct Entry {
        var device: DeviceID
        var isDurable = false
        var isOffered = false
        var isSettled = false
        /// Settled since the last start.
        var isSettledHere = false
    }

    static let devices = (0..<4).map { Rig.device("node-\($0)") }

    var random: RandomSource
    var crashes = true
    var settings: Spool.Settings
    var rig: Rig
    var entries: [String: Entry] = [:]
    var textOf: [UInt64: String] = [:]
    /// Durable gap records that were offered, and the sum they told.
    var told: [UInt64: Int] = [:]
    var inFlight: [StoredRecord] = []
    var lastSeq: [DeviceID: UInt64] = [:]
    var count = 0
    var problems: [String] = []

    init(seed: UInt64, settings: Spool.Settings) {
        random = RandomSource(seed: seed)
        self.settings = settings
        rig = Rig(settings, seed: seed)
    }

    mutating func step() {
        switch random.next() % 100 {
        case 0..<45: append()
        case 45..<60: rig.advance(.milliseconds(Int64(random.next() % 700)))
        case 60..<75: take()
        case 75..<88: settle()
        case 88..<91: giveBack()
        case 91..<95: sync()
        case 95..<100 where !crashes: drainAndRestart()
        case 95..<97: restart(rig.killed(boot: 1, seed: random.next(), settings: settings))
        case 97..<98: drainAndRestart()
        default: restart(rig.powerCut(seed: random.next(), settings: settings))
        }
    }

    mutating func append() {
        for _ in 0...random.next() % 3 {
            count += 1
            let device = Self.devices[Int(random.next() % 4)]
            let length = random.chance(0.05) ? 20_000 : Int(random.next() % 400)
            let text = "\(count)." + String(repeating: "x", count: length)
            entries[text] = Entry(device: device)
            rig.append(device, text, priority: random.chance(0.1))
        }
    }

    mutating func sync() {
        rig.advance(.milliseconds(1100))
        for text in entries.keys { entries[text]?.isDurable = true }
    }

    mutating func take() {
        guard let device = rig.spool.readyDevices.randomElement(using: &random),
            let record = rig.spool.take(device)
        else { return }
        rig.pump()
        note(record)
        inFlight.append(record)
    }

    mutating func note(_ record: StoredRecord) {
        if let last = lastSeq[record.device], record.seq <= last {
            problems.append("\(record.device): \(record.seq) offered after \(last)")
        }
        lastSeq[record.device] = record.seq
        if let text = textOf[record.seq], text != record.text { problems.append("\(record.seq) used twice") }
        textOf[record.seq] = record.text
        if record.kind == .gap {
            told[record.seq] = Gap(body: record.body)?.count ?? 0
            if !allowsLoss { problems.append("told: " + record.text) }
            return
        }
        guard let entry = entries[record.text] else { problems.append("phantom \(record.seq)"); return }
        if entry.device != record.device { problems.append("\(record.seq) went to another device") }
        entries[record.text]?.isOffered = true
    }

    mutating func settle() {
        guard !inFlight.isEmpty else { return }
        let record = inFlight.remove(at: Int(random.next() % UInt64(inFlight.count)))
        rig.spool.settle(record.seq, at: rig.now)
        rig.pump()
        entries[record.text]?.isSettled = true
        entries[record.text]?.isSettledHere = true
    }

    mutating func giveBack() {
        let device = inFlight.first?.device ?? Self.devices[0]
        rig.spool.giveBack(device)
        inFlight.removeAll { $0.device == device }
        lastSeq = [:]
        for record in inFlight { rig.spool.giveBack(record.seq) }
        inFlight = []
    }

    mutating func drainAndRestart() {
        rig.spool.drain(at: rig.now)
        rig.pump()
        if !rig.spool.isIdle { problems.append("drain left work") }
        let settledBefore = Set(entries.filter { $0.value.isSettledHere }.keys)
        for text in entries.keys { entries[text]?.isDurable = true }
        restart(rig.killed(boot: 1, seed: random.next(), settings: settings))
        var copy = rig
        for record in copy.drainAll() where settledBefore.contains(record.text) {
            problems.append("\(record.seq) came again after a clean stop")
        }
    }

    mutating func restart(_ new: Rig) {
        rig = new
        inFlight = []
        lastSeq = [:]
        for text in entries.keys { entries[text]?.isSettledHere = false }
        for notice in rig.notices where notice.level < .info { problems.append(notice.message) }
        // What was neither offered nor synced may be gone, and its number with it.
        entries = entries.filter { $0.value.isDurable || $0.value.isOffered }
        if let failed = rig.failed { problems.append(failed) }
        // Of what was not known to be durable, some may have survived: it counts again as appended.
        var copy = rig
        let found = copy.drainAll()
        for record in found where record.kind == .reading && entries[record.text] == nil {
            entries[record.text] = Entry(device: record.device, isDurable: true)
        }
        let texts = Set(found.map { $0.text })
        for (text, entry) in entries where !entry.isSettled && !texts.contains(text) && !allowsLoss {
            problems.append("lost \(text.prefix(8)) of \(entry.device)")
        }
    }

    var allowsLoss: Bool { settings.maxBytes < 1 << 20 }

    mutating func end() {
        sync()
        rig.advance(.seconds(15))
        giveBack()
        lastSeq = [:]
        for record in rig.drainAll() {
            note(record)
            entries[record.text]?.isSettled = true
        }
        let missing = entries.values.filter { !$0.isSettled }.count
        let told = told.values.reduce(0, +)
        if missing > (allowsLoss ? crashes ? missing : told : 0) {
            problems.append("\(missing) lost, \(told) told")
        }
        if rig.spool.waiting != 0 || rig.spool.waitingBytes != 0 {
            problems.append("sums: \(rig.spool.waiting) records, \(rig.spool.waitingBytes) bytes left")
        }
    }
}

@Suite struct ModelTests {
    @Test(arguments: 0..<80) func losesNothingThatWasSynced(seed: Int) {
        var model = Model(seed: UInt64(seed), settings: Rig.settings(maxBytes: 2 << 20, loadMax: 32 << 10))
        for _ in 0..<200 { model.step() }
        model.end()
        #expect(model.problems == [], "seed \(seed)")
    }

    @Test(arguments: 0..<40) func tellsEveryLossAtItsBound(seed: Int) {
        var model = Model(
            seed: UInt64(seed), settings: Rig.settings(maxBytes: 384 << 10, share: 0.5, loadMax: 32 << 10))
        model.crashes = seed % 2 == 0
        for _ in 0..<300 {
            model.step()
            if seed % 3 == 0 { model.append() }
        }
        model.end()
        #expect(model.problems == [], "seed \(seed)")
    }
}
