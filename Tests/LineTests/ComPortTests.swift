import Base
import Line
import Testing

/// RFC 2217 from the client's side, against a server in the test.
@Suite struct ComPortTests {
    private static let settings = LineSettings(
        device: .network(NetworkAddress(.rfc2217, host: "h", port: 2217)), baud: 19_200,
        parity: .even)
    private static let agrees: [UInt8] = [255, 253, 44, 255, 251, 0, 255, 253, 0]

    private static func answer(_ command: UInt8, _ value: [UInt8]) -> [UInt8] {
        [255, 250, 44, command + 100] + value + [255, 240]
    }

    /// Speed 19200, eight data bits, even parity, one stop bit.
    private static let confirms =
        answer(1, [0, 0, 0x4B, 0]) + answer(2, [8]) + answer(3, [3]) + answer(4, [1])

    private static func isPart(_ part: [UInt8], of whole: [UInt8]) -> Bool {
        whole.indices.contains { whole[$0...].starts(with: part) }
    }

    private func data(_ client: inout ComPortClient, _ bytes: [UInt8]) -> [UInt8] {
        client.receive(bytes[...])
    }

    private func replies(_ client: inout ComPortClient) -> [UInt8] { client.takeReply() }

    private func errors(_ client: inout ComPortClient) -> LineErrors? { client.takeErrors() }

    @Test func theLineIsSetOnceTheServerAgrees() {
        var client = ComPortClient(Self.settings)
        #expect(Self.isPart([255, 251, 44], of: replies(&client)))
        #expect(data(&client, Self.agrees) == [] && client.progress == .setting)
        let asked = client.takeReply()
        #expect(Self.isPart([255, 250, 44, 1, 0, 0, 0x4B, 0, 255, 240], of: asked))
        for setting: [UInt8] in [[2, 8], [3, 3], [4, 1], [5, 1]] {
            #expect(Self.isPart([255, 250, 44] + setting + [255, 240], of: asked))
        }
        _ = client.receive(Self.confirms.dropLast()[...])
        #expect(client.progress == .setting)
        _ = client.receive([240])
        #expect(client.progress == .ready && client.isBetweenCommands)
        #expect(replies(&client) == [])
    }

    @Test func everySplitGivesTheSame() {
        let wire = Self.agrees + Self.confirms + [1, 255, 255, 2]
        for place in 0...wire.count {
            var client = ComPortClient(Self.settings)
            let data = client.receive(wire[..<place]) + client.receive(wire[place...])
            #expect(data == [1, 255, 2] && client.progress == .ready)
        }
    }

    @Test(arguments: [
        (answer(1, [0, 0, 0x25, 0x80]), "set its speed to 9600"),
        (answer(3, [1]), "set its parity to 1"),
    ])
    func anotherSettingThanWasAskedForIsTold(_ answer: [UInt8], _ words: String) {
        var client = ComPortClient(Self.settings)
        _ = client.receive(Self.agrees[...])
        _ = client.receive(answer[...])
        guard case .refused(let why) = client.progress else {
            Issue.record("it is \(client.progress)")
            return
        }
        #expect(why.contains("cannot do 19200 8E1") && why.contains(words))
    }

    @Test func aServerWithoutTheOptionIsTold() {
        var client = ComPortClient(Self.settings)
        _ = client.receive([255, 254, 44])
        guard case .refused(let why) = client.progress else {
            Issue.record("it is \(client.progress)")
            return
        }
        #expect(why.contains("does not know RFC 2217"))
    }

    @Test func otherOptionsAreRefusedOnce() {
        var client = ComPortClient(agreed: Self.settings)
        _ = client.receive([255, 251, 1, 255, 253, 24, 255, 251, 1, 255, 251, 3])
        #expect(replies(&client) == [255, 254, 1, 255, 252, 24])
        _ = client.receive([255, 251, 1])
        #expect(replies(&client) == [])
    }

    @Test func errorsOfTheLineAreCounted() {
        var client = ComPortClient(agreed: Self.settings)
        #expect(errors(&client) == nil)
        _ = client.receive([255, 250, 44, 106, 0x08, 255, 240, 255, 250, 44, 106, 0x06, 255, 240])
        #expect(errors(&client) == LineErrors(framing: 1, parity: 1, overruns: 1))
        #expect(errors(&client) == nil)
    }

    @Test func aCommandWithoutAnEndStaysSmallAndTheDataBehindItIsThere() {
        var client = ComPortClient(agreed: Self.settings)
        _ = client.receive([255, 250, 44])
        for _ in 0..<10_000 { #expect(data(&client, [7]) == []) }
        #expect(!client.isBetweenCommands)
        #expect(data(&client, [255, 240, 9]) == [9])
    }

    @Test func aCarrierEscapesDataAndPurgesBeforeARequest() {
        var carrier = LineCarrier(Self.settings)
        carrier.carryOut(.discardInput, at: .zero)
        carrier.carryOut(.transmit([1, 255, 3]), at: .zero)
        #expect(carrier.unsent == [255, 250, 44, 12, 1, 255, 240, 1, 255, 255, 3])
    }

    @Test func rtsIsSwitchedAroundAFrame() {
        var settings = Self.settings
        settings.rs485 = LineSettings.RS485(rts: .software)
        var carrier = LineCarrier(settings)
        carrier.carryOut(.transmit([1, 2]), at: .zero)
        #expect(carrier.unsent == [255, 250, 44, 5, 11, 255, 240, 1, 2])
        carrier.wrote(carrier.unsent.count, at: .zero)
        let due = carrier.wait.due ?? .zero
        #expect(due > .zero)
        while let action = carrier.next() {
            if action == .askSent { carrier.hasSent(nil, at: due) }
        }
        carrier.timeout(at: due)
        while let action = carrier.next() {
            if action == .askSent { carrier.hasSent(nil, at: due) }
        }
        #expect(carrier.unsent == [255, 250, 44, 5, 12, 255, 240])
    }
}
