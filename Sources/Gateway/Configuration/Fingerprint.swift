import Adapter
import Base

/// How a unit that was found on a line is recognised as the device of a profile.
package enum Fingerprint: Hashable, Sendable {
    /// One value to be read, and what it must be.
    case value(Point, ValueTest)
    /// Parts of the names that function 43/14 tells, in any case.
    case identification(vendor: String?, product: String?)
    /// Bytes that the answer to function 17 holds.
    case serverID([UInt8])

    package enum ValueTest: Hashable, Sendable {
        case oneOf([Double])
        case between(Double, Double)
        /// Of a string: holds one of these, in any case.
        case holds([String])
    }

    /// Span to read for `.value`; nil for the others. The interval has no meaning.
    package var span: Span? { if case .value(let point, _) = self { point.span } else { nil } }

    /// Whether what was read for `span` is what the profile expects.
    package func accepts(_ part: ReadPart) -> Bool {
        guard case .value(let point, let test) = self, case .success = part.result,
            let device = try? DeviceID("fingerprint"), let unit = UnitID(1)
        else { return false }
        let address = Address(port: PortName("fingerprint"), unit: unit)
        let adapter = Adapter([Binding(device: device, address: address, points: [point])])
        guard case .success(let text) = adapter.decode(part, of: device, point: point.name),
            let json = try? JSONReader.parse(text)
        else { return false }
        switch test {
        case .oneOf(let values): return json.double.map { values.contains($0) } ?? false
        case .between(let low, let high):
            return json.double.map { low <= $0 && $0 <= high } ?? false
        case .holds(let words):
            return json.string.map { text in words.contains { Self.holds(text.string, $0) } }
                ?? false
        }
    }

    /// Whether a unit that tells these names is the device.
    package func accepts(vendor: String, product: String) -> Bool {
        guard case .identification(let wantedVendor, let wantedProduct) = self else { return false }
        return (wantedVendor.map { Self.holds(vendor, $0) } ?? true)
            && (wantedProduct.map { Self.holds(product, $0) } ?? true)
    }

    package func accepts(serverID bytes: [UInt8]) -> Bool {
        guard case .serverID(let wanted) = self, !wanted.isEmpty else { return false }
        return bytes.indices.contains { bytes[$0...].starts(with: wanted) }
    }

    private static func holds(_ text: String, _ part: String) -> Bool {
        let (text, part) = (Array(text.lowercased().utf8), Array(part.lowercased().utf8))
        return part.isEmpty || text.indices.contains { text[$0...].starts(with: part) }
    }
}

/// Content of a profile for tools that look for devices. The rest, which says how its points are
/// read, is in the nodes that use the profile.
package struct Profile: Hashable, Sendable {
    /// From the file: the device in words, and the manual its facts are from.
    package var title: String?
    package var manual: String?
    package var driver: Configuration.Port.Driver
    /// All of them must be so; empty if nothing tells the device.
    package var identify: [Fingerprint]
    package var parameters: [ProfileParameter] = []
}
