import Base
import Drivers
import Modbus

/// The slaves of a `Rig`: their registers, what they have answered, and when they may speak.
struct RigUnits {
    /// A read that was carried out.
    struct Served: Hashable {
        var at: Instant
        var unit: UInt8
        var request: Request
        var data: [UInt8]
    }

    var holding: [UInt8: [Int: UInt16]] = [:]
    /// Registers that were not written are new at each read, so that a value tells its request.
    var isFresh = false
    /// They know function 8.
    var echoesDiagnostics = true
    /// Every read, if registers are fresh.
    private(set) var served: [Served] = []
    private var reads: UInt64 = 0
    private var spokenUntil: [UInt8: Instant] = [:]
    private var taken: [(start: Instant, end: Instant)] = []

    func value(_ unit: UInt8, _ address: Int) -> UInt16 {
        holding[unit]?[address] ?? UInt16(truncatingIfNeeded: address &* 7 &+ Int(unit))
    }

    /// When a reply and its copies begin: nobody speaks while another does.
    mutating func starts(
        _ unit: UInt8, _ wanted: Instant, _ gaps: [Duration], _ length: Duration, inOrder: Bool
    ) -> [Instant] {
        var starts = [free(max(wanted, spokenUntil[unit] ?? .zero), length)]
        for gap in gaps { starts.append(free(starts[starts.count - 1] + length + gap, length)) }
        spokenUntil[unit] = (inOrder ? starts[starts.count - 1] : starts[0]) + length
        return starts
    }

    private mutating func free(_ wanted: Instant, _ length: Duration) -> Instant {
        var start = wanted
        for one in taken where one.start < start + length && start < one.end { start = one.end }
        taken.append((start, start + length))
        taken.sort { $0.start < $1.start }
        if taken.count > 100 { taken.removeFirst() }
        return start
    }

    /// What the latest request for these items, sent before `time`, was answered with.
    func truth(_ unit: UInt8, _ part: ReadPart) -> [UInt8]? {
        served.last { one in
            guard one.unit == unit, one.at < part.at.instant,
                case .read(let function, let address, let count) = one.request
            else { return false }
            return FunctionCode.reading(part.table) == function && Int(address) == part.address
                && Int(count) == part.count
        }?.data
    }

    mutating func forget(before time: Instant) { served.removeAll { $0.at < time } }

    private mutating func freshRegisters(_ count: Int) -> [UInt8] {
        reads += 1
        var data: [UInt8] = []
        for index in 0..<count {
            data.appendBig(
                UInt16(truncatingIfNeeded: (reads &* 0x9E37_79B9) >> 8 &+ UInt64(index) &* 4099))
        }
        return data
    }

    mutating func serve(_ unit: UInt8, _ request: Request, at now: Instant) -> Response {
        switch request {
        case .read(let function, let address, let count):
            if function.readsBits {
                let bits = (0..<Int(count)).map { (Int(address) + $0) % 3 == 0 }
                return .read(function, Bits.pack(bits))
            }
            if isFresh {
                var data = freshRegisters(Int(count))
                for index in 0..<Int(count) {
                    guard let written = holding[unit]?[Int(address) + index] else { continue }
                    data[2 * index] = UInt8(written >> 8)
                    data[2 * index + 1] = UInt8(written & 0xFF)
                }
                served.append(Served(at: now, unit: unit, request: request, data: data))
                return .read(function, data)
            }
            var data: [UInt8] = []
            for index in 0..<Int(count) { data.appendBig(value(unit, Int(address) + index)) }
            return .read(function, data)
        case .writeRegister(let address, let value):
            holding[unit, default: [:]][Int(address)] = value
            return .wroteSingle(.writeSingleRegister, address: address, value: value)
        case .writeRegisters(let address, let values):
            for (index, value) in values.enumerated() {
                holding[unit, default: [:]][Int(address) + index] = value
            }
            return .wroteMany(request.function, address: address, count: UInt16(values.count))
        case .writeCoil(let address, let on):
            return .wroteSingle(.writeSingleCoil, address: address, value: on ? 0xFF00 : 0)
        case .writeCoils(let address, let values):
            return .wroteMany(request.function, address: address, count: UInt16(values.count))
        case .maskWrite(let address, let and, let or):
            let old = value(unit, Int(address))
            holding[unit, default: [:]][Int(address)] = old & and | or & ~and
            return .maskWrote(address: address, and: and, or: or)
        case .diagnose(let function, let word) where echoesDiagnostics:
            return .diagnosed(function, word)
        case .other(let function, let data): return .other(function, Array(data.reversed()))
        default: return .exception(request.function, .illegalFunction)
        }
    }
}
