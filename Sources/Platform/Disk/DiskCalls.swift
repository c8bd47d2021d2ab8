import Base
import CLinux
import Glibc

/// The system calls of `DiskVolume`: each named, retried, and failing with the file's path.
extension DiskVolume {
    func directoryNumber() throws(DiskFailure) -> Int32 {
        guard let directory else { throw DiskFailure(.io, "\(path) is not open") }
        return directory.descriptor.number
    }

    func syncDirectory() throws(DiskFailure) {
        let number = try directoryNumber()
        try call("fsync", "") { fsync(number) }
    }

    func allocate(_ file: OpenFile, _ name: String, _ size: Int) throws(DiskFailure) {
        guard size > 0 else { return }
        let code: Int32
        if let forced = faults?("fallocate", name) {
            code = forced
        } else {
            code =
                retrying { clinux_allocate(file.descriptor.number, 0, Int64(size)) } == 0
                ? 0 : errno
        }
        // A file system that cannot (NFS, FAT) still takes the writes.
        guard code == 0 || code == EOPNOTSUPP || code == ENOSYS else {
            throw failure("fallocate", name, code)
        }
    }

    func writeAll(
        _ file: OpenFile, _ name: String, _ bytes: ArraySlice<UInt8>, at offset: Int
    ) throws(DiskFailure) {
        guard offset >= 0, offset <= Self.sizeMax else {
            throw DiskFailure(.io, "\(label(name)): cannot write at \(offset)")
        }
        var done = 0
        while done < bytes.count {
            let count = try call("pwrite", name) {
                bytes.withUnsafeBytes { raw in
                    pwrite(
                        file.descriptor.number, raw.baseAddress.map { $0 + done }, raw.count - done,
                        off_t(offset + done))
                }
            }
            guard count > 0 else { throw failure("pwrite", name, EIO) }
            done += count
        }
    }

    func readAll(
        _ file: OpenFile, _ name: String, offset: Int, count: Int
    ) throws(DiskFailure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = try call("pread", name) {
                bytes.withUnsafeMutableBytes { raw in
                    pread(
                        file.descriptor.number, raw.baseAddress.map { $0 + done }, count - done,
                        off_t(offset + done))
                }
            }
            if got == 0 { break }
            done += got
        }
        if done < count { bytes.removeLast(count - done) }
        return bytes
    }

    func size(of file: OpenFile, _ name: String) throws(DiskFailure) -> Int {
        var status = stat()
        try call("fstat", name) { fstat(file.descriptor.number, &status) }
        return Int(status.st_size)
    }

    func label(_ name: String) -> String { name.isEmpty ? path : "\(path)/\(name)" }

    func failure(_ call: StaticString, _ name: String, _ code: Int32) -> DiskFailure {
        DiskFailure(SystemFailure("\(call)", label(name), code: code))
    }

    @discardableResult
    func call<Value: SignedInteger>(
        _ name: StaticString, _ file: String, _ run: () -> Value
    ) throws(DiskFailure) -> Value {
        if let code = faults?(name, file) { throw failure(name, file, code) }
        let value = retrying(run)
        if value == -1 { throw failure(name, file, errno) }
        return value
    }

    func opened(
        _ name: StaticString, _ file: String, _ open: () -> Int32
    ) throws(DiskFailure) -> OwnedFD {
        let number = try call(name, file, open)
        do { return try OwnedFD(adopting: number) } catch { throw DiskFailure(error) }
    }
}

extension DiskFailure.Kind {
    init(code: Int32) {
        switch code {
        case ENOSPC, EDQUOT, EFBIG: self = .noSpace
        case EROFS: self = .readOnly
        case ENOENT: self = .missing
        case EEXIST: self = .exists
        case EACCES, EPERM: self = .denied
        default: self = .io
        }
    }
}
