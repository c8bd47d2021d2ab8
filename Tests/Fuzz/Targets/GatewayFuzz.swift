import Base
import Bridge
import FuzzKit
import Gateway

/// The whole composed gateway: line, link, control socket, disk and time as the input says, power
/// cuts included.
package enum GatewayFuzz: FuzzTarget {
    package static let budget = Duration.seconds(2)

    private static let codes = GatewayError.Code.allCases.map(\.rawValue)
    private static let requests = ControlFuzz.requests
    private static let adapter = SerialPortEntry(
        path: "/dev/ttyUSB9", identity: PortIdentity(serial: "x"))
    private static let others = [
        GatewayRig.settings(GatewayRig.plain, spool: "maxBytes: \"2MiB\""),
        GatewayRig.settings(GatewayRig.plain + ", tls: false"),
        GatewayRig.settings(GatewayRig.cloud),
    ]

    package static func run(_ input: [UInt8]) {
        var choices = Choices(input)
        var rig = choices.pick(GatewayRig.ready)
        while !choices.isAtEnd, !rig.isFinished { step(&rig, &choices) }
        rig.moods = GatewayRig.Moods()
        rig.finishDisk()
        rig.wait(.seconds(2))
        rig.receive(.terminate)
        rig.finishDisk()
        rig.wait(.seconds(30))
        demand(rig.isFinished, "the gateway does not end")
        rig.restart(powerCut: false)
        rig.wait(.seconds(5))
    }

    private static func step(_ rig: inout GatewayRig, _ choices: inout Choices) {
        switch choices.byte() & 31 {
        case 0...2: rig.moods.line += choices.bytes(1 + choices.below(8))
        case 3, 4: rig.moods.link += choices.bytes(1 + choices.below(8))
        case 5: rig.moods.disk += choices.bytes(1 + choices.below(4))
        case 6: rig.finishDisk()
        case 7: rig.cut()
        case 8: rig.unplug(choices.pick([GatewayRig.modbus, GatewayRig.scale]))
        case 9: rig.receive(.portsAdded)
        case 10: rig.say(choices.block(), on: choices.pick([GatewayRig.modbus, GatewayRig.scale]))
        case 11: rig.ask(Array(choices.pick(requests).utf8), mayWrite: choices.bool())
        case 12: rig.ask(choices.block(), mayWrite: choices.bool())
        case 13:
            rig.deliver(
                topic(&choices), Array(choices.pick(DocumentsFuzz.documents).utf8),
                id: 1 + choices.short() & 7)
        case 14:
            rig.deliver(
                topic(&choices), choices.block(), id: choices.bool() ? 1 + choices.short() & 7 : nil
            )
        case 15: rig.report(choices.pick(codes), about: choices.pick(GatewayRig.devices))
        case 16: rig.hear(choices.block())
        case 17: rig.setClock(back: choices.bool())
        case 18:
            rig.receive(.clock(ClockFacts(synchronised: choices.bool(), hasRTC: choices.bool())))
        case 19: rig.restart(powerCut: choices.bool())
        case 20:
            rig.receive(.reload(choices.pick(others), needRestart: choices.bool() ? ["state"] : []))
        case 21: rig.receive(.unclaimedPorts(choices.bool() ? [adapter] : []))
        case 22: rig.receive(.scanned(adapter, .success(choices.block())))
        case 23:
            rig.receive(.line(GatewayRig.modbus, .errors(LineErrors(framing: choices.below(9)))))
        case 24: rig.disk.capacity = choices.bool() ? 1 << 40 : rig.disk.used
        case 25: if choices.byte() & 15 == 0 { rig.receive(.terminate) }
        case 26: rig.wait(.seconds(choices.below(30)))
        case 27, 28: rig.visitDoor(&choices)
        case 29: rig.visitLine(&choices)
        default: rig.wait(.milliseconds(10 * Int64(choices.byte())))
        }
    }

    private static func topic(_ choices: inout Choices) -> String {
        "/devices/\(choices.pick(GatewayRig.devices))/\(choices.bool() ? "config" : "commands")"
    }
}
