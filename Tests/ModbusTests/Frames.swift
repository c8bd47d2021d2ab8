import Base
import Modbus

/// One exchange, PDUs in hexadecimal; mostly the examples of Application Protocol V1.1b3, section
/// 6.
struct Sample: Sendable, CustomStringConvertible {
    var name: String
    var request: Request
    var asked: String
    var response: Response
    var answered: String

    var description: String { name }
    var askedPDU: [UInt8] { bytes(asked) }
    var answeredPDU: [UInt8] { bytes(answered) }
    var askedFrame: [UInt8] { RTUFrame.encode(unit: 0x11, askedPDU) }
    var answeredFrame: [UInt8] { RTUFrame.encode(unit: 0x11, answeredPDU) }
}

func bytes(_ hex: String) -> [UInt8] { hex.split(separator: " ").map { UInt8($0, radix: 16)! } }

let samples: [Sample] =
    [
        Sample(
            name: "1 read coils 20–38",
            request: .read(.readCoils, address: 0x13, count: 0x13),
            asked: "01 00 13 00 13",  // code, start, quantity
            response: .read(.readCoils, [0xCD, 0x6B, 0x05]),
            answered: "01 03 CD 6B 05"),  // code, byte count, coils 27–20 35–28 38–36
        Sample(
            name: "2 read discrete inputs 197–218",
            request: .read(.readDiscreteInputs, address: 0xC4, count: 0x16),
            asked: "02 00 C4 00 16",
            response: .read(.readDiscreteInputs, [0xAC, 0xDB, 0x35]),
            answered: "02 03 AC DB 35"),
        Sample(
            name: "3 read holding registers 108–110",
            request: .read(.readHoldingRegisters, address: 0x6B, count: 3),
            asked: "03 00 6B 00 03",
            response: .read(.readHoldingRegisters, [0x02, 0x2B, 0, 0, 0, 0x64]),
            answered: "03 06 02 2B 00 00 00 64"),  // code, byte count, three values
        Sample(
            name: "4 read input register 9",
            request: .read(.readInputRegisters, address: 8, count: 1),
            asked: "04 00 08 00 01",
            response: .read(.readInputRegisters, [0, 0x0A]), answered: "04 02 00 0A"),
        Sample(
            name: "5 write coil 173 on",
            request: .writeCoil(address: 0xAC, true),
            asked: "05 00 AC FF 00",
            response: .wroteSingle(.writeSingleCoil, address: 0xAC, value: 0xFF00),
            answered: "05 00 AC FF 00"),
        Sample(
            name: "6 write register 2",
            request: .writeRegister(address: 1, 3), asked: "06 00 01 00 03",
            response: .wroteSingle(.writeSingleRegister, address: 1, value: 3),
            answered: "06 00 01 00 03"),
        Sample(
            name: "15 write coils 20–29",
            request: .writeCoils(
                address: 0x13, [true, false, true, true, false, false, true, true, true, false]),
            asked: "0F 00 13 00 0A 02 CD 01",  // code, start, quantity, byte count, coils
            response: .wroteMany(.writeMultipleCoils, address: 0x13, count: 10),
            answered: "0F 00 13 00 0A"),
        Sample(
            name: "16 write registers 2–3",
            request: .writeRegisters(address: 1, [0x0A, 0x102]),
            asked: "10 00 01 00 02 04 00 0A 01 02",
            response: .wroteMany(.writeMultipleRegisters, address: 1, count: 2),
            answered: "10 00 01 00 02"),
        Sample(
            name: "22 mask write register 5",
            request: .maskWrite(address: 4, and: 0xF2, or: 0x25),
            asked: "16 00 04 00 F2 00 25",
            response: .maskWrote(address: 4, and: 0xF2, or: 0x25), answered: "16 00 04 00 F2 00 25"),
        Sample(
            name: "23 read six, write three",
            request: .readWrite(address: 3, count: 6, writeAddress: 0x0E, [0xFF, 0xFF, 0xFF]),
            asked: "17 00 03 00 06 00 0E 00 03 06 00 FF 00 FF 00 FF",
            response: .read(
                .readWriteMultipleRegisters, bytes("00 FE 0A CD 00 01 00 03 00 0D 00 FF")),
            answered: "17 0C 00 FE 0A CD 00 01 00 03 00 0D 00 FF"),
        Sample(
            name: "3 refused with exception 2",
            request: .read(.readHoldingRegisters, address: 0x4A1, count: 1),
            asked: "03 04 A1 00 01",
            response: .exception(.readHoldingRegisters, .illegalDataAddress), answered: "83 02"),
    ] + furtherSamples
