import Base
import FuzzKit

/// Lines on the control socket of a gateway that polls: every request is answered once, in one line
/// of JSON. The first byte says who asks; the rest is lines.
package enum ControlFuzz: FuzzTarget {
    package static let budget = Duration.milliseconds(500)

    static let requests = [
        #"{"get":"status"}"#, #"{"get":"values"}"#, #"{"get":"values","device":"meter-1"}"#,
        #"{"get":"spool"}"#,
        #"{"get":"pcap","port":"bus"}"#, #"{"pause":{"port":"bus","for":"5s"}}"#,
        #"{"resume":{"port":"bus"}}"#,
        #"{"device":{"list":true}}"#, #"{"release":"meter-1"}"#,
        #"{"read":{"port":"bus","unit":1,"table":"holding","address":0,"count":3}}"#,
        #"{"read":{"port":"bus","unit":9,"table":"coil","address":65535}}"#,
        #"{"write":{"port":"bus","unit":1,"table":"holding","address":0,"values":[1,2]}}"#,
        #"{"write":{"port":"scale","unit":1,"table":"coil","address":0,"values":[true],"multiple":true}}"#,
        #"{"pause":"scale"}"#,
    ]

    package static func run(_ input: [UInt8]) {
        guard let flags = input.first else { return }
        var rig = GatewayRig.ready[Int(flags >> 1) % GatewayRig.ready.count]
        for line in input.dropFirst().split(
            separator: 10, maxSplits: 15, omittingEmptySubsequences: false)
        {
            rig.ask(Array(line), mayWrite: flags & 1 == 1)
            rig.wait(.milliseconds(20))
        }
        rig.endQuestions()
    }
}
