import Base
import Gateway
import Testing

/// Parts of a health record that the gateway alone cannot show: starts and the machine's figures.
@Suite struct HealthRecordTests {
    private static let boot = [UInt8](repeating: 0xA5, count: 16)
    private static let other = [UInt8](repeating: 0x5A, count: 16)

    @Test(arguments: [
        (true, true, StartCount.Reason.restart), (true, false, .boot), (false, true, .crash),
        (false, false, .power),
    ])
    func aStartSaysHowTheRunBeforeHasEnded(
        _ hasEnded: Bool, _ isSameBoot: Bool, _ reason: StartCount.Reason
    ) {
        var first = StartCount(bootID: Self.boot)
        first.restore(nil)
        #expect(first.count == 1 && first.reason == .first)
        var second = StartCount(bootID: isSameBoot ? Self.boot : Self.other)
        second.restore(first.document(hasEnded: hasEnded))
        #expect(second.count == 2 && second.reason == reason)
    }

    @Test(arguments: [
        "", "[]", "{}", #"{"starts":0}"#, #"{"starts":-4}"#, #"{"starts":"7"}"#,
    ])
    func aDocumentThatIsNoneIsNoEarlierRun(_ text: String) {
        var starts = StartCount(bootID: Self.boot)
        starts.restore(Array(text.utf8))
        #expect(starts.count == 1 && starts.reason == .first)
    }

    @Test func theKernelsTextsAreFigures() {
        var figures = MachineFigures()
        figures.take(loadavg: "0.52 0.58 0.59 1/389 12345")
        figures.take(
            meminfo: "MemTotal:         949444 kB\nMemFree: 1 kB\nMemAvailable:     602628 kB\n")
        figures.take(status: "Name:\tfieldgw\nVmPeak:\t   12000 kB\nVmRSS:\t    9012 kB\n")
        figures.take(temperatures: ["48312", "51001", "-274000", "x"])
        figures.take(disk: 1000, free: 10)
        #expect(figures.load == [0.52, 0.58, 0.59])
        #expect(figures.memory == 949_444 << 10 && figures.memoryAvailable == 602_628 << 10)
        #expect(figures.resident == 9012 << 10 && figures.temperature == 51.001)
        #expect(figures.disk == 1000 && figures.diskFree == 10)
    }

    @Test func textsThatAreNoneAreNoFigures() {
        var figures = MachineFigures()
        for text in ["", "\n\n", "nan inf 1", "MemTotal: 99999999999999999999 kB", "VmRSS: kB"] {
            figures.take(loadavg: text)
            figures.take(meminfo: text)
            figures.take(status: text)
            figures.take(temperatures: [text])
        }
        #expect(figures == MachineFigures())
    }

    @Test func theIntervalIsAKey() {
        let (configuration, told) = Samples.read(
            DoorWorld.text(nil, DoorWorld.oneNode, "health: { every: \"5m\", units: true },"))
        #expect(told.map(\.description) == [])
        #expect(configuration?.health.every == .seconds(300) && configuration?.health.units == true)
        let (_, wrong) = Samples.read(
            DoorWorld.text(nil, DoorWorld.oneNode, "health: { every: \"5s\", unit: true },"))
        #expect(wrong.count == 2, "\(wrong)")
    }
}
