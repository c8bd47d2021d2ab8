import Base
import Platform
import Spool

/// The files of a journal directory, read one by one. The gateway may be writing: a file that goes
/// in the meantime is no fault, and damage counts only if it is still there a moment later.
struct SpoolFolder {
    struct File {
        var name: String
        var content: Content
        /// Records that were at its end, by what the next file says, and are not.
        var missing = 0

        var isSound: Bool {
            if case .success(let reader) = content {
                reader.damage.isEmpty && missing == 0
            } else {
                false
            }
        }
    }

    enum Content {
        case success(SegmentReader)
        /// Made, but nothing was ever written to it.
        case empty
        case failure(String)
    }

    private static let sizeMax = 16 << 20
    private static let looks = 3

    let path: String
    let names: [String]
    let aside: [String]

    init(_ path: String) throws {
        self.path = path
        let all: [String]
        do { all = try FileSystem.names(in: path).sorted() } catch {
            Console.complain("\(path): \(error.words)")
            throw ExitCode.noInput
        }
        names = all.filter { $0.hasSuffix(".log") && Segment.firstSeq(named: $0) != nil }
        aside = all.filter { $0.hasSuffix(".bad") && Segment.firstSeq(named: $0) != nil }
        guard !names.isEmpty || !aside.isEmpty else {
            Console.complain("\(path): no journal here: there is no file seg-*.log")
            throw ExitCode.noInput
        }
    }

    func forEach(_ body: (File) -> Void) {
        for (index, name) in names.enumerated() {
            let next = index + 1 < names.count ? names[index + 1] : nil
            if let file = look(name, next) { body(file) }
        }
    }

    private func look(_ name: String, _ next: String?) -> File? {
        let limit = next.flatMap { Segment.firstSeq(named: $0) } ?? .max
        for attempt in 1...Self.looks {
            guard let file = read(name, next, limit) else { return nil }
            if attempt == Self.looks || file.isSound { return file }
            Clock.pause(.milliseconds(50))
        }
        return nil
    }

    /// nil if it is gone.
    private func read(_ name: String, _ next: String?, _ limit: UInt64) -> File? {
        let after = next.flatMap { try? FileSystem.read("\(path)/\($0)", limit: Self.sizeMax) }
            .flatMap { try? Segment.anyHeader($0).header }
        do {
            let reader = try SegmentReader(
                try FileSystem.read("\(path)/\(name)", limit: Self.sizeMax), limit: limit)
            return File(
                name: name, content: .success(reader),
                missing: after.map { reader.missing(before: $0) } ?? 0)
        } catch let error as Segment.HeaderError {
            // The next file knows how many records this one had.
            let first = Segment.firstSeq(named: name) ?? 0
            let missing =
                after.map {
                    $0.previous == first && $0.firstSeq > first
                        ? Int(clamping: $0.firstSeq - first) : 0
                } ?? 0
            guard error == .empty, missing == 0 else {
                return File(name: name, content: .failure(error.sentence), missing: missing)
            }
            return File(name: name, content: .empty)
        } catch let error as SystemFailure {
            return error.isMissing ? nil : File(name: name, content: .failure(error.words))
        } catch {
            return File(name: name, content: .failure("\(error)"))
        }
    }
}
