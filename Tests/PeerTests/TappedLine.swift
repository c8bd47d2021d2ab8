import Foundation
import Glibc
import Platform
import Synchronization

/// A two-wire line of three pseudo-terminals: what the master says, the slave and the ear hear;
/// what the slave says, the master and the ear; what the ear says is counted, and nobody hears it.
final class TappedLine: Sendable {
    private final class Counts: Sendable {
        let fromEar = Atomic<Int>(0)
        let isOver = Atomic<Bool>(false)
        let ended = DispatchSemaphore(value: 0)
    }

    private let masterEnd: PseudoTerminal
    private let slaveEnd: PseudoTerminal
    private let earEnd: PseudoTerminal
    private let counts = Counts()
    let master: String
    let slave: String
    let ear: String

    /// Bytes that came from the ear.
    var heardFromEar: Int { counts.fromEar.load(ordering: .relaxed) }

    init() throws {
        masterEnd = try PseudoTerminal()
        slaveEnd = try PseudoTerminal()
        earEnd = try PseudoTerminal()
        (master, slave, ear) = (masterEnd.path, slaveEnd.path, earEnd.path)
        let numbers = [masterEnd.master.number, slaveEnd.master.number, earEnd.master.number]
        let counts = counts
        Thread.detachNewThread {
            Self.relay(numbers, counts)
            counts.ended.signal()
        }
    }

    private static func relay(_ ends: [Int32], _ counts: Counts) {
        var chunk = [UInt8](repeating: 0, count: 512)
        while !counts.isOver.load(ordering: .relaxed) {
            var waiting = ends.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&waiting, nfds_t(waiting.count), 50) > 0 else { continue }
            for (index, end) in waiting.enumerated() where end.revents & Int16(POLLIN) != 0 {
                let count = read(end.fd, &chunk, chunk.count)
                guard count > 0 else { continue }
                if index == 2 {
                    counts.fromEar.add(count, ordering: .relaxed)
                } else {
                    for other in ends where other != end.fd { _ = write(other, chunk, count) }
                }
            }
        }
    }

    deinit {
        counts.isOver.store(true, ordering: .relaxed)
        counts.ended.wait()
    }
}
