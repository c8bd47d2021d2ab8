import Base
import Modbus

/// An order on its way: perhaps a read of what is to be changed, the write, and perhaps a
/// read-back.
///
/// | phase | request | then |
/// |---|---|---|
/// | prepare | reads the registers of which some bits change | write |
/// | write | writes, or calls the custom function | readBack if one is wanted |
/// | readBack | reads the same place; an order that only reads begins here | |
struct OrderJob: Sendable {
    enum Phase: Sendable { case prepare, write, readBack }

    let order: Order
    /// Index of the unit in the driver.
    var unit: Int
    /// Of the unit's setup; nil for an order that somebody gave.
    let setupStep: Int?
    private(set) var phase: Phase
    /// Attempts of this phase that failed.
    var failures = 0
    var notBefore = Instant.zero
    /// The order has waited because orders had taken their share of the line.
    var hasYielded = false
    private(set) var request: Request
    private var hasAdvanced = false
    /// An answer that may still turn out to be of another request.
    var held: (response: Response, at: Moment)?

    /// Nil if no request can carry it: a table that cannot be written, an address past the end, or
    /// more values than one message holds.
    init?(_ order: Order, unit: Int, setupStep: Int? = nil) {
        self.order = order
        self.unit = unit
        self.setupStep = setupStep
        if case .custom(let function, let data) = order.data {
            guard (1..<FunctionCode.exceptionBit).contains(function), data.count < Limits.pdu else {
                return nil
            }
            phase = .write
            request = .other(FunctionCode(rawValue: function), data)
            return
        }
        guard order.start >= 0, order.data.count >= 1, order.data.count <= Limits.addresses,
            order.start <= Limits.addresses - order.data.count, let read = Self.read(order)
        else { return nil }
        phase = .write
        switch order.data {
        case .registers(let values):
            guard order.table == .holding, let write = Self.registers(values, order) else {
                return nil
            }
            request = write
        case .bits(let values):
            guard order.table == .coil, let write = Self.coils(values, order) else { return nil }
            request = write
        case .masked(let mask, let value):
            guard order.table == .holding, mask.count == value.count else { return nil }
            if let write = Self.maskWrite(mask, value, order) {
                request = write
            } else {
                // Of all units at once nothing can be read that could be changed.
                guard mask.count <= Limits.writeRegisters, !order.address.unit.isBroadcast else {
                    return nil
                }
                phase = .prepare
                request = read
            }
        case .nothing:
            phase = .readBack
            request = read
        case .custom: return nil
        }
    }

    private static func read(_ order: Order) -> Request? {
        let limit = order.table.isBits ? Limits.readBits : Limits.readRegisters
        guard let function = FunctionCode.reading(order.table), order.data.count <= limit else {
            return nil
        }
        return .read(function, address: UInt16(order.start), count: UInt16(order.data.count))
    }

    private static func registers(_ values: [UInt16], _ order: Order) -> Request? {
        let address = UInt16(order.start)
        if values.count == 1, order.function != 16 {
            return .writeRegister(address: address, values[0])
        }
        return values.count <= Limits.writeRegisters
            ? .writeRegisters(address: address, values) : nil
    }

    private static func coils(_ values: [Bool], _ order: Order) -> Request? {
        let address = UInt16(order.start)
        if values.count == 1, order.function != 15 {
            return .writeCoil(address: address, values[0])
        }
        return values.count <= Limits.writeBits ? .writeCoils(address: address, values) : nil
    }

    /// One register can be changed by function 22; for more they are read first.
    private static func maskWrite(_ mask: [UInt16], _ value: [UInt16], _ order: Order) -> Request? {
        let touched = mask.indices.filter { mask[$0] != 0 }
        guard order.function == nil || order.function == 22, touched.count == 1,
            let place = touched.first
        else {
            return nil
        }
        return .maskWrite(
            address: UInt16(order.start + place), and: ~mask[place], or: value[place] & mask[place])
    }

    /// Takes the registers that were read before the change and goes on to write them with the
    /// wanted bits. False if they are no answer to the request.
    mutating func change(_ bytes: [UInt8]) -> Bool {
        guard case .masked(let mask, let value) = order.data, bytes.count == 2 * mask.count else {
            return false
        }
        let registers = mask.indices.map { index in
            let old = UInt16(bytes[2 * index]) << 8 | UInt16(bytes[2 * index + 1])
            return old & ~mask[index] | value[index] & mask[index]
        }
        guard let write = Self.registers(registers, order) else { return false }
        enter(.write, write)
        return true
    }

    /// The unit does not know function 22: its registers are read, changed and written, unless the
    /// configuration wants 22 and nothing else.
    mutating func changeByReading() -> Bool {
        guard case .maskWrite = request, order.function == nil, let read = Self.read(order) else {
            return false
        }
        enter(.prepare, read)
        return true
    }

    /// The write was acknowledged: now read the same place.
    mutating func beginReadBack() -> Bool {
        guard let read = Self.read(order) else { return false }
        enter(.readBack, read)
        return true
    }

    private mutating func enter(_ phase: Phase, _ request: Request) {
        self.phase = phase
        self.request = request
        hasAdvanced = true
        failures = 0
        notBefore = .zero
    }

    /// Something of it was on the wire.
    var isBegun: Bool { failures > 0 || hasAdvanced || held != nil }

    /// Doing it twice is no harm: it sets what is then read back, or only reads.
    var isRepeatable: Bool {
        if case .custom = order.data { return phase != .write }
        return phase != .write || order.readBack
    }

    /// A write may have been carried out although its answer was lost: it is repeated once at most,
    /// and never where twice is not the same as once, as with a pulse.
    /// Nor is what a person asks by hand: the answer to that is what one exchange brings.
    func attempts(afterSilence: Bool, retries: Int) -> Int {
        guard isRepeatable, !order.isManual else { return 1 }
        return phase == .write && afterSilence ? min(retries, 1) + 1 : retries + 1
    }
}
