import Adapter
import Base
import Spool

/// Orders on their way to the ports, and what is told about them.
extension Gateway {
    mutating func drainCommands(at now: Moment) -> Bool {
        var any = false
        while let output = commands.next() {
            any = true
            switch output {
            case .submit(let order):
                guard let index = index(of: order.address.port) else { continue }
                guard identities.mayWrite(order.address) else {
                    receive(Outcome(id: order.id, .failure(.read(.identity)), at: now))
                    continue
                }
                ports[index].driver.submit(order, at: now)
            case .result(let device, let body):
                keepCommands(at: now)
                commandStore.hold(.result(device, body: body, at: now))
            case .answer(let ticket, .success):
                effects.append(.answer(ticket, Self.document { $0.member("ok", true) }))
            case .answer(let ticket, .failure(let refusal)):
                effects.append(.answer(ticket, Control.error(refusal)))
            case .safe(let device, let point, let isWritten):
                safe.finished(device, point, isWritten: isWritten, at: now.instant)
            case .notice(let notice): effects.append(.notice(notice))
            }
        }
        return drainCommandStore(at: now) || any
    }

    mutating func receive(_ outcome: Outcome) {
        if !commands.receive(outcome, adapter: &adapter), !identities.receive(outcome) {
            answerRead(outcome)
        }
    }

    mutating func appendResult(_ device: DeviceID, _ body: [UInt8], known: Moment, at now: Moment) {
        guard let subfolder = settings.topics.commands else { return }
        append(
            Entry(
                device: device, subfolder: subfolder, kind: .result, priority: true, body: body,
                at: known,
                clockTrusted: session.clockLevel == .trusted),
            waitingSince: known.instant, at: now)
    }

    /// The bridge has been away for long: what is due is set to where it does no harm.
    mutating func writeSafeValues(at now: Moment) {
        for item in safe.take(at: now.instant) {
            let id = commands.takeIDs(1)
            let name: ByteString = "safe-\(now.wall.milliseconds)-\(id)"
            do {
                let order = try adapter.order(
                    setting: item.point, of: item.device, to: item.value, id: id,
                    expires: now.instant + Command.expiryDefault)
                commands.run(
                    CommandDesk.Open(
                        device: item.device, id: name, origin: .safe, isQuiet: item.isQuiet,
                        orders: [WriteStep(order, [item.point])]))
            } catch {
                if !item.isQuiet {
                    commands.report(item.device, name, .safe, values: [], error: error.message)
                }
                safe.finished(item.device, item.point, isWritten: false, at: now.instant)
            }
        }
    }

    /// One step of the setup of a unit that has come; the last one makes a result for each device.
    mutating func noteSetup(_ address: Address, _ index: Int, _ outcome: Outcome) {
        guard let step = setups.step(address, index) else { return }
        let verdict = CommandDesk.judge(
            outcome, step.order, of: step.device, point: step.label, adapter: adapter)
        for report in setups.note(
            address, index, json: verdict.json, error: verdict.refusal?.message)
        {
            let id: ByteString = "setup-\(outcome.at.wall.milliseconds)-\(commands.takeIDs(1))"
            commands.report(
                report.device, id, .setup, values: report.values,
                error: report.errors.isEmpty ? nil : report.errors.joined(separator: "; "))
        }
    }

    /// A unit has failed: what its line said before may tell why.
    mutating func keepCapture(of unit: Address, at now: Moment) {
        guard let index = index(of: unit.port), ports[index].state == .open,
            let request = captures.save(unit, ports[index].tape, at: now.instant)
        else { return }
        effects.append(.disk(request))
    }
}
