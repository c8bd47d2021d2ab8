import Base
import Drivers
import Modbus

/// Recognises found units by the fingerprints in profiles.
package struct ProfileMatcher: Sendable {
    private let profiles: [(name: String, identify: [Fingerprint])]

    /// Profiles without a fingerprint, or for another driver, are left out.
    package init(_ profiles: [(name: String, profile: Profile)]) {
        self.profiles = profiles.filter {
            $0.profile.driver == .modbusRTU && !$0.profile.identify.isEmpty
        }
        .map { ($0.name, $0.profile.identify) }
    }

    /// Reads of a unit by which every profile can be judged, each once.
    package var reads: [Request] {
        var reads: [Request] = []
        for request in profiles.flatMap(\.identify).compactMap({ $0.span.flatMap(Self.request) })
        where !reads.contains(request) { reads.append(request) }
        return reads
    }

    /// The profiles that fit, the one with most to fit first.
    package func matches(_ unit: Finding) -> [String] {
        profiles.filter { profile in profile.identify.allSatisfy { fits(unit, $0) } }
            .sorted { ($1.identify.count, $0.name) < ($0.identify.count, $1.name) }.map(\.name)
    }

    private func fits(_ unit: Finding, _ fingerprint: Fingerprint) -> Bool {
        switch fingerprint {
        case .value:
            guard let span = fingerprint.span, let request = Self.request(span),
                let bytes = unit.reads[request]
            else { return false }
            let now = Moment(.zero, WallTime(milliseconds: 0))
            return fingerprint.accepts(
                ReadPart(span.table, span.address, span.count, .success(bytes), at: now))
        case .identification:
            return fingerprint.accepts(
                vendor: unit.identity.vendor ?? "", product: unit.identity.product ?? "")
        case .serverID: return fingerprint.accepts(serverID: unit.identity.serverBytes)
        }
    }

    private static func request(_ span: Span) -> Request? {
        guard let function = FunctionCode.reading(span.table),
            let address = UInt16(exactly: span.address),
            let count = UInt16(exactly: span.count)
        else { return nil }
        return .read(function, address: address, count: count)
    }
}
