import Base
import Modbus
import Testing

@Suite struct CodecTests {
    @Test(arguments: samples) func everyMessageReadsAsItIsWritten(_ sample: Sample) throws {
        #expect(sample.request.pdu == sample.askedPDU)
        #expect(sample.response.pdu == sample.answeredPDU)
        #expect(try Request(pdu: sample.askedPDU[...]) == sample.request)
        #expect(try Response(pdu: sample.answeredPDU[...], answering: sample.request) == sample.response)
        #expect(PDULength.ofRequest(sample.askedPDU[...]) == .bytes(sample.askedPDU.count))
        #expect(PDULength.ofReply(sample.answeredPDU[...]) == .bytes(sample.answeredPDU.count))
    }

    @Test func theFrameOfEveryManualHasItsKnownChecksum() {
        let frame = RTUFrame.encode(unit: 1, .read(.readHoldingRegisters, address: 0, count: 10))
        #expect(frame == bytes("01 03 00 00 00 0A C5 CD"))
        #expect(RTUFrame.encode(unit: 1, [0x83, 2]) == bytes("01 83 02 C0 F1"))
    }

    @Test(arguments: [
        ("", 1),                                        // nothing
        ("00 00 00 00 00", 1),                          // function code 0
        ("83 00 00 00 01", 1),                          // the exception bit in a request
        ("03 00 00 00 00", 3), ("03 00 00 00 7E", 3),   // 0 and 126 registers
        ("01 00 00 07 D1", 3),                          // 2,001 coils
        ("03 FF FF 00 02", 2),                          // past the end of the table
        ("03 00 00 00", 3), ("03 00 00 00 01 00", 3),   // too short, too long
        ("05 00 00 12 34", 3),                          // a coil that is neither on nor off
        ("0F 00 00 00 0A 01 FF", 3),                    // ten coils in one byte
        ("10 00 00 00 02 04 00 00", 3),                 // two registers, one present
        ("10 00 00 00 7C F8", 3),                       // 124 registers
        ("17 00 00 00 01 00 00 00 01 03 00 00", 3),
    ]) func aServerRefusesWhatItCannotCarryOut(_ pdu: String, _ code: UInt8) {
        do {
            let request = try Request(pdu: bytes(pdu)[...])
            Issue.record("understood \(pdu) as \(request)")
        } catch {
            #expect(error.rawValue == code)
        }
    }

    @Test func everyExceptionOfTheSpecificationHasANameAndAMeaning() {
        for code: UInt8 in [1, 2, 3, 4, 5, 6, 7, 8, 10, 11] {
            let exception = ExceptionCode(rawValue: code)
            #expect(exception.name != "EXCEPTION \(code)")
            #expect(exception.meaning != ExceptionCode(rawValue: 99).meaning)
            #expect(exception.isTemporary == (code == 5 || code == 6))
        }
        #expect(ExceptionCode.illegalDataAddress.description == "exception 2 (ILLEGAL DATA ADDRESS)")
        #expect(ExceptionCode(rawValue: 99).name == "EXCEPTION 99")
    }

    @Test func aWriteIsOnlyAcknowledgedByItsOwnEcho() {
        let request = Request.writeRegister(address: 7, 40)
        for (pdu, error) in [
            ("06 00 08 00 28", FrameError.echo(field: 0, received: 8, expected: 7)),
            ("06 00 07 00 29", FrameError.echo(field: 1, received: 41, expected: 40)),
        ] {
            do {
                _ = try Response(pdu: bytes(pdu)[...], answering: request)
                Issue.record("took \(pdu) for an acknowledgement")
            } catch let thrown {
                #expect(thrown == error)
            }
        }
    }

    @Test func bitsArePackedLowestAddressFirst() {
        #expect(Bits.pack([true, false, false, false, false, false, false, false, true]) == [1, 1])
        #expect(Bits.unpack([0x05], count: 3) == [true, false, true])
        #expect(Bits.unpack([], count: 2) == [false, false])
        #expect(Bits.unpack([1], count: -1) == [])
    }

    @Test(arguments: [
        (9600, 11, 4_010_417, 1_145_834), (9600, 10, 3_645_834, 1_041_667), (19_200, 11, 2_005_209, 572_917),
        (38_400, 11, 1_750_000, 286_459), (115_200, 10, 1_750_000, 86_806),
    ]) func silenceIsThreeAndAHalfCharactersAndFixedAboveNineteenTwo(
        _ baud: Int, _ bits: Int, _ silence: Int, _ character: Int
    ) {
        let timing = RTUTiming(baud: baud, bitsPerCharacter: bits)
        #expect(timing.silence == .nanoseconds(silence))
        #expect(timing.character == .nanoseconds(character))
        #expect(timing.time(of: 8) == .nanoseconds(8 * character))
    }

    @Test func nonsenseLineSettingsDoNotTrap() {
        #expect(RTUTiming(baud: 0, bitsPerCharacter: -3).character == .seconds(1))
        #expect(RTUTiming(baud: .max, bitsPerCharacter: .max).silence == .nanoseconds(1_750_000))
    }
}
