import Base
import Line
import Platform

/// Agrees on RFC 2217 over a connection and sets the line at its other end. Blocks: for a worker.
enum ComPortOpener {
    /// From the connection to the last confirmed setting.
    private static let limit = Duration.milliseconds(2500)

    static func set(
        _ socket: borrowing OwnedFD, _ settings: LineSettings
    ) throws(LineFailure) {
        let place = settings.device.text ?? ""
        let end = Clock.instant + limit
        var client = ComPortClient(settings)
        var buffer = [UInt8](repeating: 0, count: 1024)
        while true {
            try send(client.takeReply(), on: socket, place)
            switch client.progress {
            case .refused(let words): throw LineFailure(.settings, "\(place) \(words)")
            case .ready where client.isBetweenCommands: return
            case .agreeing, .setting, .ready: break
            }
            guard NetworkLine.waitForBytes(socket, until: end) else {
                throw client.progress == .agreeing
                    ? LineFailure(
                        .settings,
                        "\(place) does not answer as RFC 2217 says: is it a plain TCP port? Then "
                            + "write tcp:// and set the line at the converter")
                    : LineFailure(.settings, "\(place) does not confirm \(settings.describe)")
            }
            switch NetworkLine.read(socket, into: &buffer) {
            case .bytes(let count): _ = client.receive(buffer[..<count])
            case .wouldBlock: break
            case .hungUp(let failure):
                throw LineFailure(failure.kind, "\(place): \(failure.message)")
            }
        }
    }

    /// A few dozen bytes on a connection that was just made: it takes them at once.
    private static func send(
        _ bytes: [UInt8], on socket: borrowing OwnedFD, _ place: String
    ) throws(LineFailure) {
        guard !bytes.isEmpty else { return }
        guard case .bytes(bytes.count) = NetworkLine.write(socket, bytes[...]) else {
            throw LineFailure(.lost, "\(place): the connection was lost")
        }
    }
}
