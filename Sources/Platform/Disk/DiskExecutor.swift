import Base
import Synchronization

/// Carries out `DiskRequest`s on real directories, one after the other, each to its end. It blocks,
/// for seconds on a bad SD card: submit it to the disk worker.
///
/// Files are 0600 and directories 0700. Names are plain names; a symbolic link, pipe or device
/// under one is refused. At most 16 files stay open between requests.
package final class DiskExecutor: Sendable {
    /// For tests: an errno to fail with instead of making the call. Called with the call's name
    /// ("fdatasync") and the file's.
    package typealias FaultTable = @Sendable (_ call: StaticString, _ name: String) -> Int32?

    private let volumes: Mutex<[DiskRequest.Volume: DiskVolume]>

    /// The directories need not exist yet: `.open` makes them.
    package init(_ directories: [DiskRequest.Volume: String], faults: FaultTable? = nil) {
        volumes = Mutex(directories.mapValues { DiskVolume($0, faults: faults) })
    }

    /// The answer goes back to the machine with the request's ticket.
    package func execute(_ request: DiskRequest) -> Result<DiskAnswer, DiskFailure> {
        volumes.withLock { volumes in
            guard let volume = volumes[request.volume] else {
                return .failure(
                    DiskFailure(.missing, "no directory is configured for \(request.volume)"))
            }
            do throws(DiskFailure) {
                return .success(try Self.run(request.operation, on: volume))
            } catch {
                return .failure(error)
            }
        }
    }

    /// Closes every file and gives the locks back.
    package func close() {
        volumes.withLock { volumes in
            for volume in volumes.values { volume.close() }
        }
    }

    private static func run(
        _ operation: DiskRequest.Operation, on volume: DiskVolume
    ) throws(DiskFailure) -> DiskAnswer {
        switch operation {
        case .open:
            let entries = try volume.open()
            return .listing(entries, try volume.space())
        case .create(let name, let size, let header):
            try volume.create(name, size: size, header: header)
        case .write(let name, let extents, let sync):
            try volume.write(name, extents, sync: sync)
        case .read(let name, let offset, let count):
            return .bytes(try volume.read(name, offset: offset, count: count))
        case .sync(let name):
            try volume.sync(name)
        case .load(let name):
            return .bytes(try volume.load(name))
        case .replace(let name, let bytes):
            try volume.replace(name, bytes)
        case .remove(let name):
            try volume.remove(name)
        case .rename(let name, let to):
            try volume.rename(name, to: to)
        case .space:
            return .space(try volume.space())
        }
        return .done
    }
}

extension DiskFailure {
    /// The kernel's number sorted into the kinds that a machine can act on.
    init(_ failure: SystemFailure) {
        self.init(Kind(code: failure.code), failure.description)
    }
}
