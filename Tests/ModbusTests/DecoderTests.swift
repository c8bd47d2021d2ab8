import Base
import Modbus
import Testing

@Suite struct DecoderTests {
    @Test(arguments: samples) func aReplyIsAcceptedAtItsLastByteAtEverySplit(
        _ sample: Sample
    ) throws {
        let frame = sample.answeredFrame
        for split in 0..<frame.count {
            var decoder = ReplyDecoder(unit: 0x11, request: sample.request)
            #expect(try decoder.receive(frame[..<split]) == nil)
            #expect(try decoder.receive(frame[split...]) == sample.response)
            #expect(decoder.pending == 0)
        }
        var decoder = ReplyDecoder(unit: 0x11, request: sample.request)
        for index in frame.indices.dropLast() {
            #expect(try decoder.receive(frame[index...index]) == nil)
        }
        #expect(try decoder.receive(frame.suffix(1)) == sample.response)
    }

    @Test(arguments: samples) func aReplyWithAnyFlippedBitIsNeverAccepted(_ sample: Sample) {
        let frame = sample.answeredFrame
        for bit in 0..<(frame.count * 8) {
            var damaged = frame
            damaged[bit / 8] ^= 1 << (bit % 8)
            var decoder = ReplyDecoder(unit: 0x11, request: sample.request)
            do {
                let response = try decoder.receive(damaged[...])
                #expect(response == nil, "bit \(bit) of \(sample.name)")
            } catch {
                #expect(!error.isStranger, "bit \(bit): \(error)")
                #expect(decoder.pending == 0)
            }
        }
    }

    @Test(arguments: samples) func aRequestIsAcceptedAtItsLastByteAtEverySplit(
        _ sample: Sample
    ) throws {
        let frame = sample.askedFrame
        for split in 0..<frame.count {
            var decoder = RequestDecoder()
            #expect(try decoder.receive(frame[..<split]) == nil)
            let request = try decoder.receive(frame[split...])
            #expect(request == RequestFrame(unit: 0x11, pdu: sample.askedPDU))
        }
    }

    @Test(arguments: samples) func aRequestWithAnyFlippedBitIsNeverAccepted(_ sample: Sample) {
        let frame = sample.askedFrame
        for bit in 0..<(frame.count * 8) {
            var damaged = frame
            damaged[bit / 8] ^= 1 << (bit % 8)
            var decoder = RequestDecoder()
            let early = try? decoder.receive(damaged[...])
            let late = try? decoder.silence()
            #expect(early == nil && late == nil, "bit \(bit) of \(sample.name)")
            #expect(decoder.pending == 0)
        }
    }

    @Test(arguments: makersSamples) func onlySilenceEndsTheReplyToAMakersOwnFunction(
        _ sample: Sample
    ) throws {
        let frame = sample.answeredFrame
        for split in 0..<frame.count {
            var decoder = ReplyDecoder(unit: 0x11, request: sample.request)
            #expect(try decoder.receive(frame[..<split]) == nil)
            // A gap inside the frame is not its end: the rest may still come.
            #expect(try decoder.silence() == nil)
            #expect(try decoder.receive(frame[split...]) == nil)
            #expect(decoder.endsBySilence)
            #expect(try decoder.silence() == sample.response)
            #expect(decoder.pending == 0)
        }
        for bit in 0..<(frame.count * 8) {
            var damaged = frame
            damaged[bit / 8] ^= 1 << (bit % 8)
            var decoder = ReplyDecoder(unit: 0x11, request: sample.request)
            let early = try? decoder.receive(damaged[...])
            let late = try? decoder.silence()
            #expect(early == nil && late == nil, "bit \(bit) of \(sample.name)")
        }
        var server = RequestDecoder()
        #expect(try server.receive(sample.askedFrame[...]) == nil)
        #expect(try server.silence() == RequestFrame(unit: 0x11, pdu: sample.askedPDU))
        #expect(try Request(pdu: sample.askedPDU[...]) == sample.request)
        #expect(sample.request.pdu == sample.askedPDU && sample.response.pdu == sample.answeredPDU)
    }

    @Test func aMakersOwnFunctionIsRefusedWithoutWaitingForSilence() throws {
        var decoder = ReplyDecoder(unit: 0x11, request: .other(FunctionCode(rawValue: 100), [1]))
        let refusal = RTUFrame.encode(unit: 0x11, [0xE4, 1])
        #expect(
            try decoder.receive(refusal[...])
                == .exception(FunctionCode(rawValue: 100), .illegalFunction))
    }

    static let asked = Request.read(.readHoldingRegisters, address: 0, count: 2)
    static let good = RTUFrame.encode(unit: 5, [3, 4, 0, 1, 0, 2])

    @Test(arguments: [
        (RTUFrame.encode(unit: 6, [3, 4, 0, 1, 0, 2]), FrameError.unit(received: 6, expected: 5)),
        (
            RTUFrame.encode(unit: 5, [4, 4, 0, 1, 0, 2]),
            FrameError.function(received: 4, expected: 3)
        ),
        (RTUFrame.encode(unit: 5, [0x84, 2]), FrameError.function(received: 0x84, expected: 3)),
        (RTUFrame.encode(unit: 5, [3, 2, 0, 1]), FrameError.byteCount(received: 4, expected: 6)),
    ]) func aStrangersFrameIsTakenOutAndTheAnswerBehindItIsFound(
        _ frame: [UInt8], _ error: FrameError
    ) throws {
        #expect(error.isStranger)
        var decoder = ReplyDecoder(unit: 5, request: Self.asked)
        do {
            _ = try decoder.receive((frame + Self.good)[...])
            Issue.record("accepted a stranger")
        } catch let thrown {
            #expect(thrown == error)
        }
        #expect(try decoder.receive([]) == .read(.readHoldingRegisters, [0, 1, 0, 2]))
    }

    @Test func aLengthThatNoFrameCanHaveIsRefusedAtOnce() {
        var decoder = ReplyDecoder(unit: 5, request: Self.asked)
        do {
            _ = try decoder.receive([5, 3, 255])
            Issue.record("accepted")
        } catch {
            #expect(error == .tooLong(received: 260, limit: 256))
        }
        var server = RequestDecoder()
        do {
            _ = try server.receive([5, 16, 0, 0, 0, 1, 255])
            Issue.record("accepted")
        } catch {
            #expect(error == .tooLong(received: 264, limit: 256))
        }
    }

    @Test func aBabblingLineCannotMakeADecoderGrow() {
        var random = RandomSource(seed: 7)
        var decoder = ReplyDecoder(unit: 5, request: Self.asked)
        var server = RequestDecoder()
        for _ in 0..<2000 {
            let noise = (0..<Int(random.next() % 700)).map { _ in
                UInt8(truncatingIfNeeded: random.next())
            }
            _ = try? decoder.receive(noise[...])
            _ = try? server.receive(noise[...])
            #expect(decoder.pending <= ReplyDecoder.bufferLimit)
            #expect(server.pending <= 2 * Limits.adu)
            if random.chance(0.3) { _ = try? server.silence() }
        }
    }

    @Test func onlySilenceEndsARequestOfAnUnknownFunction() throws {
        var decoder = RequestDecoder()
        let frame = RTUFrame.encode(unit: 9, [100, 1, 2, 3])
        #expect(try decoder.receive(frame[...]) == nil)
        #expect(try decoder.silence() == RequestFrame(unit: 9, pdu: [100, 1, 2, 3]))
        #expect(try decoder.silence() == nil)
    }

    @Test func afterDamageAServerHearsNothingBeforeSilence() throws {
        var decoder = RequestDecoder()
        let good = RTUFrame.encode(unit: 5, Self.asked)
        var damaged = good
        damaged[3] ^= 1
        _ = try? decoder.receive(damaged[...])
        #expect(try decoder.receive(good[...]) == nil)
        #expect(try decoder.silence() == nil)
        #expect(try decoder.receive(good[...]) == RequestFrame(unit: 5, pdu: Self.asked.pdu))
    }
}
