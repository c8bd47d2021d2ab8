import Base
import Modbus

/// A write on its way: the write itself, then the read-back if one is wanted.
struct OrderJob: Sendable {
    enum Phase: Sendable { case write, readBack }

    let order: Order
    /// Index of the unit in the driver.
    let unit: Int
    var phase = Phase.write
    /// Attempts of this phase that failed.
    var failures = 0
    var notBefore = Instant.zero
    var request: Request

    /// Nil if no request can carry it: a table that cannot be written, an address past the end, or
    /// more values than one message holds.
    init?(_ order: Order, unit: Int) {
        guard order.start >= 0, order.data.count >= 1,
            order.start <= Limits.addresses - order.data.count
        else { return nil }
        let address = UInt16(order.start)
        switch (order.table, order.data) {
        case (.coil, .bits(let values)) where values.count == 1:
            request = .writeCoil(address: address, values[0])
        case (.coil, .bits(let values)) where values.count <= Limits.writeBits:
            request = .writeCoils(address: address, values)
        case (.holding, .registers(let values)) where values.count == 1:
            request = .writeRegister(address: address, values[0])
        case (.holding, .registers(let values)) where values.count <= Limits.writeRegisters:
            request = .writeRegisters(address: address, values)
        default: return nil
        }
        self.order = order
        self.unit = unit
    }

    /// The write was acknowledged: now read the same place.
    mutating func beginReadBack() {
        phase = .readBack
        failures = 0
        request = .read(
            order.table == .coil ? .readCoils : .readHoldingRegisters, address: UInt16(order.start),
            count: UInt16(order.data.count))
    }

    var isBegun: Bool { phase == .readBack || failures > 0 }

    /// A write may have been carried out although its answer was lost: it is repeated once at most.
    func attempts(afterSilence: Bool, retries: Int) -> Int {
        phase == .write && afterSilence ? min(retries, 1) + 1 : retries + 1
    }
}
