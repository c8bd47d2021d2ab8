import Adapter
import Base
import Bridge

/// Answers of the control socket about devices.
extension Gateway {
    /// Points whose values one answer may hold: the loop stands still meanwhile.
    private static let answerPoints = 8192

    /// `{"ts","devices":{"meter-1":{"address","status",…,"values":{"power":{"value","units","age","ts","bad"}}}}}`
    /// - Parameters:
    ///   - name: of the only device that is asked for.
    ///   - from: how many devices earlier pages held; the page ends with `"next"` unless it is the
    ///     last one.
    func values(of name: JSON?, from: JSON?, at now: Moment) throws(Control.Misuse) -> [UInt8] {
        var document = ValuesDocument(self, of: try name.map(device(named:)))
        if let from {
            guard let first = from.integer, first >= 0, name == nil else {
                throw Control.Misuse(
                    reason: "\"from\" is how many devices the pages before held, and goes without "
                        + "\"device\"")
            }
            return document.page(of: self, from: Int(clamping: first), at: now)
        }
        let points = adapter.bindings.reduce(0) { $0 + $1.points.count }
        guard name != nil || points <= Self.answerPoints else {
            throw Control.Misuse(
                reason: "the values of \(points) points are too much for one answer: name a "
                    + "\"device\", or ask page by page with \"from\": 0 and then each answer's "
                    + "\"next\"")
        }
        return document.whole(of: self, at: now)
    }

    func writeDeviceValues(_ binding: Binding, _ writer: inout JSONWriter, at now: Moment) {
        writeDevice(binding.device, binding.address, &writer)
        writer.key("values")
        writer.object { writeValues(of: binding.device, &$0, at: now) }
    }

    private func writeValues(of device: DeviceID, _ writer: inout JSONWriter, at now: Moment) {
        for value in adapter.lastValues(of: device) {
            writer.key(value.name)
            writer.object { writer in
                if let json = value.json, let at = value.at {
                    writer.key("value")
                    writer.raw(Array(json.utf8))
                    writer.member("age", max(0, (now.instant - at.instant).secondsValue))
                    writer.member("ts", at.wall)
                }
                if let registers = value.registers {
                    let words = registers.map {
                        Hex.encode([UInt8($0 >> 8), UInt8($0 & 0xFF)], separator: "")
                    }
                    writer.member("raw", words.joined(separator: " "))
                }
                if let units = value.units { writer.member("units", units) }
                if let bad = value.bad { writer.member("bad", bad.word) }
            }
        }
    }

    func deviceList(at now: Moment) -> [UInt8] {
        let troubles = Dictionary(session.quarantined.map { ($0.device, $0) }) { first, _ in first }
        return Self.document { writer in
            writer.key("devices")
            writer.object { writer in
                for binding in adapter.bindings {
                    writer.key(binding.device.text)
                    writer.object { writer in
                        writeDevice(binding.device, binding.address, &writer)
                        guard let trouble = troubles[binding.device] else { return }
                        writer.member("reason", trouble.reason)
                        if let retry = trouble.retry {
                            writer.member(
                                "retrySeconds", max(0, (retry - now.instant).secondsValue))
                        }
                    }
                }
            }
        }
    }

    /// A person says that a refused or quarantined device is worth another try.
    mutating func release(_ name: JSON, at now: Moment) throws(Control.Misuse) -> [UInt8] {
        let device = try device(named: name)
        let before = session.status(of: device)
        session.release(device, at: now)
        effects.append(
            .notice(
                Notice(
                    .info, "bridge", device.text,
                    "released by a person at this machine; it was \(before?.words ?? "unknown")")))
        return Self.document { writer in
            writer.member("ok", true)
            writer.member("device", device.text)
            writer.member("was", before?.words ?? "unknown")
        }
    }
}
