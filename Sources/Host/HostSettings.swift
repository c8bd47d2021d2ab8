import Base
import Gateway
import Platform

extension Host {
    /// Settings with which a host is started, beside the gateway itself.
    package struct Settings: Sendable {
        package var directories: [DiskRequest.Volume: String]
        package var controlPath: String?
        package var door: DoorPlace?
        package var logLevel: Notice.Level
        /// Reads the configuration again, on a helper thread.
        package var reload: @Sendable () -> Result<Reload, ReloadFailure>

        package init(
            directories: [DiskRequest.Volume: String], controlPath: String?, door: DoorPlace? = nil,
            logLevel: Notice.Level = .info,
            reload: @escaping @Sendable () -> Result<Reload, ReloadFailure>
        ) {
            self.directories = directories
            self.controlPath = controlPath
            self.door = door
            self.logLevel = logLevel
            self.reload = reload
        }
    }
}
