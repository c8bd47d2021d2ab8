import Base
import Bridge
import Gateway
import Platform

/// Keys, CA and client certificate of a configuration, as a start and a reload need them. `fieldgw
/// check` loads them by the same call, so that it finds whatever `run` refuses.
package struct StartFiles: Sendable {
    package var keys: KeyRing
    package var tls: TLSContext?
    /// The HTTP door's certificate; nil without one.
    package var doorTLS: ServerContext?
    package var certificates: [CertificateEnd] = []

    /// Loads every file once, and tells each that cannot be used at its place in the configuration.
    /// - Parameter references: files that could be made out in a configuration with errors
    ///   elsewhere.
    /// - Parameter isCheck: whether a key that only the service is given, in its environment or as
    ///   a credential, is a warning.
    /// - Returns: nil if there is no configuration, or with at least one error.
    package static func load(
        _ configuration: Configuration?, _ references: [Configuration.FileReference],
        isCheck: Bool = false
    ) -> (StartFiles?, [Diagnostic]) {
        var loader = StartFileLoader(isCheck: isCheck)
        var files: StartFiles?
        if let configuration {
            files = loader.files(of: configuration)
        } else {
            loader.look(at: references)
        }
        loader.lookForDevices(references)
        loader.lookForReaders(references)
        return (loader.hasErrors ? nil : files, loader.problems)
    }
}

/// One run over the files of one configuration.
private struct StartFileLoader {
    let isCheck: Bool
    private(set) var problems: [Diagnostic] = []
    private var certificates: [CertificateEnd] = []

    init(isCheck: Bool) { self.isCheck = isCheck }

    var hasErrors: Bool { problems.contains { $0.severity == .error } }

    mutating func files(of configuration: Configuration) -> StartFiles? {
        let bridge = configuration.bridge
        var gateway: [PrivateKey] = []
        var devices: [DeviceID: PrivateKey] = [:]
        if bridge.isCloudIoT {
            for (place, location) in bridge.privateKeys.enumerated() {
                guard let key = privateKey(location) else { continue }
                gateway.append(key)
                warn(
                    location, place == 0 ? "key" : "key-\(place + 1)",
                    "the certificate in the private key's file",
                    KeyCertificate.validity(in: location.value))
            }
            for node in configuration.ports.flatMap(\.nodes) {
                if let location = node.privateKey { devices[node.device] = privateKey(location) }
            }
        }
        let tls = bridge.tls ? context(bridge) : nil
        let doorTLS = configuration.door.flatMap { context($0) }
        return hasErrors
            ? nil
            : StartFiles(
                keys: KeyRing(gateway: gateway, devices: devices), tls: tls, doorTLS: doorTLS,
                certificates: certificates)
    }

    private mutating func context(_ door: Configuration.Door) -> ServerContext? {
        guard let certificate = door.certificate, let key = door.key, privateKey(key) != nil else {
            return nil
        }
        do throws(CredentialError) {
            let context = try ServerContext(certificate: certificate.value, key: key.value)
            warn(certificate, "door", "the door's certificate", context.validity)
            return context
        } catch {
            complain(
                error.kind == .mismatch ? key : certificate,
                "the door's certificate: \(error.message)")
            return nil
        }
    }

    private mutating func privateKey(_ location: Located<String>) -> PrivateKey? {
        do throws(CredentialError) { return try PrivateKey.load(location.value) } catch {
            let hint = error.kind == .missing ? "; make one with `fieldgw key generate`" : ""
            let words = "the private key: \(error.message)"
            if isCheck, error.kind == .notGiven {
                problems.append(Diagnostic(location.place, .warning, "\(words); not checked here"))
            } else {
                complain(location, words + hint)
            }
            return nil
        }
    }

    private mutating func context(_ bridge: Configuration.Bridge) -> TLSContext? {
        let trust = bridge.ca.map { TrustSource.file($0.value) } ?? .system
        let anonymous: TLSContext
        do throws(CredentialError) { anonymous = try TLSContext(trust: trust) } catch {
            if let ca = bridge.ca {
                complain(ca, "the CA file (`ca`): \(error.message)")
            } else {
                problems.append(
                    Diagnostic(bridge.place, .error, "no `ca` is given: \(error.message)"))
            }
            return nil
        }
        if let ca = bridge.ca {
            let ends = anonymous.trustEnds.map {
                (notBefore: WallTime(milliseconds: .min), notAfter: $0)
            }
            warn(ca, "ca", "the CA file (`ca`)", ends)
        }
        guard let certificate = bridge.clientCertificate, let key = bridge.clientKey else {
            return anonymous
        }
        guard privateKey(key) != nil else { return nil }
        do throws(CredentialError) {
            let named = try TLSContext(trust: trust, certificate: certificate.value, key: key.value)
            warn(certificate, "client", "the client certificate", named.clientValidity)
            return named
        } catch {
            complain(
                error.kind == .mismatch ? key : certificate,
                "the client certificate: \(error.message)")
            return nil
        }
    }

    /// Warns of a certificate that has ended, ends within 30 days or has not begun, by this
    /// machine's clock.
    private mutating func warn(
        _ location: Located<String>, _ name: String, _ what: String,
        _ validity: (notBefore: WallTime, notAfter: WallTime)?
    ) {
        guard let (begin, end) = validity else { return }
        let now = Clock.now().wall
        let certificate = CertificateEnd(name: name, what: what, end: end)
        certificates.append(certificate)
        let clock = "this machine's clock says \(now.timestamp)"
        let words: String
        if now < begin {
            words = "\(what) is valid only from \(begin.timestamp) on, and \(clock)"
        } else if end <= now {
            words = "\(what) ended on \(end.timestamp), and \(clock): connections will be refused"
        } else if certificate.endsSoon(at: now) {
            words = certificate.sentence(at: now)
        } else {
            return
        }
        problems.append(Diagnostic(location.place, .warning, words))
    }

    mutating func look(at references: [Configuration.FileReference]) {
        for file in references {
            switch file.role {
            case .privateKey, .clientKey, .serverKey: _ = privateKey(file.path)
            case .certificateAuthority:
                do throws(CredentialError) {
                    _ = try TLSContext(trust: .file(file.path.value))
                } catch {
                    complain(file.path, "the CA file (`ca`): \(error.message)")
                }
            case .clientCertificate: pair(file.path, references, .clientKey)
            case .serverCertificate: pair(file.path, references, .serverKey)
            case .device, .clearSecret, .secretFile: break
            }
        }
    }

    /// A certificate and its key, where nothing else of the configuration can be used.
    private mutating func pair(
        _ certificate: Located<String>, _ references: [Configuration.FileReference],
        _ role: Configuration.FileReference.Role
    ) {
        guard let key = references.first(where: { $0.role == role })?.path,
            (try? PrivateKey.load(key.value)) != nil
        else { return }
        do throws(CredentialError) {
            _ = try ServerContext(certificate: certificate.value, key: key.value)
        } catch {
            let what = role == .clientKey ? "the client certificate" : "the door's certificate"
            complain(error.kind == .mismatch ? key : certificate, "\(what): \(error.message)")
        }
    }

    mutating func lookForDevices(_ references: [Configuration.FileReference]) {
        for file in references {
            guard case .device(let port) = file.role else { continue }
            let path = file.path.value
            if let what = FileSystem.noDevice(path) {
                // A shell that writes to the name of an adapter that is away makes a file there.
                let isLeftBehind = what == "a file" && path.hasPrefix("/dev/")
                problems.append(
                    Diagnostic(
                        file.path.place, isLeftBehind ? .warning : .error,
                        "\(path) is \(what), not a serial line"
                            + (isLeftBehind ? ": remove it, and plug the adapter in again" : "")))
            }
            guard !FileSystem.exists(path) else { continue }
            problems.append(
                Diagnostic(
                    file.path.place, .warning,
                    "\(file.path.value) does not exist now: port \(port) is tried again until it appears"
                ))
        }
    }

    /// Warns of secrets that every user of this machine can read: once a file.
    mutating func lookForReaders(_ references: [Configuration.FileReference]) {
        var told: Set<ByteString> = []
        for file in references {
            let words: String
            switch file.role {
            case .clearSecret(let key):
                words =
                    "\"\(key)\" stands here in the clear: keep it elsewhere, { file: \"…\" }, or"
            case .secretFile(let key): words = "\"\(key)\" is a secret:"
            default: continue
            }
            let path = file.path.value
            guard FileSystem.isReadableByAll(path), told.insert(ByteString(path)).inserted else {
                continue
            }
            problems.append(
                Diagnostic(
                    file.path.place, .warning,
                    "every user of this machine can read \(path), and \(words) run `chmod o-rwx` "
                        + "on that file"
                ))
        }
    }

    private mutating func complain(_ location: Located<String>, _ message: String) {
        problems.append(Diagnostic(location.place, .error, message))
    }
}
