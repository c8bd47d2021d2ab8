import Base
import Gateway
import TestKit
import Testing

/// The store on a virtual disk, with a clock that only these tests move.
private final class Rig {
    var store = StateStore()
    var disk = VirtualDisk()
    var now = Instant.zero
    private(set) var durable: [String] = []
    private(set) var notices: [Notice] = []
    private(set) var failure: String?
    private(set) var writes = 0

    func start() {
        store.start()
        drain()
    }

    func keep(_ name: String, _ text: String?, _ urgency: StateStore.Urgency = .soon) -> Bool {
        defer { drain() }
        return store.keep(name, text.map { Array($0.utf8) }, urgency, at: now)
    }

    func pass(_ time: Duration) {
        let end = now + time
        for _ in 0..<1000 {
            guard let due = store.deadline, due <= end else { break }
            now = max(now, due)
            store.timeout(at: now)
            drain()
        }
        now = end
    }

    func finish() {
        store.drain(at: now)
        drain()
    }

    /// The process ends and a new one starts on the same disk.
    func restart() {
        store = StateStore()
        start()
    }

    func text(_ name: String) -> String? {
        store.document(name).map { String(decoding: $0, as: UTF8.self) }
    }

    func file(_ name: String) -> String? {
        guard let file = disk.contents(name + ".doc", .state),
            case .sound(let bytes) = StateDocument.content(of: file)
        else {
            return nil
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func drain() {
        for _ in 0..<10_000 {
            guard let output = store.next() else { return }
            switch output {
            case .disk(let request):
                if case .replace = request.operation { writes += 1 }
                store.completed(request.ticket, disk.perform(request), at: now)
            case .notice(let notice): notices.append(notice)
            case .durable(let name): durable.append(name)
            case .opened: break
            case .failed(let reason): failure = reason
            }
        }
        Issue.record("outputs without end")
    }
}

@Suite struct StateStoreTests {
    @Test func keepsDocumentsOverRestarts() {
        let rig = Rig()
        rig.start()
        #expect(rig.store.isLoaded)
        #expect(rig.keep("clock", "one") && rig.keep("config-meter-1", "two", .now))
        #expect(rig.file("config-meter-1") == "two" && rig.file("clock") == nil)
        #expect(rig.store.isDurable("config-meter-1") && !rig.store.isDurable("clock"))
        rig.pass(StateStore.delay)
        #expect(rig.file("clock") == "one" && rig.durable == ["config-meter-1", "clock"])
        rig.restart()
        #expect(rig.text("clock") == "one" && rig.store.names("config-") == ["config-meter-1"])
    }

    @Test func manyChangesCostOneWrite() {
        let rig = Rig()
        rig.start()
        for number in 0..<100 { _ = rig.keep("learned", "\(number)") }
        rig.pass(StateStore.delay)
        #expect(rig.writes == 1 && rig.file("learned") == "99")
        _ = rig.keep("learned", "99")
        rig.pass(.seconds(60))
        #expect(rig.writes == 1, "the same bytes again are no change")
    }

    @Test func whatIsForgottenIsGone() {
        let rig = Rig()
        rig.start()
        _ = rig.keep("a", "text", .now)
        _ = rig.keep("a", nil, .now)
        #expect(rig.file("a") == nil && rig.text("a") == nil && rig.store.names().isEmpty)
        _ = rig.keep("never", nil, .now)
        rig.restart()
        #expect(rig.text("a") == nil && rig.notices.isEmpty)
    }

    @Test func anEndWritesWhatWaits() {
        let rig = Rig()
        rig.start()
        _ = rig.keep("a", "text")
        #expect(!rig.store.isIdle)
        rig.finish()
        #expect(rig.store.isIdle && rig.file("a") == "text")
    }

    @Test func aDiskThatFailsIsTriedAgainAndLosesNothing() {
        let rig = Rig()
        rig.start()
        rig.disk.outage = DiskFailure(.noSpace, "ENOSPC")
        _ = rig.keep("a", "one", .now)
        _ = rig.keep("b", "two", .now)
        #expect(rig.notices.count == 1 && rig.text("a") == "one")
        rig.pass(.seconds(600))
        #expect(rig.notices.count == 1, "one notice for one trouble")
        rig.disk.outage = nil
        rig.pass(StateStore.pause)
        #expect(
            rig.file("a") == "one" && rig.file("b") == "two" && rig.notices.last?.level == .info)
    }

    @Test func aDirectoryThatIsMissingIsNoEndAndALockedOneIs() {
        let rig = Rig()
        rig.disk.outage = DiskFailure(.readOnly, "EROFS")
        rig.start()
        #expect(rig.store.isLoaded && rig.failure == nil && rig.keep("a", "text"))
        #expect(rig.text("a") == "text")

        let other = Rig()
        other.disk.isLocked = true
        other.start()
        #expect(other.failure != nil)
    }

    @Test(arguments: ["", ".hidden", "a/b", "ümlaut", String(repeating: "a", count: 201)])
    func refusesWhatIsNoName(_ name: String) {
        let rig = Rig()
        rig.start()
        #expect(!rig.keep(name, "text") && rig.store.names().isEmpty)
    }

    @Test func refusesMoreThanItsLimits() {
        let rig = Rig()
        rig.start()
        let large = String(repeating: "x", count: StateStore.documentMax)
        #expect(!rig.keep("large", large + "x"))
        for number in 0..<(StateStore.totalMax / StateStore.documentMax) {
            #expect(rig.keep("n\(number)", large))
        }
        #expect(!rig.keep("one-more", "x"))
        #expect(rig.keep("n0", "x") && rig.keep("one-more", "x"))
    }

    @Test func foreignFilesAreLeftAlone() {
        let rig = Rig()
        rig.disk.put("notes.txt", [1, 2, 3], .state)
        rig.disk.put("huge.doc", [UInt8](repeating: 0, count: StateStore.documentMax + 1), .state)
        rig.start()
        #expect(rig.store.isLoaded && rig.store.names().isEmpty)
        #expect(rig.disk.names(.state) == ["huge.doc", "notes.txt"])
    }

    private static let words = #"{"floor":1800000000000}"#

    @Test func aDocumentWithoutAChecksumIsReadAsItIs() {
        let rig = Rig()
        rig.disk.put("clock.doc", Array(Self.words.utf8), .state)
        rig.start()
        #expect(rig.text("clock") == Self.words && rig.notices.isEmpty)
    }

    /// The version before reads it too: what was added is white space.
    @Test func theHeadIsWhiteSpaceToJSON() throws {
        let file = StateDocument.file(Array(Self.words.utf8))
        let (read, bare) = (
            try JSONReader.parse(file), try JSONReader.parse(Array(Self.words.utf8))
        )
        #expect(read.members?.map(\.name) == bare.members?.map(\.name))
        #expect(read.members?.map(\.value.describe) == bare.members?.map(\.value.describe))
    }

    @Test func cutAtAnyByteOrWithAnyFlippedBitItIsToldAndNotUsed() {
        let file = StateDocument.file(Array(Self.words.utf8))
        var damaged = (0..<file.count).map { Array(file[..<$0]) }
        for byte in file.indices {
            for bit in 0..<8 {
                damaged.append(file)
                damaged[damaged.count - 1][byte] ^= 1 << UInt8(bit)
            }
        }
        damaged.append(file + [0x20])
        for bytes in damaged {
            let rig = Rig()
            rig.disk.put("clock.doc", bytes, .state)
            rig.disk.put("config-meter-1.doc", StateDocument.file(Array("{}".utf8)), .state)
            rig.start()
            let isTold =
                rig.notices.count == 1 && rig.notices[0].message.contains("clock.doc is damaged")
            if !rig.store.isLoaded || rig.text("clock") != nil || !isTold
                || rig.text("config-meter-1") != "{}"
            {
                Issue.record(
                    "\(bytes.count) bytes: \(rig.notices.map(\.message)) \(rig.text("clock") ?? "-")"
                )
            }
            #expect(
                rig.disk.contents("clock.doc.bad", .state) == bytes
                    && rig.disk.contents("clock.doc", .state) == nil)
            #expect(rig.keep("clock", "new", .now))
            rig.restart()
            #expect(rig.text("clock") == "new" && rig.notices.count == 1)
        }
    }

    @Test func aForeignDocumentIsNotTouched() {
        let rig = Rig()
        rig.disk.put("letter.doc", [0xD0, 0xCF, 0x11, 0xE0], .state)
        rig.start()
        #expect(
            rig.notices.isEmpty && rig.disk.names(.state) == ["letter.doc"]
                && rig.text("letter") == nil)
    }
}
