import Base
import Modbus
import Testing

@Suite struct CodecTests {
    @Test(arguments: samples) func everyMessageReadsAsItIsWritten(_ sample: Sample) throws {
        #expect(sample.request.pdu == sample.askedPDU)
        #expect(sample.response.pdu == sample.answeredPDU)
        #expect(try Request(pdu: sample.askedPDU[...]) == sample.request)
        #expect(
            try Response(pdu: sample.answeredPDU[...], answering: sample.request) == sample.response
        )
        #expect(PDULength.ofRequest(sample.askedPDU[...]) == .bytes(sample.askedPDU.count))
        #expect(PDULength.ofReply(sample.answeredPDU[...]) == .bytes(sample.answeredPDU.count))
    }

    /// A request that began with 43 was measured as four bytes, and with its second byte as
    /// unknown.
    @Test func aLengthThatIsKnownStaysWhenMoreBytesCome() {
        let requests =
            samples.map { ($0.askedPDU, PDULength.ofRequest) } + [
                (bytes("2B 0D 00 00"), PDULength.ofRequest)
            ]
        for (pdu, rule) in requests + samples.map({ ($0.answeredPDU, PDULength.ofReply) }) {
            let known = (1...pdu.count).map { rule(pdu.prefix($0)) }.drop { $0 == .more }
            #expect(known.allSatisfy { $0 == known.first }, "\(pdu): \(known)")
        }
    }

    @Test func theFrameOfEveryManualHasItsKnownChecksum() {
        let frame = RTUFrame.encode(unit: 1, .read(.readHoldingRegisters, address: 0, count: 10))
        #expect(frame == bytes("01 03 00 00 00 0A C5 CD"))
        #expect(RTUFrame.encode(unit: 1, [0x83, 2]) == bytes("01 83 02 C0 F1"))
    }

    @Test(arguments: [
        ("", 1),  // nothing
        ("00 00 00 00 00", 1),  // function code 0
        ("83 00 00 00 01", 1),  // the exception bit in a request
        ("03 00 00 00 00", 3), ("03 00 00 00 7E", 3),  // 0 and 126 registers
        ("01 00 00 07 D1", 3),  // 2,001 coils
        ("03 FF FF 00 02", 2),  // past the end of the table
        ("03 00 00 00", 3), ("03 00 00 00 01 00", 3),  // too short, too long
        ("05 00 00 12 34", 3),  // a coil that is neither on nor off
        ("0F 00 00 00 0A 01 FF", 3),  // ten coils in one byte
        ("10 00 00 00 02 04 00 00", 3),  // two registers, one present
        ("10 00 00 00 7C F8", 3),  // 124 registers
        ("17 00 00 00 01 00 00 00 01 03 00 00", 3),
        ("07 00", 3), ("08 00 00 A5", 3),  // exception status with data, half a word
        ("14 07 05 00 04 00 01 00 02", 2),  // reference type 5
        ("14 07 06 00 00 00 01 00 02", 2),  // file 0
        ("14 07 06 00 04 27 10 00 01", 2),  // record 10,000
        ("14 06 06 00 04 00 01 00", 3), ("14 07 06 00 04 00 01 00 00", 3),
        ("14 07 06 00 04 00 01 00 7A", 3),  // 122 registers: 246 bytes of reply
        ("15 09 06 00 04 00 07 00 02 06 AF", 3),  // two registers, one present
        ("18 04", 3), ("2B 0D 00 00", 1), ("2B 0E 05 00", 3), ("2B 0E 01", 3),
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
        #expect(
            ExceptionCode.illegalDataAddress.description == "exception 2 (ILLEGAL DATA ADDRESS)")
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

    /// Sound frames that cannot be the answer to what was asked.
    @Test(arguments: [
        (
            Request.diagnose(.returnQueryData, 0xA537), "08 00 00 A5 38",
            FrameError.echo(field: 1, received: 0xA538, expected: 0xA537)
        ),
        (
            .diagnose(.busMessageCount, 0), "08 00 0C 00 00",
            .echo(field: 0, received: 12, expected: 11)
        ),
        (.getEventLog, "0C 05 00 00 01 08 01", .byteCount(received: 7, expected: 8)),
        (
            .readFile([FileReference(file: 4, record: 1, count: 1)]), "14 04 02 06 00 01",
            .byteCount(received: 2, expected: 3)
        ),
        (
            .readFile([FileReference(file: 4, record: 1, count: 1)]), "14 04 03 07 00 01",
            .echo(field: 0, received: 7, expected: 6)
        ),
        (
            .writeFile([FileRecord(file: 4, record: 7, values: [1])]),
            "15 09 06 00 04 00 08 00 01 00 01",
            .echo(field: 2, received: 8, expected: 7)
        ),
        (.readFIFO(address: 0), "18 00 04 00 02 01 B8", .byteCount(received: 4, expected: 6)),
        (
            .identify(.basic, from: 0), "2B 0E 02 01 00 00 00",
            .echo(field: 0, received: 2, expected: 1)
        ),
    ]) func aReplyThatDoesNotFitItsRequestIsAStranger(
        _ request: Request, _ pdu: String, _ error: FrameError
    ) {
        do {
            let response = try Response(pdu: bytes(pdu)[...], answering: request)
            Issue.record("took \(pdu) for \(response)")
        } catch let thrown {
            #expect(thrown == error && thrown.isStranger)
        }
    }

    @Test func everyDiagnosticFunctionHasAName() {
        #expect(Set(DiagnosticFunction.all.map(\.description)).count == 15)
        #expect(!DiagnosticFunction.all.contains { $0.description.hasPrefix("sub-function") })
        #expect(DiagnosticFunction(rawValue: 99).description == "sub-function 99")
    }

    @Test func anIdentificationThatIsLongerThanAFrameComesInPages() throws {
        let objects =
            (UInt8(0)...6).map {
                DeviceIdentification.Object(id: $0, value: [UInt8](repeating: 0x41 + $0, count: 60))
            } + [DeviceIdentification.Object(id: 0x80, value: [1, 2, 3])]
        for (access, count) in [
            (DeviceIdentification.Access.basic, 3), (.regular, 7), (.extended, 8),
        ] {
            var found: [DeviceIdentification.Object] = []
            var next: UInt8? = 0
            while let start = next {
                let page = try DeviceIdentification.page(of: objects, access, from: start)
                let pdu = Response.identification(page).pdu
                #expect(pdu.count <= Limits.pdu && page.conformity == 0x83)
                #expect(
                    try Response(pdu: pdu[...], answering: .identify(access, from: start))
                        == .identification(page))
                found += page.objects
                next = page.next
                if found.count > 20 { break }
            }
            #expect(found == Array(objects.prefix(count)))
        }
        let single = try DeviceIdentification.page(of: objects, .individual, from: 0x80)
        #expect(single.objects.map(\.value) == [[1, 2, 3]] && single.next == nil)
        #expect(
            try DeviceIdentification.page(of: objects, .basic, from: 0x55).objects.first?.id == 0)
        do {
            _ = try DeviceIdentification.page(of: objects, .individual, from: 0x55)
            Issue.record("found an object that is not there")
        } catch {
            #expect(error == .illegalDataAddress)
        }
    }

    @Test func bitsArePackedLowestAddressFirst() {
        #expect(
            Bits.pack([true, false, false, false, false, false, false, false, true]) == [1, 1])
        #expect(Bits.unpack([0x05], count: 3) == [true, false, true])
        #expect(Bits.unpack([], count: 2) == [false, false])
        #expect(Bits.unpack([1], count: -1) == [])
    }

    @Test(arguments: [
        (9600, 11, 4_010_417, 1_145_834), (9600, 10, 3_645_834, 1_041_667),
        (19_200, 11, 2_005_209, 572_917),
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
