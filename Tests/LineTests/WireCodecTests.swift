import Base
import Line
import Modbus
import TestKit
import Testing

/// A line whose frames have another form on the wire than the driver's.
@Suite struct WireCodecTests {
    private static let address = NetworkAddress(.tcp, host: "10.0.0.5", port: 502)
    private static let request = RTUFrame.encode(
        unit: 17, .read(.readHoldingRegisters, address: 0, count: 1))
    private static let reply = RTUFrame.encode(unit: 17, [3, 2, 0x12, 0x34])

    private static func line(_ framing: LineSettings.Framing) -> CarriedLine {
        CarriedLine(LineSettings(device: .network(address), baud: 0, framing: framing))
    }

    private func drain(_ line: inout CarriedLine) -> (sent: [UInt8], received: [UInt8]) {
        var (sent, received): ([UInt8], [UInt8]) = ([], [])
        while let output = line.next(at: .zero) {
            switch output {
            case .sent(let bytes): sent += bytes
            case .report(.received(let bytes)): received += bytes
            case .report: break
            }
        }
        return (sent, received)
    }

    private func mbap(_ transaction: UInt16, _ unit: UInt8, _ pdu: [UInt8]) -> [UInt8] {
        MBAPFrame(transaction: transaction, unit: unit, pdu: pdu).bytes
    }

    @Test func aRequestGetsAHeaderAndItsReplyLosesIt() {
        var line = Self.line(.mbap)
        line.carryOut(.transmit(Self.request), at: .zero)
        #expect(drain(&line).sent == [0, 1, 0, 0, 0, 6, 17, 3, 0, 0, 0, 1])
        line.arrive(mbap(1, 17, [3, 2, 0x12, 0x34]))
        #expect(drain(&line).received == Self.reply)
    }

    @Test func aReplyIsCutByItsLengthHoweverItArrives() {
        let wire = mbap(1, 17, [3, 2, 0x12, 0x34])
        for place in 1..<wire.count {
            var line = Self.line(.mbap)
            line.carryOut(.transmit(Self.request), at: .zero)
            _ = drain(&line)
            line.arrive(Array(wire[..<place]))
            var received = drain(&line).received
            line.arrive(Array(wire[place...]))
            received += drain(&line).received
            #expect(received == Self.reply)
        }
    }

    /// A converter that answers after the request was given up: its reply has the id of that one.
    @Test func aLateReplyIsNoAnswerToTheNextRequest() {
        var line = Self.line(.mbap)
        line.carryOut(.transmit(Self.request), at: .zero)
        line.carryOut(.transmit(Self.request), at: .zero)
        _ = drain(&line)
        line.arrive(mbap(1, 17, [3, 2, 0, 1]))
        #expect(drain(&line).received == [])
        line.arrive(mbap(1, 17, [3, 2, 0, 1]) + mbap(2, 17, [3, 2, 0x12, 0x34]))
        #expect(drain(&line).received == Self.reply)
        line.arrive(mbap(2, 17, [3, 2, 0, 9]))
        #expect(drain(&line).received == [], "one request has one reply")
    }

    /// pymodbus answers 80 0B for a unit that it does not have. It was no answer to function 3, and
    /// the unit's points were bad with the word "format" after the whole response timeout.
    @Test func anExceptionWithoutAFunctionIsThatOfItsRequest() {
        var line = Self.line(.mbap)
        line.carryOut(.transmit(Self.request), at: .zero)
        _ = drain(&line)
        line.arrive(mbap(1, 17, [0x80, 0x0B]))
        #expect(drain(&line).received == RTUFrame.encode(unit: 17, [0x83, 0x0B]))
    }

    @Test func aHeaderOfAnotherProtocolEndsTheLine() {
        var line = Self.line(.mbap)
        line.carryOut(.transmit(Self.request), at: .zero)
        _ = drain(&line)
        line.arrive(Array("HTTP/1.1 400 Bad Request\r\n".utf8))
        var failure: LineFailure?
        while let output = line.next(at: .zero) {
            if case .report(.lost(let told)) = output { failure = told }
        }
        #expect(failure?.message.contains("does not speak Modbus TCP") == true)
    }

    @Test func asciiIsWrittenAndReadAsDigits() {
        var line = Self.line(.ascii)
        line.carryOut(.transmit(Self.request), at: .zero)
        #expect(String(decoding: drain(&line).sent, as: UTF8.self) == ":110300000001EB\r\n")
        line.arrive(ASCIIFrame.encode(unit: 17, [3, 2, 0x12, 0x34]))
        #expect(drain(&line).received == Self.reply)
    }

    // MARK: connections that end

    private func next(_ carrier: inout LineCarrier) -> LineCarrier.Action? { carrier.next() }

    private func isMadeAgain(_ carrier: inout LineCarrier) -> Bool { carrier.connectionEnded() }

    @Test func aConnectionThatWasUsedIsMadeAgainWithTheReadUnderWay() {
        var carrier = LineCarrier(LineSettings(device: .network(Self.address), framing: .mbap))
        carrier.carryOut(.transmit(Self.request), at: .zero)
        carrier.wrote(carrier.unsent.count, at: .zero)
        carrier.received(mbap(1, 17, [3, 2, 0, 0])[...], at: .zero)
        carrier.carryOut(.transmit(Self.request), at: .zero)
        let wire = carrier.unsent
        carrier.wrote(wire.count, at: .zero)
        while carrier.next() != nil {}
        #expect(isMadeAgain(&carrier))
        #expect(next(&carrier) == .renew && next(&carrier) == nil)
        // Nothing is written before there is a connection.
        carrier.becameWritable()
        #expect(next(&carrier) == nil && carrier.unsent == wire)
        carrier.renewed()
        #expect(next(&carrier) == .write)
        carrier.wrote(wire.count, at: .zero)
        // This one has brought nothing.
        #expect(!isMadeAgain(&carrier))
    }

    /// A write may have been carried out before the connection ended.
    @Test func aWriteIsNotSentTwiceByTheLine() {
        var carrier = LineCarrier(LineSettings(device: .network(Self.address)))
        carrier.carryOut(.transmit(Self.request), at: .zero)
        carrier.received(Self.reply[...], at: .zero)
        carrier.carryOut(
            .transmit(RTUFrame.encode(unit: 17, .writeRegister(address: 0, 1))), at: .zero)
        #expect(!isMadeAgain(&carrier))
    }

    /// Function 8 follows a unit's first reply. A converter that had closed behind that reply lost
    /// the line over it, again after each opening, and all readings were bad with "port".
    @Test func aProofOfOrderIsSentAgain() {
        for (function, isRepeated) in [
            (DiagnosticFunction.returnQueryData, true),
            (.clearCounters, false),
        ] {
            var carrier = LineCarrier(LineSettings(device: .network(Self.address)))
            carrier.carryOut(.transmit(Self.request), at: .zero)
            carrier.received(Self.reply[...], at: .zero)
            let probe = RTUFrame.encode(unit: 17, .diagnose(function, 0))
            carrier.carryOut(.transmit(probe), at: .zero)
            #expect(isMadeAgain(&carrier) == isRepeated)
            if isRepeated { #expect(carrier.unsent == probe) }
        }
    }

    /// Requests that were given up piled up and went out together on the next connection.
    @Test func onlyTheLatestRequestIsSentAgain() {
        var carrier = LineCarrier(LineSettings(device: .network(Self.address)))
        carrier.carryOut(.transmit(Self.request), at: .zero)
        carrier.received(Self.reply[...], at: .zero)
        carrier.carryOut(.transmit(Self.request), at: .zero)
        let other = RTUFrame.encode(unit: 18, .read(.readHoldingRegisters, address: 0, count: 1))
        carrier.carryOut(.transmit(other), at: .zero)
        #expect(isMadeAgain(&carrier) && carrier.unsent == other)
    }

    /// A converter that closes after each reply gets a connection for each request.
    @Test func aHabitOfClosingIsLearned() {
        var carrier = LineCarrier(LineSettings(device: .network(Self.address)))
        for turn in 0..<6 {
            while carrier.next() != nil {}
            carrier.carryOut(.transmit(Self.request), at: .zero)
            var renewals = 0
            while let action = carrier.next() { if action == .renew { renewals += 1 } }
            if turn < 3 {
                #expect(renewals == 0)
            } else if renewals == 1 {
                carrier.renewed()
            }
            carrier.wrote(carrier.unsent.count, at: .zero)
            carrier.received(Self.reply[...], at: .zero)
            guard turn < 3 else {
                #expect(turn == 3 || renewals == 1)
                continue
            }
            #expect(isMadeAgain(&carrier))
            carrier.renewed()
        }
    }

    @Test func aSerialLineThatHangsUpIsLost() {
        var carrier = LineCarrier(LineSettings(device: .path("/dev/a")))
        carrier.received(Self.reply[...], at: .zero)
        #expect(!isMadeAgain(&carrier))
    }

    // MARK: times

    @Test func silencesAreThoseOfALineWhoseSpeedIsKnown() {
        func timing(
            _ scheme: NetworkAddress.Scheme, _ baud: Int, _ framing: LineSettings.Framing
        )
            -> RTUTiming
        {
            RTUTiming(
                LineSettings(
                    device: .network(NetworkAddress(scheme, host: "h", port: 1)), baud: baud,
                    framing: framing))
        }
        let serial = RTUTiming(LineSettings(device: .path("/dev/a"), baud: 9600))
        #expect(timing(.tcp, 0, .plain).silence == .zero)
        #expect(timing(.tcp, 0, .plain).time(of: 256) == .zero)
        #expect(timing(.tcp, 9600, .plain).silence == serial.silence)
        #expect(timing(.rfc2217, 9600, .plain).silence == serial.silence)
        #expect(timing(.tcp, 9600, .mbap).silence == .zero)
        #expect(timing(.tcp, 9600, .mbap).time(of: 10) == serial.time(of: 10))
        let ascii = RTUTiming(
            LineSettings(
                device: .path("/dev/a"), baud: 9600, parity: .even, dataBits: 7, framing: .ascii))
        #expect(ascii.time(of: 10) == serial.time(of: 20))
        #expect(serial.patience == .milliseconds(50) && ascii.patience == .seconds(1))
        #expect(timing(.tcp, 0, .plain).patience == .seconds(2))
    }
}
