import Base
import Gateway
import Platform

/// Content of a configuration that is read while the gateway runs.
package struct Reload: Sendable {
    package var settings: Gateway.Settings
    package var keys: KeyRing
    package var tls: TLSContext?
    package var door: DoorPlace?
    package var logLevel: Notice.Level
    /// Keys of the file that differ and that only a start takes up.
    package var needRestart: [String]
    /// Warnings about the file, as a start prints them.
    package var warnings: [String] = []

    package init(
        settings: Gateway.Settings, keys: KeyRing, tls: TLSContext?, door: DoorPlace?,
        logLevel: Notice.Level,
        needRestart: [String]
    ) {
        self.settings = settings
        self.keys = keys
        self.tls = tls
        self.door = door
        self.logLevel = logLevel
        self.needRestart = needRestart
    }
}

/// Why a file cannot be taken up, in one sentence.
package struct ReloadFailure: Error, Sendable {
    package var message: String

    package init(_ message: String) { self.message = message }
}

/// SIGHUP: the file is read by a helper thread, because a disk can hang and a key can be in a
/// token; one at a time, and once more if another signal came meanwhile.
final class Reloading {
    package typealias Reader = @Sendable () -> Result<Reload, ReloadFailure>

    private let read: Reader
    private let mailbox: Mailbox<HelperMessage>
    private var worker: Worker?
    private var isReading = false
    private var isWantedAgain = false
    /// Read, and given to the gateway, which has not answered yet.
    private var offered: Reload?

    init(_ read: @escaping Reader, mailbox: Mailbox<HelperMessage>) {
        self.read = read
        self.mailbox = mailbox
    }

    /// - Parameter current: the settings in force; what is the same in the file shares their
    ///   storage.
    func begin(_ current: @autoclosure () -> Gateway.Settings) {
        guard !isReading, offered == nil else {
            isWantedAgain = true
            return
        }
        if worker == nil { worker = try? Worker("fgw-reload", stackBytes: 1 << 20) }
        let (read, mailbox, current) = (read, mailbox, current())
        isReading =
            worker?.submit {
                mailbox.post(
                    .reload(
                        read().map { reload in
                            var reload = reload
                            reload.settings = reload.settings.sharing(current)
                            return reload
                        }))
            } ?? false
    }

    func offer(_ reload: Reload) {
        isReading = false
        offered = reload
    }

    /// The gateway has answered, or there was nothing to offer: what was offered, if anything.
    func end() -> Reload? {
        defer { (isReading, offered) = (false, nil) }
        return offered
    }

    /// Whether another signal came while one was carried out; asked once.
    func takeRepeat() -> Bool {
        defer { isWantedAgain = false }
        return isWantedAgain
    }

    /// Since when the helper has been in one call.
    var helperBusySince: Instant? { worker?.busySince }

    func stop() { worker?.abandon() }
}
