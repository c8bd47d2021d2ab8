import Base
import FuzzKit

/// Config documents and commands from the bridge, line by line: a byte for whom and what, then the
/// payload. A command that comes again is answered with the same words, and what is refused leaves
/// the gateway polling.
package enum DocumentsFuzz: FuzzTarget {
    package static let budget = Duration.milliseconds(500)

    static let documents = [
        "", "{}", #"{"every":"10s"}"#, #"{"enabled":false}"#, #"{"points":{"b":{"every":"5s"}}}"#,
        #"{"points":{"a":{"enabled":false}}}"#, #"{"logLevel":"warning"}"#,
        #"{"nodes":{"meter-1":{"every":"30s"}}}"#,
        #"{"id":"c-1","write":{"set":42}}"#,
        #"{"id":"c-2","write":{"set":1.5,"go":true},"expires":"10s"}"#,
        #"{"id":"c-3","write":{"c":true}}"#, #"{"id":"c-4","write":{"out":7}}"#,
        #"{"id":"c-1","write":{"set":1}}"#,
        #"{"id":"","write":{}}"#, #"{"write":{"set":1}}"#,
    ]

    package static func run(_ input: [UInt8]) {
        guard let first = input.first else { return }
        var rig = GatewayRig.ready[Int(first) % GatewayRig.ready.count]
        var id: UInt16 = 0
        for line in input.dropFirst().split(
            separator: 10, maxSplits: 15, omittingEmptySubsequences: false)
        {
            guard let kind = line.first else { continue }
            id += 1
            let device = GatewayRig.devices[Int(kind >> 1) % GatewayRig.devices.count]
            let topic = "/devices/\(device)/\(kind & 1 == 0 ? "config" : "commands")"
            rig.deliver(topic, Array(line.dropFirst()), id: kind & 0x40 == 0 ? id : nil)
            rig.wait(.milliseconds(50))
        }
        rig.wait(.seconds(40))
        let before = rig.published
        rig.deliver("/devices/gw-7/config", [], id: 99)
        for device in GatewayRig.devices.dropFirst() {
            rig.deliver("/devices/\(device)/config", [], id: 98)
        }
        rig.wait(.seconds(15))
        demand(rig.published > before, "the gateway does not poll any more")
    }
}
