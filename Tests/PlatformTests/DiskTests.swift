import Base
import Glibc
import Platform
import Testing

/// An executor on a scratch directory, and the requests in short form.
private struct Disk {
    let scratch = Scratch()
    let executor: DiskExecutor

    init(faults: DiskExecutor.FaultTable? = nil) {
        executor = DiskExecutor([.spool: scratch.file("a/spool")], faults: faults)
    }

    func run(_ operation: DiskRequest.Operation) -> Result<DiskAnswer, DiskFailure> {
        executor.execute(DiskRequest(ticket: 1, volume: .spool, operation))
    }

    func path(_ name: String) -> String { scratch.file("a/spool/\(name)") }

    func failure(_ operation: DiskRequest.Operation) -> DiskFailure? {
        if case .failure(let failure) = run(operation) { failure } else { nil }
    }

    func bytes(_ operation: DiskRequest.Operation) -> [UInt8]? {
        if case .success(.bytes(let bytes)) = run(operation) { bytes } else { nil }
    }

    func names() -> [String]? {
        if case .success(.listing(let entries, _)) = run(.open) { entries.map(\.name) } else { nil }
    }

    func mode(_ name: String) -> UInt32 {
        var status = stat()
        return stat(path(name), &status) == 0 ? status.st_mode & 0o777 : 0
    }
}

private func extent(_ offset: Int, _ text: String) -> DiskRequest.Extent {
    DiskRequest.Extent(offset: offset, bytes: Array(text.utf8))
}

@Suite struct DiskTests {
    @Test func openMakesTheDirectoryLocksItAndListsIt() throws {
        let disk = Disk()
        guard case .success(.listing(let entries, let space)) = disk.run(.open) else {
            Issue.record("open failed")
            return
        }
        #expect(entries.isEmpty)
        #expect(space.total > 0 && space.available >= 0)
        #expect(disk.mode("") == 0o700)
        #expect(disk.mode("lock") == 0o600)
        #expect(try FileSystem.text(disk.path("lock")) == "\(getpid())")
        #expect(disk.run(.create(name: "seg-1", size: 100, header: [1])) == .success(.done))
        #expect(disk.run(.open).map { _ in true } == .success(true))
        #expect(disk.names() == ["seg-1"])
    }

    @Test func aSecondExecutorIsToldWhoHoldsTheDirectory() {
        let disk = Disk()
        _ = disk.run(.open)
        let other = DiskExecutor([.spool: disk.scratch.file("a/spool")])
        let refused = other.execute(DiskRequest(ticket: 2, volume: .spool, .open))
        let words = "\(disk.scratch.file("a/spool")) is in use by process \(getpid())"
        #expect(refused == .failure(DiskFailure(.locked, words)))
        disk.executor.close()
        guard case .success = other.execute(DiskRequest(ticket: 3, volume: .spool, .open)) else {
            Issue.record("the lock was not given back")
            return
        }
    }

    @Test func createdFilesAreAllocatedPrivateAndNew() {
        let disk = Disk()
        _ = disk.run(.open)
        #expect(
            disk.run(.create(name: "seg", size: 4096, header: Array("head".utf8)))
                == .success(.done))
        #expect(disk.mode("seg") == 0o600)
        #expect(disk.bytes(.read(name: "seg", offset: 0, count: 6)) == Array("head".utf8) + [0, 0])
        #expect(disk.bytes(.read(name: "seg", offset: 4090, count: 100)) == [0, 0, 0, 0, 0, 0])
        #expect(disk.bytes(.read(name: "seg", offset: 5000, count: 100)) == [])
        #expect(disk.failure(.create(name: "seg", size: 0, header: []))?.kind == .exists)
    }

    @Test func extentsAreWrittenInOrderAndReadBack() {
        let disk = Disk()
        _ = disk.run(.open)
        _ = disk.run(.create(name: "f", size: 16, header: []))
        let extents = [extent(4, "abcd"), extent(6, "XY"), extent(14, "long")]
        #expect(disk.run(.write(name: "f", extents: extents, sync: true)) == .success(.done))
        #expect(disk.bytes(.read(name: "f", offset: 4, count: 4)) == Array("abXY".utf8))
        #expect(disk.bytes(.load(name: "f"))?.count == 18)
        #expect(disk.run(.sync(name: "f")) == .success(.done))
    }

    @Test func replaceIsWholeOrNotAndLeavesNoTemporaryFile() throws {
        let disk = Disk()
        _ = disk.run(.open)
        #expect(disk.run(.replace(name: "state", bytes: [1, 2])) == .success(.done))
        #expect(disk.bytes(.load(name: "state")) == [1, 2])
        #expect(disk.run(.replace(name: "state", bytes: [3])) == .success(.done))
        #expect(disk.bytes(.load(name: "state")) == [3])
        #expect(disk.mode("state") == 0o600)
        #expect(try FileSystem.names(in: disk.path("")).sorted() == ["lock", "state"])
    }

    /// What an interrupted replacement left behind goes, by name and by its first bytes; nothing
    /// else does.
    @Test func onlyOwnTemporaryFilesAreRemovedAtTheStart() throws {
        let disk = Disk()
        let number = "0123456789abcdef"
        let own = [
            ("clock.doc.fieldgw-\(number).tmp", "\n \t"),
            ("seg-0000000000000001.log.fieldgw-\(number).tmp", "FGWS"),
            ("seg-00000000000000ff.log.tmp", "FGWSPOOL and more"),
            ("config-meter-1.doc.tmp", "{\"every\":"), ("losses.doc.tmp", ""),
        ]
        let foreign = [
            ("notes.tmp", "mine"), ("state.tmp", "torn"),
            ("seg-00000000000000ff.log.bad.tmp", "FGWSPOOL"), ("letter.doc.tmp", "{}"),
            ("clock.doc.fieldgw-\(number)0.tmp", "{}"), ("seg-00000000000000aa.log.tmp", "a diary"),
            ("clock.doc.tmp", "PK\u{3}"),
        ]
        for (name, text) in own + foreign { try disk.scratch.write("a/spool/\(name)", text) }
        #expect(disk.names() == [])
        #expect(
            try FileSystem.names(in: disk.path("")).sorted()
                == (foreign.map(\.0) + ["lock"]).sorted())
        for (name, text) in foreign {
            #expect(try FileSystem.read(disk.path(name)) == Array(text.utf8))
        }
        #expect(disk.run(.replace(name: "clock.doc", bytes: [1])) == .success(.done))
        #expect(try FileSystem.read(disk.path("clock.doc.tmp")) == Array("PK\u{3}".utf8))
    }

    @Test func aForeignFileNamedLikeTheLockKeepsItsContent() throws {
        for (text, isKept) in [("a poem about locks", true), ("4711\n", false), ("", false)] {
            let disk = Disk()
            try disk.scratch.write("a/spool/lock", text)
            #expect(disk.names() == [])
            #expect(try FileSystem.text(disk.path("lock")) == (isKept ? text : "\(getpid())"))
        }
    }

    @Test func aPathIsSettledThroughLinksDotsAndWhatDoesNotExistYet() throws {
        let scratch = Scratch()
        try scratch.directory("one/two")
        try scratch.link("link", to: "one")
        let base = try #require(FileSystem.realPath(scratch.path))
        for (path, settled) in [
            ("one", "one"), ("one/", "one"), ("one/./two/..", "one"), ("link", "one"),
            ("link/two/", "one/two"), ("link/new/../two", "one/two"),
            ("new", "new"), ("new/", "new"), ("new//deep/.", "new/deep"),
            ("one/new/../../other", "other"),
        ] {
            #expect(FileSystem.settledPath(scratch.file(path)) == "\(base)/\(settled)", "\(path)")
        }
        #expect(
            FileSystem.isSameFile(scratch.file("link"), scratch.file("one"))
                && !FileSystem.isSameFile(scratch.file("one"), base))
    }

    @Test func removedAndRenamedFilesAreGoneUnderTheirOldName() {
        let disk = Disk()
        _ = disk.run(.open)
        _ = disk.run(.create(name: "a", size: 0, header: [7]))
        #expect(disk.run(.rename(name: "a", to: "a.bad")) == .success(.done))
        #expect(disk.failure(.load(name: "a"))?.kind == .missing)
        #expect(disk.bytes(.load(name: "a.bad")) == [7])
        #expect(disk.run(.remove(name: "a.bad")) == .success(.done))
        #expect(disk.failure(.remove(name: "a.bad"))?.kind == .missing)
        #expect(disk.names() == [])
    }

    @Test(arguments: [
        "", ".", "..", "a/b", "/etc/passwd", "lock", "x.tmp", "nul\0",
        String(repeating: "n", count: 201),
    ])
    func namesThatLeaveTheDirectoryAreRefused(name: String) {
        let disk = Disk()
        _ = disk.run(.open)
        #expect(disk.failure(.create(name: name, size: 0, header: []))?.kind == .io)
        #expect(disk.failure(.load(name: name))?.kind == .io)
        #expect(disk.failure(.remove(name: name))?.kind == .io)
    }

    @Test func linksDirectoriesAndPipesUnderANameAreNotOpened() throws {
        let disk = Disk()
        _ = disk.run(.open)
        try disk.scratch.write("secret", "x")
        try disk.scratch.link("a/spool/link", to: disk.scratch.file("secret"))
        try disk.scratch.directory("a/spool/folder")
        #expect(mkfifo(disk.path("pipe"), 0o600) == 0)
        for name in ["link", "folder", "pipe"] {
            #expect(disk.failure(.load(name: name))?.kind == .io, "\(name)")
        }
        #expect(disk.names() == [])
    }

    @Test(arguments: [
        DiskRequest.Operation.read(name: "f", offset: -1, count: 1),
        .read(name: "f", offset: 0, count: -1),
        .read(name: "f", offset: 0, count: .max), .create(name: "g", size: -1, header: []),
        .write(name: "f", extents: [DiskRequest.Extent(offset: -1, bytes: [1])], sync: false),
        .write(name: "f", extents: [DiskRequest.Extent(offset: .max, bytes: [1])], sync: false),
    ])
    func numbersOutOfRangeAreRefused(operation: DiskRequest.Operation) {
        let disk = Disk()
        _ = disk.run(.open)
        _ = disk.run(.create(name: "f", size: 0, header: [1]))
        #expect(disk.failure(operation)?.kind == .io)
    }

    @Test func nothingWorksBeforeOpenOrOnAnUnknownVolume() {
        let disk = Disk()
        #expect(disk.failure(.load(name: "f"))?.kind == .io)
        let request = DiskRequest(ticket: 1, volume: .state, .open)
        guard case .failure(let failure) = disk.executor.execute(request) else {
            Issue.record("a volume without directory was opened")
            return
        }
        #expect(failure.kind == .missing)
    }

    @Test func atMostSixteenFilesStayOpen() {
        let disk = Disk()
        _ = disk.run(.open)
        for index in 0..<40 {
            _ = disk.run(.create(name: "seg-\(index)", size: 0, header: [UInt8(index)]))
        }
        // Sixteen files, the directory and its lock.
        #expect(OpenDescriptors.count(of: disk.scratch.path) == 18)
        for index in 0..<40 { #expect(disk.bytes(.load(name: "seg-\(index)")) == [UInt8(index)]) }
        #expect(OpenDescriptors.count(of: disk.scratch.path) == 18)
        disk.executor.close()
        #expect(OpenDescriptors.count(of: disk.scratch.path) == 0)
    }

    /// fsync may report a lost write once and then say that all is well (Linux marks the pages
    /// clean). So after one failure the file is never believed again, until it is removed.
    @Test func aFileWhoseSyncFailedIsNotWrittenAgain() {
        let isFailing = Seen<Bool>()
        let disk = Disk { call, name in
            call.description == "fdatasync" && name == "f" && isFailing.all.count == 1 ? EIO : nil
        }
        _ = disk.run(.open)
        _ = disk.run(.create(name: "f", size: 0, header: [1]))
        isFailing.add(true)
        let write = DiskRequest.Operation.write(name: "f", extents: [extent(0, "x")], sync: true)
        let first = disk.failure(write)
        #expect(first?.kind == .io)
        #expect(first?.detail == "fdatasync \(disk.path("f")): Input/output error (EIO)")
        isFailing.add(true)
        #expect(disk.failure(write)?.detail.contains("an earlier sync failed") == true)
        #expect(disk.failure(.sync(name: "f"))?.kind == .io)
        #expect(disk.bytes(.load(name: "f")) == Array("x".utf8))
        _ = disk.run(.rename(name: "f", to: "f.bad"))
        #expect(disk.failure(.sync(name: "f.bad"))?.kind == .io)
        _ = disk.run(.open)
        #expect(disk.failure(.sync(name: "f.bad"))?.kind == .io)
        _ = disk.run(.remove(name: "f.bad"))
        _ = disk.run(.create(name: "f.bad", size: 0, header: []))
        #expect(disk.run(.sync(name: "f.bad")) == .success(.done))
    }

    @Test(arguments: [
        (ENOSPC, DiskFailure.Kind.noSpace), (EDQUOT, .noSpace), (EFBIG, .noSpace),
        (EROFS, .readOnly),
        (EACCES, .denied), (EPERM, .denied), (EIO, .io), (ENODEV, .io),
    ])
    func everyErrnoHasItsKindAndAFailedCreateLeavesNothing(code: Int32, kind: DiskFailure.Kind) {
        for call in ["pwrite", "fdatasync"] {
            let disk = Disk { name, file in name.description == call && file == "f" ? code : nil }
            _ = disk.run(.open)
            #expect(disk.failure(.create(name: "f", size: 0, header: [1]))?.kind == kind, "\(call)")
            #expect(disk.names() == [])
        }
    }

    @Test(arguments: [(EOPNOTSUPP, true), (ENOSYS, true), (ENOSPC, false), (EIO, false)])
    func aFileSystemThatCannotAllocateStillTakesTheWrites(code: Int32, works: Bool) {
        let disk = Disk { name, _ in name.description == "fallocate" ? code : nil }
        _ = disk.run(.open)
        let created = disk.run(.create(name: "f", size: 4096, header: [1, 2]))
        #expect((created == .success(.done)) == works)
        #expect(disk.names() == (works ? ["f"] : []))
        if works { #expect(disk.bytes(.load(name: "f")) == [1, 2]) }
    }

    /// On a real full disk where this process may mount one; elsewhere the forced numbers above
    /// stand in.
    @Test func aFullDiskRefusesNewFilesAndKeepsTakingPreallocatedWrites() throws {
        let scratch = Scratch()
        try scratch.directory("small")
        let small = scratch.file("small")
        guard mount("tmpfs", small, "tmpfs", 0, "size=128k") == 0 else { return }
        defer { umount2(small, 2) }
        let executor = DiskExecutor([.spool: small])
        func run(_ operation: DiskRequest.Operation) -> Result<DiskAnswer, DiskFailure> {
            executor.execute(DiskRequest(ticket: 1, volume: .spool, operation))
        }
        _ = run(.open)
        #expect(run(.create(name: "first", size: 64 << 10, header: [1])) == .success(.done))
        guard case .failure(let full) = run(.create(name: "second", size: 1 << 20, header: [1]))
        else {
            Issue.record("a megabyte went into 128 KiB")
            return
        }
        #expect(full.kind == .noSpace)
        let bytes = [UInt8](repeating: 7, count: 32 << 10)
        let inside = DiskRequest.Extent(offset: 4096, bytes: bytes)
        #expect(run(.write(name: "first", extents: [inside], sync: true)) == .success(.done))
        let outside = DiskRequest.Extent(offset: 64 << 10, bytes: bytes + bytes + bytes)
        guard
            case .failure(let failure) = run(.write(name: "first", extents: [outside], sync: false))
        else {
            Issue.record("96 KiB went into the rest")
            return
        }
        #expect(failure.kind == .noSpace)
        guard case .success(.listing(let entries, let space)) = run(.open) else { return }
        #expect(entries.map(\.name) == ["first"])
        #expect(space.total == 128 << 10)
        executor.close()
    }
}

@Suite struct FileSystemTests {
    @Test func aSecretOthersCanReadIsRefused() throws {
        let scratch = Scratch()
        let modes: [(UInt32, Bool)] = [
            (0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false),
        ]
        for (mode, isFine) in modes {
            let name = "key-\(String(mode, radix: 8))"
            try scratch.write(name, "secret", mode: mode)
            let path = scratch.file(name)
            #expect(FileSystem.isExposed(path) == !isFine)
            let bytes = try? FileSystem.readSecret(path)
            #expect((bytes == Array("secret".utf8)) == isFine, "\(name)")
            #expect(try FileSystem.text(path) == "secret")
        }
    }

    @Test func readingStopsAtTheLimitAndAtWhatIsNoFile() throws {
        let scratch = Scratch()
        try scratch.write("big", String(repeating: "x", count: 1000))
        #expect(try FileSystem.read(scratch.file("big"), limit: 1000).count == 1000)
        for (path, code) in [
            (scratch.file("big"), EFBIG), (scratch.path, EISDIR), ("/dev/zero", EINVAL),
        ] {
            do {
                _ = try FileSystem.read(path, limit: 999)
                Issue.record("\(path) was read")
            } catch {
                #expect(error.code == code, "\(path)")
            }
        }
    }

    @Test func createNeverReplacesAFile() throws {
        let scratch = Scratch()
        try scratch.write("f", "one")
        #expect((try? FileSystem.create(scratch.file("f"), [1])) == nil)
        #expect(try FileSystem.text(scratch.file("f")) == "one")
    }
}
