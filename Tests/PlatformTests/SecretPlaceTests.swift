import Base
import Glibc
import Platform
import Testing

/// Secrets in files, in the environment and in systemd's credentials.
@Suite struct SecretPlaceTests {
    private func refusal(_ work: () throws -> Void) -> CredentialError? {
        do { try work() } catch { return error as? CredentialError }
        return nil
    }

    @Test func aFileIsReadUpToItsBound() throws {
        let scratch = Scratch()
        try scratch.write("secret", "Qzx12345\n")
        try scratch.write("empty", "")
        let path = scratch.file("secret")
        #expect(try SecretPlace.file(path, limit: 9) == Array("Qzx12345\n".utf8))
        let long = refusal { _ = try SecretPlace.file(path, limit: 8) }
        #expect(long?.kind == .malformed && long?.message.contains("8 are allowed") == true)
        #expect(
            refusal { _ = try SecretPlace.file(scratch.file("empty"), limit: 8) }?.kind
                == .malformed)
        #expect(refusal { _ = try SecretPlace.file("/dev/zero", limit: 8) }?.kind == .unreadable)
        #expect(refusal { _ = try SecretPlace.file(scratch.path, limit: 8) }?.kind == .unreadable)
    }

    /// The secret itself may have been written where its file's name belongs.
    @Test func noMessageShowsTheNameOfAMissingFile() throws {
        let scratch = Scratch()
        let absent = refusal { _ = try SecretPlace.file(scratch.file("Qzx"), limit: 8) }
        #expect(absent?.kind == .missing)
        #expect(absent?.message == "the file that it names in \(scratch.path) does not exist")
        let variable = refusal { _ = try SecretPlace.variable("Qzx", limit: 8) }
        #expect(variable?.kind == .notGiven && variable?.message.contains("Qzx") == false)
        let credential = refusal {
            _ = try SecretPlace.credential("Qzx", limit: 8, directory: scratch.path)
        }
        #expect(credential?.kind == .missing && credential?.message.contains("Qzx") == false)
    }

    @Test func aVariableIsReadUpToItsBound() throws {
        setenv("FIELDGW_TEST_SECRET", "12345678", 1)
        setenv("FIELDGW_TEST_EMPTY", "", 1)
        defer {
            unsetenv("FIELDGW_TEST_SECRET")
            unsetenv("FIELDGW_TEST_EMPTY")
        }
        #expect(
            try SecretPlace.variable("FIELDGW_TEST_SECRET", limit: 8) == Array("12345678".utf8))
        #expect(
            refusal { _ = try SecretPlace.variable("FIELDGW_TEST_SECRET", limit: 7) }?.kind
                == .malformed)
        let empty = refusal { _ = try SecretPlace.variable("FIELDGW_TEST_EMPTY", limit: 7) }
        #expect(empty?.kind == .notGiven)
        #expect(empty?.message.contains("FIELDGW_TEST_EMPTY") == true)
    }

    @Test func aCredentialIsReadFromItsDirectory() throws {
        let scratch = Scratch()
        try scratch.write("mqtt", "Qzx", mode: 0o440)
        #expect(
            try SecretPlace.credential("mqtt", limit: 8, directory: scratch.path)
                == Array("Qzx".utf8))
        for directory in [nil, "", "relative"] as [String?] {
            let error = refusal {
                _ = try SecretPlace.credential("mqtt", limit: 8, directory: directory)
            }
            #expect(error?.kind == .notGiven)
        }
        // As for keys: root's file is handed over under the name of its folder and its own.
        try scratch.write("keys_mqtt", "Qzx2", mode: 0o440)
        #expect(
            try SecretPlace.file(
                "/nonexistent/keys/mqtt", limit: 8, credentialsDirectory: scratch.path)
                == Array("Qzx2".utf8))
    }

    @Test func aKeyIsTakenFromACredentialOrAVariable() throws {
        let scratch = Scratch()
        let key = try PrivateKey.generate(.ec)
        try scratch.write("gw-7", key.privatePEM(), mode: 0o440)
        let loaded = try PrivateKey.load("credential:gw-7", credentialsDirectory: scratch.path)
        #expect(loaded.publicPEM == key.publicPEM)
        #expect(
            PrivateKey.contents(of: "credential:gw-7", credentialsDirectory: scratch.path)
                == Array(try key.privatePEM().utf8))
        #expect(
            refusal { _ = try PrivateKey.load("credential:gw-7", credentialsDirectory: nil) }?.kind
                == .notGiven)
        setenv("FIELDGW_TEST_KEY", try key.privatePEM(), 1)
        defer { unsetenv("FIELDGW_TEST_KEY") }
        #expect(try PrivateKey.load("env:FIELDGW_TEST_KEY").publicPEM == key.publicPEM)
        setenv("FIELDGW_TEST_KEY", "Qzx", 1)
        let bad = refusal { _ = try PrivateKey.load("env:FIELDGW_TEST_KEY") }
        #expect(bad?.kind == .malformed && bad?.message.contains("Qzx") == false)
    }

    /// A mode alone says nothing: the folders above must let others in too.
    @Test func aFileIsOpenToAllIfItsFoldersAre() throws {
        let scratch = Scratch()
        try scratch.write("folder/secret", "x", mode: 0o644)
        chmod(scratch.path, 0o755)
        let path = scratch.file("folder/secret")
        for (folder, file, isOpen) in [
            (0o755, 0o644, true), (0o711, 0o604, true), (0o750, 0o644, false),
            (0o755, 0o640, false), (0o755, 0o600, false),
        ] as [(mode_t, mode_t, Bool)] {
            chmod(scratch.file("folder"), folder)
            chmod(path, file)
            #expect(FileSystem.isReadableByAll(path) == isOpen, "\(folder) \(file)")
        }
        chmod(scratch.file("folder"), 0o700)
        #expect(!FileSystem.isReadableByAll(scratch.file("absent")))
    }
}
