import Base
import Drivers

extension Gateway {
    /// Carries what the keeper of identities wants: questions to the line, readings to the journal,
    /// and what is to be said of a stranger to log and state.
    mutating func drainIdentities(at now: Moment) -> Bool {
        guard !identities.isEmpty else { return false }
        var any = false
        while let output = identities.next() {
            any = true
            switch output {
            case .submit(let order):
                guard let index = index(of: order.address.port) else {
                    _ = identities.receive(Outcome(id: order.id, .failure(.unknownUnit), at: now))
                    continue
                }
                ports[index].driver.submit(order, at: now)
            case .release(let reading): take(reading, at: now)
            case .changed(let address, let strange): tell(address, strange, at: now)
            case .firmware(let address):
                for device in adapter.devices(at: address) { publishState(of: device, at: now) }
            }
        }
        return any
    }

    private mutating func tell(_ address: Address, _ strange: String?, at now: Moment) {
        let words =
            strange.map { "\($0); its readings are held and nothing is written to it" }
            ?? "it is the right device again"
        effects.append(
            .notice(Notice(strange == nil ? .info : .warning, "unit", address.description, words)))
        for device in adapter.devices(at: address) {
            let state = strange == nil ? UnitState.online : .degraded
            if states.set(device, state, error: strange.map { "identity: \($0)" }, at: now) {
                publishState(of: device, at: now)
            }
        }
    }
}
