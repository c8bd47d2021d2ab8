import Adapter
import Base

/// Setup steps that units get when they come, and their results. The results are kept step by step
/// until they can be reported for each device as a whole.
struct SetupBook: Sendable {
    struct Step: Hashable, Sendable {
        var device: DeviceID
        var label: ByteString
        var order: Order
    }

    struct Report: Sendable {
        var device: DeviceID
        var values: [(point: ByteString, json: [UInt8])] = []
        var errors: [String] = []
    }

    private var steps: [Address: [Step]]
    private var reports: [Address: [Report]] = [:]
    private(set) var errors: [DeviceID: String] = [:]
    private(set) var done = 0
    private(set) var failed = 0

    init(_ bindings: [Binding]) { steps = Self.steps(bindings) }

    /// Other steps; the reports of units whose steps stay go on.
    mutating func rebind(_ bindings: [Binding]) {
        let old = steps
        steps = Self.steps(bindings)
        reports = reports.filter { old[$0.key] == steps[$0.key] }
        let devices = Set(bindings.map(\.device))
        errors = errors.filter { devices.contains($0.key) }
    }

    private static func steps(_ bindings: [Binding]) -> [Address: [Step]] {
        var steps: [Address: [Step]] = [:]
        for binding in bindings {
            steps[binding.address, default: []] += binding.setup.map {
                Step(device: binding.device, label: $0.label, order: $0.order)
            }
        }
        return steps
    }

    func step(_ address: Address, _ index: Int) -> Step? {
        guard let all = steps[address], all.indices.contains(index) else { return nil }
        return all[index]
    }

    /// Notes the result of one step; the devices' reports when it was the last.
    mutating func note(
        _ address: Address, _ index: Int, json: [UInt8]?, error: String?
    ) -> [Report] {
        guard let step = step(address, index), let all = steps[address] else { return [] }
        if index == 0 {
            reports[address] = []
            for step in all { errors[step.device] = nil }
        }
        var open = reports[address] ?? []
        if open.last?.device != step.device { open.append(Report(device: step.device)) }
        if let json { open[open.count - 1].values.append((step.label, json)) }
        if let error {
            open[open.count - 1].errors.append(error)
            if errors[step.device] == nil { errors[step.device] = "setup: " + error }
            failed += 1
        } else {
            done += 1
        }
        guard index == all.count - 1 else {
            reports[address] = open
            return []
        }
        reports[address] = nil
        return open
    }
}
