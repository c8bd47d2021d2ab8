import Base
import Platform
import Spool

/// The files of a journal directory, read one by one. The gateway may be writing: a file that goes in
/// the meantime is no fault, and damage counts only if it is still there a moment later.
struct SpoolFolder {
    struct File {
        var name: String
        var content: Content
        /// Records that were at its end, by what the next file says, and are not.
        var missing = 0
    }

    enum Content {
        case success(SegmentReader)
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
            guard case .success(let reader) = file.content else {
                if attempt == Self.looks { return file }
                Clock.pause(.milliseconds(50))
                continue
            }
            if attempt == Self.looks || reader.damage.isEmpty && file.missing == 0 { return file }
            Clock.pause(.milliseconds(50))
        }
        return nil
    }

    /// nil if it is gone.
    private func read(_ name: String, _ next: String?, _ limit: UInt64) -> File? {
        do {
            let reader = try SegmentReader(try FileSystem.read("\(path)/\(name)", limit: Self.sizeMax), limit: limit)
            var file = File(name: name, content: .success(reader))
            if let next, let head = try? FileSystem.read("\(path)/\(next)", limit: Self.sizeMax),
                let header = try? Segment.header(Array(head.prefix(Segment.headerSize)))
            {
                file.missing = reader.missing(before: header)
            }
            return file
        } catch let error as Segment.HeaderError {
            return File(name: name, content: .failure(error.sentence))
        } catch let error as SystemFailure {
            return error.isMissing ? nil : File(name: name, content: .failure(error.words))
        } catch {
            return File(name: name, content: .failure("\(error)"))
        }
    }
}
