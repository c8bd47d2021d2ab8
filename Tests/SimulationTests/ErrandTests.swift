import Base
import Drivers
import Modbus
import Simulators
import Testing

/// `read` and `write`: one exchange, and what is said about it.
@Suite struct ErrandTests {
    private func run(
        _ requests: [Request], unit: UInt8 = 2, retries: Int = 0, line: LineSettings = .test(),
        _ change: (inout BusDescription) -> Void = { _ in }
    ) -> ToolRig<Errand> {
        var description = BusDescription.sample(units: 3, registers: 10)
        change(&description)
        let errand = Errand(
            line, unit: unit, requests, patience: .milliseconds(300), retries: retries)
        var rig = ToolRig(errand, on: description, line: line)
        rig.run()
        return rig
    }

    private let read = Request.read(.readHoldingRegisters, address: 4, count: 1)

    @Test func readsARegister() {
        let rig = run([read])
        #expect(rig.tool.steps[0].response == .read(.readHoldingRegisters, [0, 204]))
        #expect(rig.sent.count == 1)
    }

    @Test func writesAndReadsBack() {
        let rig = run([.writeRegister(address: 4, 77), read])
        #expect(rig.tool.steps.map(\.isGood) == [true, true])
        #expect(rig.tool.steps[1].response == .read(.readHoldingRegisters, [0, 77]))
    }

    /// What was refused is not read back as if it had been written.
    @Test func endsAtTheFirstRefusal() {
        let write = Request.writeRegister(address: 400, 77)
        let rig = run([write, read])
        #expect(rig.tool.steps[0].response == .exception(.writeSingleRegister, .illegalDataAddress))
        #expect(rig.tool.steps[1].answer == nil && rig.sent.count == 1)
        let trouble = Trouble(
            rig.tool.steps[0].answer, unit: 2, to: write, on: .test(), within: .seconds(1))
        #expect(trouble?.kind == .exception && trouble?.exception == 2)
        #expect(trouble?.message.contains("ILLEGAL DATA ADDRESS") == true)
    }

    @Test(arguments: 0...3) func asksAgainAsOftenAsItWasTold(retries: Int) {
        let rig = run([read], retries: retries) { $0.units[2]?.faults.dead = true }
        #expect(rig.tool.steps[0].answer == .silence(stray: 0))
        #expect(rig.sent.count == retries + 1)
        let trouble = Trouble(
            rig.tool.steps[0].answer, unit: 2, to: read, on: .test(), within: .milliseconds(300))
        #expect(
            trouble?.kind == .timeout && trouble?.message.contains("300 ms at 19200 8E1") == true)
    }

    @Test func aDamagedAnswerIsNoAnswer() {
        let rig = run([read]) { $0.units[2]?.faults.noise = 1 }
        guard case .damage(let error)? = rig.tool.steps[0].answer else {
            Issue.record("not damaged: \(String(describing: rig.tool.steps[0].answer))")
            return
        }
        let trouble = Trouble(.damage(error), unit: 2, to: read, on: .test(), within: .seconds(1))
        #expect(trouble?.kind == .checksum)
    }

    /// Everybody carries a broadcast out, nobody answers, and nobody is waited for.
    @Test func aBroadcastReachesEverybody() {
        let rig = run([.writeRegister(address: 4, 9)], unit: 0)
        #expect(rig.tool.steps[0].answer == .sent && rig.tool.isDone)
        for unit: UInt8 in 1...3 {
            #expect(rig.bus.value(of: unit, .holding, 4, at: rig.now.instant) == 9)
        }
    }

    @Test func stopsWhenThePersonHasHadEnough() {
        var rig = ToolRig(
            Errand(.test(), unit: 9, [read], patience: .seconds(60)),
            on: .sample(units: 1, registers: 1), line: .test())
        rig.open()
        rig.tool.stop(at: rig.now)
        #expect(rig.tool.isDone)
    }
}
