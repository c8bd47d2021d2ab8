import Base
import Modbus

/// Targets of a scan, and how it looks for them.
package struct ScanSettings: Sendable {
    /// Every setting of the line that is tried, in this order; at least one.
    package var lines: [LineSettings]
    /// Unit ids in the order in which they are asked.
    package var units: [UInt8]
    /// Asked of every unit, one after the other until one is answered; reads only.
    package var probes: [Request]
    /// The patience with a unit that may be slow; once units answer faster, silence is believed
    /// sooner.
    package var patience: Duration
    /// Stop at the first unit.
    package var first: Bool
    /// Go through every setting even after one has answered.
    package var all: Bool
    /// Ask whoever is found what it is.
    package var identifies: Bool
    /// Further reads for whoever is found, by which devices are told apart.
    package var followUps: [Request]

    package init(
        lines: [LineSettings], units: [UInt8] = Array(1...247),
        probes: [Request] = [Self.standardProbe],
        patience: Duration = .milliseconds(200), first: Bool = false, all: Bool = false,
        identifies: Bool = true,
        followUps: [Request] = []
    ) {
        self.lines = lines
        self.units = units
        self.probes = probes
        self.patience = patience
        self.first = first
        self.all = all
        self.identifies = identifies
        self.followUps = followUps
    }

    /// Nearly every device knows holding register 0, or refuses it, which is an answer too.
    package static let standardProbe = Request.read(.readHoldingRegisters, address: 0, count: 1)

    /// One setting and the units that are asked there.
    struct Leg: Hashable, Sendable {
        var line: LineSettings
        var units: [UInt8]
    }

    /// Units that are asked at every setting before the rest is asked anywhere: devices come with a
    /// low id, and the setting is what takes long to find.
    static let quickUnits = 16

    /// With several settings first a few units at each, then all the others.
    var legs: [Leg] {
        guard lines.count > 1, units.count > Self.quickUnits else {
            return lines.map { Leg(line: $0, units: units) }
        }
        let quick = Array(units.prefix(Self.quickUnits))
        let rest = Array(units.dropFirst(Self.quickUnits))
        return lines.map { Leg(line: $0, units: quick) } + lines.map { Leg(line: $0, units: rest) }
    }
}
