import Base

/// Carries out what an operator or a script says.
extension BridgeCloud {
    package mutating func obey(_ order: BridgeOrder, at now: Moment) throws(BridgeOrder.Misuse) {
        switch order.deed {
        case .config(let device, let text):
            let isTaken = try onDevice(device) { $0.setConfig(device, Array(text.utf8), at: now) }
            guard isTaken else { throw .init(message: "more than \(switches.configMax) bytes") }
        case .command(let device, let subfolder, let text):
            let fate = try onDevice(device) {
                $0.command(device, subfolder: subfolder, Array(text.utf8), at: now)
            }
            guard case .sent = fate else {
                throw .init(message: "\(device): \(fate); a command is not stored")
            }
        case .detach(let device):
            guard try onDevice(device, { $0.detach(device, at: now) }) else {
                throw .init(message: "\(device) is not attached")
            }
        case .block(let device): try onDevice(device) { $0.setBlocked(device, true, at: now) }
        case .unblock(let device): try onDevice(device) { $0.setBlocked(device, false, at: now) }
        case .delete(let device): try onDevice(device) { $0.delete(device, at: now) }
        case .bind(let gateway, let device):
            try onDevice(gateway) { $0.bind(device, to: gateway, at: now) }
        case .unbind(let gateway, let device):
            try onDevice(gateway) { $0.unbind(device, from: gateway, at: now) }
        case .close(let device?):
            guard try onDevice(device, { $0.close(device, "closed by the operator", at: now) })
            else {
                throw .init(message: "\(device) is not connected")
            }
        case .close(nil):
            for name in registries.keys.sorted() {
                change(name) { $0.closeAll("closed by the operator", at: now) }
            }
        case .away:
            setListening(false, at: now)
            planEnd(of: order, .back, at: now)
        case .back: setListening(true, at: now)
        case .mute:
            setFaults({ $0.mute = true }, at: now)
            planEnd(of: order, .unmute, at: now)
        case .unmute: setFaults({ $0.mute = false }, at: now)
        case .refuse(let code):
            let until = order.lasts.map { now.instant + $0 } ?? .distantFuture
            setFaults({ $0.refuse = (code, until) }, at: now)
        case .accept: setFaults({ $0.refuse = nil }, at: now)
        case .dropPubacks(let pick): setFaults({ $0.dropPubacks = pick }, at: now)
        case .dropMessages(let pick): setFaults({ $0.dropMessages = pick }, at: now)
        case .duplicates(let pick): setFaults({ $0.duplicateDeliveries = pick }, at: now)
        case .delayPubacks(let delay): setFaults({ $0.delayPubacks = delay }, at: now)
        case .closeAfter(let packets): setFaults({ $0.closeAfterPackets = packets }, at: now)
        case .closeEvery(let period): setFaults({ $0.closeAfter = period }, at: now)
        case .throttle(let rate): setFaults({ $0.throttle = rate }, at: now)
        }
    }

    /// A text of one order a line; the number of orders obeyed.
    package mutating func obey(_ text: String, at now: Moment) throws(BridgeOrder.Misuse) -> Int {
        var count = 0
        for line in text.utf8.split(separator: 0x0A) {
            guard let order = try BridgeOrder.parse(ByteString(Substring(line))) else { continue }
            try obey(order, at: now)
            count += 1
        }
        return count
    }

    @discardableResult
    private mutating func onDevice<Answer>(
        _ device: ByteString, _ body: (inout BridgeEmulator) -> Answer
    ) throws(BridgeOrder.Misuse) -> Answer {
        guard let name = registry(with: device), let answer = change(name, body) else {
            throw .init(message: "\(Notice.printable(device)) is in no registry")
        }
        return answer
    }
}
