import Base
import Simulators

/// A promise broken on purpose, to see that the oracle objects.
enum Sabotage: String, CaseIterable {
    /// Records are written as zeros though the write says that it went well.
    case losesRecords
    /// A write is answered before it has happened.
    case answersBeforeSync
    /// What arrives from a unit is not what it sent.
    case forgesReplies
    /// The bridge forgets an attachment and tells nobody.
    case forgetsAttachment
    /// The bus stays dead when everything should be healthy.
    case staysSilent
    /// Journal files vanish while the gateway is down.
    case wipesJournal
}

extension SimulatedWorld {
    func spoiled(_ request: DiskRequest) -> DiskRequest {
        guard sabotage == .losesRecords, now > .zero + .seconds(60), random.chance(0.5),
            case .write(let name, let extents, let sync) = request.operation
        else { return request }
        let zeros = extents.map {
            DiskRequest.Extent(
                offset: $0.offset, bytes: [UInt8](repeating: 0, count: $0.bytes.count))
        }
        originals[request.ticket] = request
        return DiskRequest(
            ticket: request.ticket, volume: request.volume,
            .write(name: name, extents: zeros, sync: sync))
    }

    /// What the gateway had asked for.
    func original(of request: DiskRequest) -> DiskRequest {
        originals.removeValue(forKey: request.ticket) ?? request
    }

    func liesAboutSync(_ request: DiskRequest) -> Bool {
        guard sabotage == .answersBeforeSync, case .write = request.operation else { return false }
        return true
    }

    func forged(_ bytes: [UInt8]) -> [UInt8] {
        // A reply of one register, count 7 as an example: the checksum is made right again.
        guard sabotage == .forgesReplies, bytes.count == 7, bytes[1] == 4 else { return bytes }
        var forged = bytes
        forged[4] ^= 0x40
        let sum = CRC16.checksum(forged[..<5])
        forged[5] = UInt8(sum & 0xFF)
        forged[6] = UInt8(sum >> 8)
        return forged
    }
}
