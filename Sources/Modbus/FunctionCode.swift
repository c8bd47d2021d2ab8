import Base

/// A function code of the Modbus Application Protocol V1.1b3, section 5.1. Any value from 1 to
/// 127 can be written down, so that user-defined codes (65–72, 100–110) travel too.
package struct FunctionCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let readCoils = FunctionCode(rawValue: 1)
    package static let readDiscreteInputs = FunctionCode(rawValue: 2)
    package static let readHoldingRegisters = FunctionCode(rawValue: 3)
    package static let readInputRegisters = FunctionCode(rawValue: 4)
    package static let writeSingleCoil = FunctionCode(rawValue: 5)
    package static let writeSingleRegister = FunctionCode(rawValue: 6)
    package static let readExceptionStatus = FunctionCode(rawValue: 7)
    package static let diagnostics = FunctionCode(rawValue: 8)
    package static let getCommEventCounter = FunctionCode(rawValue: 11)
    package static let getCommEventLog = FunctionCode(rawValue: 12)
    package static let writeMultipleCoils = FunctionCode(rawValue: 15)
    package static let writeMultipleRegisters = FunctionCode(rawValue: 16)
    package static let reportServerID = FunctionCode(rawValue: 17)
    package static let readFileRecord = FunctionCode(rawValue: 20)
    package static let writeFileRecord = FunctionCode(rawValue: 21)
    package static let maskWriteRegister = FunctionCode(rawValue: 22)
    package static let readWriteMultipleRegisters = FunctionCode(rawValue: 23)
    package static let readFIFOQueue = FunctionCode(rawValue: 24)
    package static let encapsulatedInterface = FunctionCode(rawValue: 43)

    /// The bit that turns a function code into an exception reply's.
    package static let exceptionBit: UInt8 = 0x80

    package var isException: Bool { rawValue & Self.exceptionBit != 0 }

    /// The function that reads a table; nil for a table that Modbus does not have.
    package static func reading(_ table: Table) -> FunctionCode? {
        switch table {
        case .coil: .readCoils
        case .discrete: .readDiscreteInputs
        case .holding: .readHoldingRegisters
        case .input: .readInputRegisters
        case .frame: nil
        }
    }

    package var readsBits: Bool { self == .readCoils || self == .readDiscreteInputs }
    package var readsRegisters: Bool {
        self == .readHoldingRegisters || self == .readInputRegisters
    }

    package var description: String { String(rawValue) }
}

/// The protocol's own limits (Application Protocol V1.1b3, sections 4.1 and 6).
package enum Limits {
    /// Function code and data of one message.
    package static let pdu = 253
    /// Unit, PDU and checksum on a serial line.
    package static let adu = 256
    package static let readBits = 2000
    package static let readRegisters = 125
    package static let writeBits = 1968
    package static let writeRegisters = 123
    package static let readWriteRegisters = 121
    /// Items in one table: addresses are 0 to 65,535.
    package static let addresses = 65_536
}
