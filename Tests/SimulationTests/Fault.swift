import Base
import Gateway
import Simulators

/// Something that befalls the world at one moment.
enum Fault {
    case cut
    case weather(SimulatedLink.Weather)
    case blackHole(Bool)
    case bridge(BridgeFaults)
    case closeAll
    case units(Int, UInt8, BusFaults)
    case exchanged(Int, UInt8, BusUnitFunctions)
    case lineLost(Int, for: Duration)
    case diskPace(Duration)
    case disk(DiskFailure?)
    case wall(error: Duration, ClockFacts)
    case stop(SimulatedDisk.End, for: Duration)
    case start(SimulatedDisk.End)
    case command(String, id: String, setpoint: Int)
    case status
    case reload(Site.Options)
    case heal
}

extension SimulatedWorld {
    func plan(_ fault: Fault, at due: Instant) { queue.add(.fault(fault), at: due) }

    func befall(_ fault: Fault) {
        switch fault {
        case .cut: cutLink()
        case .weather(let weather): link.weather = weather
        case .blackHole(let isBlackHole):
            link.isBlackHole = isBlackHole
            link.weather = isBlackHole ? .silent : .fair
            // A stream with a hole in it is none: what is left of it ends here.
            if !isBlackHole { cutLink() }
        case .bridge(let faults): bridge.faults = faults
        case .closeAll:
            bridge.closeAll("the server restarts", at: worldNow)
            hearBridge()
        case .units(let line, let unit, let faults): lines[line].bus.set(faults, of: unit)
        case .exchanged(let line, let unit, let functions): lines[line].bus.set(functions, of: unit)
        case .lineLost(let index, let duration):
            lines[index].missingUntil = now + duration
            guard lines[index].state == .open else { return }
            lines[index].close()
            let failure = LineFailure(.lost, "/dev/\(Site.lineNames[index]) was unplugged")
            queue.add(.line(index, attempt: lines[index].attempt, .lost(failure)), at: now)
        case .diskPace(let slowest): disk.slowest = slowest
        case .disk(let failure):
            disk.disk.outage = failure
            if failure != nil { oracle.diskHasFailed = true }
        case .wall(let error, let facts):
            self.facts = facts
            setWallError(error)
        case .stop(let end, let duration):
            guard gateway != nil else { return }
            stopGateway(end)
            plan(.start(end), at: now + duration)
        case .start(let end):
            guard gateway == nil else { return }
            if case .powerCut = end { boot() } else { startGateway() }
        case .command(let device, let id, let setpoint):
            _ = sendCommand(device, id: id, setpoint: setpoint)
        case .status:
            guard gateway != nil else { return }
            if status("spool", "waiting")?.integer == nil {
                oracle.object("status has no spool.waiting", at: now)
            }
        case .reload(let options): reload(options)
        case .heal: heal()
        }
    }

    /// Everything is well again from here on.
    func heal() {
        link.weather = .fair
        if link.isBlackHole { befall(.blackHole(false)) }
        bridge.faults = BridgeFaults()
        for unit in site.units { lines[unit.line].bus.set(BusFaults(), of: unit.number) }
        for index in lines.indices {
            lines[index].missingUntil = sabotage == .staysSilent ? .distantFuture : .zero
        }
        if sabotage == .staysSilent {
            for index in lines.indices { befall(.lineLost(index, for: .seconds(7200))) }
        }
        reload(site.options)
        disk.slowest = .milliseconds(20)
        disk.disk.outage = nil
        befall(.wall(error: .zero, ClockFacts(synchronised: true, hasRTC: false)))
        if gateway == nil { boot() }
    }
}
