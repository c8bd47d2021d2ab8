import Base
import Gateway
import Simulators

/// One simulated hour: faults from the seed in the first fifty minutes, at least one kill or power
/// cut in the middle, then ten minutes in which everything is well and everything must come right.
struct Script {
    static let healAt = Instant.zero + .seconds(50 * 60)
    static let end = Instant.zero + .seconds(60 * 60)
    /// After the faults: the longest back-off, the longest pause of a unit, and the backlog.
    static let recovery = Duration.seconds(4 * 60)

    private var random: RandomSource
    private var plan: [(fault: Fault, at: Instant)] = []
    private let site: Site

    private init(_ site: Site, seed: UInt64) {
        self.site = site
        random = RandomSource(seed: seed)
    }

    static func faults(_ site: Site, seed: UInt64) -> [(fault: Fault, at: Instant)] {
        var script = Script(site, seed: seed)
        script.clock()
        script.network()
        script.bridge()
        script.field()
        script.machine()
        script.people()
        script.disk()
        script.files()
        script.plan.append((.heal, healAt))
        return script.plan
    }

    private mutating func moment(_ low: Double = 1, _ high: Double = 48) -> Instant {
        .zero + .seconds(fraction: random.uniform(low * 60, high * 60))
    }

    private mutating func length(_ low: Double, _ high: Double) -> Duration {
        .seconds(fraction: random.uniform(low, high))
    }

    private mutating func count(_ low: Int, _ high: Int) -> Int {
        low + Int(random.next() % UInt64(high - low + 1))
    }

    private mutating func add(_ fault: Fault, until end: Fault, _ low: Double, _ high: Double) {
        let start = moment()
        plan.append((fault, start))
        plan.append((end, min(start + length(low, high), Self.healAt - .seconds(1))))
    }

    private mutating func clock() {
        switch random.next() % 4 {
        case 0:
            // Wrong from the last shutdown until a time server is found.
            let behind = Duration.seconds(-count(60, 7200))
            plan.append(
                (.wall(error: behind, ClockFacts(synchronised: false, hasRTC: false)), .zero))
            plan.append(
                (.wall(error: .zero, ClockFacts(synchronised: true, hasRTC: false)), moment(1, 12)))
        case 1:
            plan.append(
                (
                    .wall(
                        error: .milliseconds(Int64(count(-3000, 3000))),
                        ClockFacts(synchronised: false, hasRTC: true)), .zero
                ))
        default: break
        }
    }

    private mutating func network() {
        for _ in 0..<count(1, 8) { plan.append((.cut, moment())) }
        for _ in 0..<count(0, 2) { add(.weather(.refused), until: .weather(.fair), 5, 400) }
        for _ in 0..<count(0, 1) { add(.weather(.silent), until: .weather(.fair), 5, 200) }
        for _ in 0..<count(0, 2) { add(.blackHole(true), until: .blackHole(false), 2, 240) }
    }

    private mutating func bridge() {
        for _ in 0..<count(0, 2) { plan.append((.closeAll, moment())) }
        for _ in 0..<count(0, 3) {
            var faults = BridgeFaults()
            switch random.next() % 6 {
            case 0: faults.dropPubacks = .chance(random.uniform(0.02, 0.5))
            case 1: faults.dropMessages = .chance(random.uniform(0.02, 0.5))
            case 2: faults.delayPubacks = length(0.1, 15)
            case 3: faults.mute = true
            case 4: faults.duplicateDeliveries = .chance(0.5)
            default: faults.refuse = (random.chance(0.5) ? 5 : 3, Self.healAt - .seconds(1))
            }
            add(.bridge(faults), until: .bridge(BridgeFaults()), 5, 180)
        }
    }

    private mutating func field() {
        for _ in 0..<count(1, 6) {
            let unit = site.units[count(0, site.units.count - 1)]
            var faults = BusFaults()
            switch random.next() % 6 {
            case 0, 1: faults.dead = true
            case 2: faults.noise = random.uniform(0.001, 0.02)
            case 3: faults.silence = random.uniform(0.05, 0.8)
            case 4: (faults.late, faults.lateBy) = (random.uniform(0.05, 0.5), length(0.2, 1.2))
            default:
                (faults.truncated, faults.wrongUnit) = (
                    random.uniform(0, 0.4), random.uniform(0, 0.2)
                )
            }
            add(
                .units(unit.line, unit.number, faults),
                until: .units(unit.line, unit.number, BusFaults()), 5, 900)
        }
        if random.chance(0.4) {
            plan.append((.lineLost(count(0, 1), for: length(1, 300)), moment()))
        }
    }

    private mutating func machine() {
        if random.chance(0.4) {
            add(.diskPace(length(0.1, 3)), until: .diskPace(.milliseconds(20)), 10, 300)
        }
        for index in 0..<(random.chance(0.3) ? count(2, 6) : 1) {
            let end: SimulatedDisk.End = random.chance(0.5) ? .powerCut : .killed
            plan.append((.stop(end, for: length(0.2, 30)), index == 0 ? moment(20, 35) : moment()))
        }
    }

    private mutating func disk() {
        guard random.chance(0.3) else { return }
        let kinds: [DiskFailure.Kind] = [.io, .noSpace, .readOnly, .missing]
        let failure = DiskFailure(
            kinds[count(0, kinds.count - 1)], "the disk of the simulation fails")
        add(.disk(failure), until: .disk(nil), 1, 200)
    }

    private mutating func files() {
        for _ in 0..<(random.chance(0.5) ? count(1, 4) : 0) {
            var options = site.options
            for device in site.devices where random.chance(0.3) { options.without.insert(device) }
            for device in site.devices where random.chance(0.2) {
                options.every[device] = count(5, 40)
            }
            if options.without.count == site.devices.count { options.without = [] }
            if random.chance(0.3) { options.tokenLifetime = "30m" }
            if random.chance(0.2) { options.responseTimeout = "400ms" }
            plan.append((.reload(options), moment()))
        }
    }

    private mutating func people() {
        for index in 0..<count(0, 6) {
            let unit = site.units[count(0, site.units.count - 1)]
            plan.append(
                (.command(unit.device, id: "c-\(index)", setpoint: count(1, 1000)), moment()))
        }
        plan.append((.status, moment()))
    }
}
