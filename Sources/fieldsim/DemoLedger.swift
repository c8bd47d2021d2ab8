import Base
import Simulators

/// Compares the records that the bridge received with the reads that the buses served.
struct DemoLedger {
    /// Records by `seq`: the same one twice is a duplicate, with another content it is an error.
    private var contents: [Int64: [UInt8]] = [:]
    private(set) var readings = 0
    private(set) var duplicates = 0
    /// Readings of a unit that did not answer.
    private(set) var unanswered = 0
    private(set) var faults: [String] = []
    /// How often each device's unit had answered, by its own count, in the readings received.
    private var counts: [ByteString: [Int64]] = [:]
    /// The results of commands by their id.
    private(set) var results: [ByteString: JSON] = [:]

    var records: Int { contents.count }

    mutating func receive(_ received: BridgeEmulator.Received) {
        guard let document = try? JSONReader.parse(received.payload),
            let seq = document["seq"]?.integer
        else {
            faults.append("\(received.topic): not a record")
            return
        }
        if let known = contents[seq] {
            duplicates += 1
            if known != received.payload {
                faults.append("seq \(seq) came twice with different content")
            }
            return
        }
        contents[seq] = received.payload
        if received.subfolder == "commands", let id = document["id"]?.string {
            results[id] = document
        }
        guard received.subfolder.isEmpty else { return }
        readings += 1
        if let count = document["values"]?["count"]?.integer {
            counts[received.device, default: []].append(count)
        } else {
            unanswered += 1
        }
    }

    /// The unit counts its own replies from 1: each must have arrived once, and in order.
    mutating func check(_ device: String, served: Int) {
        let got = counts[ByteString(device)] ?? []
        if got != (0..<served).map({ Int64($0) + 1 }) {
            faults.append(
                "\(device): it answered \(served) reads, but \(got.count) readings arrived, or not in order"
            )
        }
    }
}
